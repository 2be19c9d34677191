"""How long learning will take, told beforehand: one small reading and one step are measured on this computer."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import numpy as np

from ..inference.device import Runtime, choose_runtime
from ..inference.grid.model_grid import ModelGrid
from ..inference.prepared_network import ready
from ..model.checkpoint import Model
from ..pixel_size import PixelSize
from ..progress import run_to_end
from .decoder_steps import Page, fit
from .finished_ground import task_pixel_size_um
from .held_out import probabilities
from .kept_features import read_features
from .learn import VIEWS
from .learn_settings import LearnSettings

_PROBE_PX = 256


def learning_seconds(
    image_shape: tuple[int, int],
    pixel_size_um: float | PixelSize,
    tasks: Sequence[str],
    model: Model,
    settings: LearnSettings,
) -> float:
    """Seconds that ``learn`` will take at most for an image; measuring takes two or three itself.

    Parameters
    ----------
    image_shape : (int, int)
        Height and width in image pixels.
    pixel_size_um : float or PixelSize
    tasks : sequence of str
        Instance tasks that were finished.
    model : Model
        Left as it is.
    settings : LearnSettings
    """
    runtime = choose_runtime(settings.device)
    return sum(_task_seconds(task, image_shape, pixel_size_um, model, settings, runtime) for task in tasks)


def _task_seconds(
    task: str,
    image_shape: tuple[int, int],
    pixel_size_um: float | PixelSize,
    model: Model,
    settings: LearnSettings,
    runtime: Runtime,
) -> float:
    grid = ModelGrid.of(image_shape, pixel_size_um, task_pixel_size_um(model.spec, task))
    share = grid.shape[0] * grid.shape[1] / _PROBE_PX**2
    probe = np.full((_PROBE_PX, _PROBE_PX, 3), 200, np.uint8)
    network, prepared = copy.deepcopy(model.network).to(runtime.device), ready(model.network, runtime)
    view = run_to_end(read_features(probe, prepared, runtime))
    clock = time.perf_counter()
    view = run_to_end(read_features(probe, prepared, runtime))
    reading = time.perf_counter() - clock
    clock = time.perf_counter()
    probabilities(network, model, task, view, view.whole, runtime)
    decoding = time.perf_counter() - clock
    target, known = np.zeros((_PROBE_PX,) * 2, np.uint8), np.ones((_PROBE_PX,) * 2, np.float32)
    job = fit(network, task, [Page(views=(view,), target=target, weights=known)], settings, runtime, [0])
    next(job)
    clock = time.perf_counter()
    next(job, None)
    step = time.perf_counter() - clock
    job.close()
    # An encoder pass for each view; a judgement costs at most a decoder pass, and so does annotating again.
    judged = 2 * (1 + len(settings.keep)) + 3
    return len(VIEWS) * share * reading + judged * share * decoding + 2 * settings.steps * step
