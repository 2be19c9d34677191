"""From probabilities to instance labels on the model grid: cut, repaired, lumina inside of glands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..model.checkpoint import Model
from ..model.published import is_published
from ..progress import Job, Progress
from ..tasks import GLANDS, LUMINA
from .annotate_settings import AnnotateSettings
from .objects.postprocess import drop_outside, find_objects
from .objects.repair import clip_lumina, repair
from .objects.thresholds import ObjectSettings, settings_for
from .predict import Prediction

_OBJECTS = "Finding objects"


def cut_objects(prediction: Prediction, model: Model, settings: AnnotateSettings) -> Job[dict[str, NDArray[np.int32]]]:
    """Instance labels of each task on the model grid, repaired; lumina outside every gland are removed."""
    cut: dict[str, NDArray[np.int32]] = {}
    for done, (task, probabilities) in enumerate(prediction.probabilities.items()):
        yield Progress(_OBJECTS, done, len(prediction.probabilities))
        inner, contour = probabilities.astype(np.float32)
        chosen, size_um = object_settings_of(task, model, settings), model.spec.pixel_size_of(task)
        found = find_objects(task, inner, contour, size_um, chosen)
        yield Progress(_OBJECTS, done, len(prediction.probabilities))
        cut[task] = repair(task, found, contour, size_um, settings.repair)
    if LUMINA in cut and GLANDS in cut:
        limit = clip_lumina if settings.repair.clip_lumina else drop_outside
        cut[LUMINA] = limit(cut[LUMINA], cut[GLANDS])
    return cut


def object_settings_of(task: str, model: Model, settings: AnnotateSettings) -> ObjectSettings:
    """The thresholds and sizes by which a task is cut, sensitivity included."""
    published = settings.rule == "published" or (settings.rule == "auto" and is_published(model.spec))
    chosen = settings_for(task, model.spec.thresholds.get(task), published=published)
    return chosen.leaning(settings.sensitivity)
