"""The jobs the dock runs, as plain generators: list the models, annotate a picture. torch is first imported in them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...pixel_size import PixelSize
from ...progress import Job, Progress
from ..session import Device, ModelChoice
from .image_region import ImageRegion

if TYPE_CHECKING:
    from ...inference.annotate import Annotation
    from ...model.checkpoint import Model

_TRIAL_PX = (256, 256)


@dataclass(frozen=True, kw_only=True)
class Request:
    """The form, frozen when Annotate was clicked.

    Attributes
    ----------
    picture : ImageRegion
    pixel_size : PixelSize
        Of the picture (of its level, not of full resolution).
    model_name : str
    device : {"auto", "cpu", "cuda", "mps"}
    sensitivity : float
        -1..1.
    flips : bool
        Let confidence include agreement under flips.
    """

    picture: ImageRegion
    pixel_size: PixelSize
    model_name: str
    device: Device
    sensitivity: float
    flips: bool = False


def list_model_choices() -> Job[tuple[ModelChoice, ...]]:
    """Look up the models on this computer; importing torch for it takes a second, so it runs beside the window."""
    yield Progress("Looking for models")
    from ...model.ancestry import adapted_from
    from ...model.library.entries import list_models
    from ...model.library.promotion import promoted_and_note
    from ...model.stain_profile import stain_of

    choices = []
    for entry in list_models():
        card = entry.path / "MODEL_CARD.md"
        choices.append(
            ModelChoice(
                name=entry.name,
                predicts=tuple(task.key for task in entry.spec.tasks),
                pixel_size_um=entry.spec.pixel_size_um,
                sha256=entry.sha256,
                origin=str(entry.spec.provenance.get("summary", "")),
                card=card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
                stain=stain_of(entry.spec),
                adapted_from=adapted_from(entry.spec),
                task_pixel_size_um=dict(entry.spec.task_pixel_size_um),
            )
        )
        yield Progress("Looking for models", len(choices))
    if choices:
        yield Progress("Looking for models", message=promoted_and_note()[1])
    return tuple(choices)


class Annotator:
    """Makes annotation jobs and keeps the model of the last one, so that a second click does not load it again.

    Parameters
    ----------
    lent : mapping of name to Model, optional
        Models that are in no library: what was learned in an open image.
    """

    def __init__(self, lent: Mapping[str, Model] | None = None) -> None:
        self._model: tuple[str, Model] | None = None
        self._lock = threading.Lock()
        self._lent: Mapping[str, Model] = lent if lent is not None else {}

    def __call__(self, request: Request) -> Job[Annotation]:
        """Read the pixels, open the model, annotate."""
        yield Progress("Reading the image")
        picture = request.picture
        image = (picture.read_context or picture.read)()
        yield Progress("Loading the model")
        from ...inference.annotate import annotate
        from ...inference.annotate_settings import AnnotateSettings
        from ...inference.grid.model_grid import Window
        from ...inference.inner_part import inner_part

        settings = AnnotateSettings(
            pixel_size_um=request.pixel_size,
            device=request.device,
            sensitivity=request.sensitivity,
            flips=request.flips,
        )
        model = self.open(request.model_name)
        around = picture.context or picture.box
        annotation = yield from annotate(image, model, settings, frame=picture.frame_of(around))
        if picture.context is None and picture.outline is None:
            return annotation
        part = Window(*picture.box.as_tuple()).inside(Window(*around.as_tuple()))
        return inner_part(annotation, part, request.pixel_size, picture.inside())

    def load(self, name: str, device: Device) -> Job[None]:
        """Load torch, a model, and all that the first annotation needs; a small picture is read for it."""
        yield Progress("Loading the model")
        model = self.open(name)
        yield Progress("Loading the model")
        from ...inference.annotate import annotate
        from ...inference.annotate_settings import AnnotateSettings

        noise = np.random.default_rng(0).integers(60, 250, (*_TRIAL_PX, 3)).astype(np.uint8)
        yield from annotate(noise, model, AnnotateSettings(pixel_size_um=model.spec.pixel_size_um, device=device))

    def forget_model(self) -> None:
        """Load the model anew next time: the library changed."""
        self._model = None

    def open(self, name: str) -> Model:
        """A model by name; the last one is kept."""
        from ...model.library.opening import open_model

        with self._lock:
            if name in self._lent:
                return self._lent[name]
            if self._model is None or self._model[0] != name:
                self._model = None
                self._model = (name, open_model(name))
            return self._model[1]
