"""The whole slide as one job: tissue, then the network block by block, then objects, streamed to disk."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import CerberusError, ImageError, SettingsError
from ..files import atomic_path
from ..inference.annotate import AnnotateSettings
from ..inference.device import Runtime, choose_runtime
from ..inference.grid.model_grid import ModelGrid, Window, round_up
from ..inference.predict import Prediction, margin_px, predict
from ..inference.prepared_network import prepare
from ..model.checkpoint import Model
from ..model.network import STRIDE_PX
from ..progress import Job, Progress, run_to_end
from .cutting import cut_block
from .layout import Layout, Place, read_model_window
from .run_folder import TISSUE, RunFolder
from .slide import Slide
from .tissue import TissueMask, find_tissue

DEFAULT_BLOCK_PX = 512
_KEPT_BLOCKS = 24
_HEARTBEAT_S = 0.25
_UM2_PER_MM2 = 1e6
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class SlideResult:
    """What came out, all of it on disk.

    Attributes
    ----------
    folder : Path
        ``labels.ome.zarr``, ``objects.parquet``, ``overviews.npz`` and ``run.json``.
    objects : int
    tissue_mm2 : float
    seconds : float
        Of this run, not of what an earlier one had done.
    """

    folder: Path
    objects: int
    tissue_mm2: float
    seconds: float


def annotate_slide(
    slide: Slide,
    model: Model,
    settings: AnnotateSettings,
    folder: Path,
    *,
    block_px: int = DEFAULT_BLOCK_PX,
    runtime: Runtime | None = None,
) -> Job[SlideResult]:
    """Annotate a slide into a folder; a run that ended early goes on.

    Parameters
    ----------
    slide : Slide
    model : Model
    settings : AnnotateSettings
        ``pixel_size_um`` is that of the finest level. ``flips`` is refused.
    folder : Path
        Empty, new, or of the same run.
    block_px : int
        Side of a block in model pixels: memory and time, never the result.

    Yields
    ------
    Progress
        A few times a second; closing the generator stops within a second and keeps what is done.

    Raises
    ------
    ImageError, OutputError, SettingsError, CerberusError
        The slide cannot be read or was replaced, the folder is in use, of another run, or full.
    """
    if settings.flips:
        raise SettingsError("flips: a whole slide is read once; switch the check under flips off.")
    refuse_several_pixel_sizes(model)
    try:
        return (yield from _annotate(slide, model, settings, folder, block_px, runtime))
    except RuntimeError as error:  # napari's workers swallow RuntimeError
        raise CerberusError(f"The computation failed: {error}") from error


def _annotate(
    slide: Slide, model: Model, settings: AnnotateSettings, folder: Path, block_px: int, runtime: Runtime | None
) -> Job[SlideResult]:
    started, size_um = time.perf_counter(), settings.mean_pixel_um
    grid = ModelGrid.of(slide.shape, size_um, model.spec.pixel_size_um)
    layout = Layout.of(grid, block_px)
    run = RunFolder(folder, layout)
    with run.locked():
        tasks = tuple(task.key for task in model.spec.tasks if task.kind == "instances")
        run.begin(provenance(slide, model, settings, layout), tasks, size_um)
        tissue = yield from find_tissue(slide, size_um)
        chosen = runtime or choose_runtime(settings.device, model_pixels=grid.shape[0] * grid.shape[1])
        work = SlideWork(slide, model, settings, run, layout, tissue, chosen)
        yield from _blocks("Reading the slide", work.network_places(), run.network_path, work.read_block, layout)
        yield from _blocks("Finding objects", layout.label_blocks(), run.table_path, work.cut, layout)
        area = tissue_mm2(tissue, size_um)
        work.write_overviews()
        count = run.finish(layout.label_blocks(), {"tissue_mm2": round(area, 4), "device": chosen.name})
    return SlideResult(folder=folder, objects=count, tissue_mm2=area, seconds=time.perf_counter() - started)


def refuse_several_pixel_sizes(model: Model) -> None:
    """Blocks of a slide are read once. Raises ``SettingsError`` for a model that reads at several pixel sizes."""
    if len(model.spec.tasks_by_pixel_size()) > 1:
        raise SettingsError(
            f"Model {model.name!r} reads its tasks at several pixel sizes; a slide needs a model of one."
        )


def provenance(slide: Slide, model: Model, settings: AnnotateSettings, layout: Layout) -> dict[str, Any]:
    """What a result was made with; a run goes on only with the same."""
    return {
        "slide": slide.name,
        "image_key": slide.key,
        "image_shape_px": list(slide.shape),
        "pixel_size_um": settings.mean_pixel_um,
        "model": model.name,
        "model_sha256": model.sha256,
        "sensitivity": settings.sensitivity,
        "rule": settings.rule,
        "block_px": layout.network_px,
        "version": __version__,
    }


def tissue_mm2(tissue: TissueMask, pixel_size_um: float) -> float:
    """Area of the cells that hold tissue."""
    return float(tissue.cells.sum() * (tissue.cell_px * pixel_size_um) ** 2 / _UM2_PER_MM2)


def _blocks(
    stage: str, places: list[Place], path: Callable[[Place], Path], do: Callable[[Place], None], layout: Layout
) -> Job[None]:
    """Do the blocks that are not done; a heartbeat in between, so that cancelling is quick."""
    todo = [place for place in places if not path(place).is_file()]
    before, started = len(places) - len(todo), time.perf_counter()
    for done, place in enumerate(todo):
        seconds = (time.perf_counter() - started) / max(done, 1) * (len(todo) - done)
        left = f"{stage}: about {max(1, round(seconds / 60))} min left" if done and done % 10 == 0 else ""
        yield Progress(stage, before + done, len(places), message=left)
        yield from _polled(lambda place=place: do(place), Progress(stage, before + done, len(places)))  # type: ignore[misc]


def _polled(do: Callable[[], Result], beat: Progress) -> Job[Result]:
    """Run ``do`` in a thread. Closing the generator leaves at once; what the thread still does is not waited for."""
    pool = ThreadPoolExecutor(1)
    try:
        future = pool.submit(do)
        while not wait([future], timeout=_HEARTBEAT_S).done:
            yield beat
        return future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class SlideWork:
    """What is done to a single block; holds no block for long."""

    def __init__(
        self,
        slide: Slide,
        model: Model,
        settings: AnnotateSettings,
        run: RunFolder,
        layout: Layout,
        tissue: TissueMask,
        runtime: Runtime,
    ) -> None:
        self._slide, self._model, self._settings = slide, model, settings
        self._run, self._layout, self._tissue, self._runtime = run, layout, tissue, runtime
        self._margin = margin_px(prepare(model, runtime))
        self._stamp = _stamp(slide.path)
        self._kept: OrderedDict[Place, dict[str, NDArray[Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def do(self, method: str, place: Place) -> None:
        """``read_block`` or ``cut`` of a block, unless another worker has done it."""
        path, work = {
            "read_block": (self._run.network_path, self.read_block),
            "cut": (self._run.table_path, self.cut),
        }[method]
        if not path(place).is_file():
            work(place)

    def network_places(self) -> list[Place]:
        """The blocks with tissue; the others are glass and are not read."""
        return [
            place
            for place in self._layout.network_blocks()
            if self._tissue.on(self._layout.network_window(place), self._layout.grid).any()
        ]

    def read_block(self, place: Place) -> None:
        """Run the network over a block with its margin and keep the answer. Outside of tissue there is nothing."""
        if _stamp(self._slide.path) != self._stamp:
            raise ImageError(f"{self._slide.path.name} was replaced during the run; start again in another folder.")
        block = self._layout.network_window(place)
        window = block.grown(self._margin, self._layout.whole)
        pixels = read_model_window(self._slide, self._layout.grid, window)
        found = run_to_end(predict(pixels, self._model, self._runtime, tile_size_px=max(pixels.shape[:2])))
        inside = block.inside(window)
        held = self._tissue.on(block, self._layout.grid)
        parts = {task: np.where(held, both[(..., *inside.slices)], 0) for task, both in found.probabilities.items()}
        types = {task: kinds[inside.slices] for task, kinds in found.type_maps.items()}
        tissue = found.tissue
        if tissue is not None:
            ends = Window(inside.y0, inside.x0, round_up(inside.y1), round_up(inside.x1))
            tissue = tissue[(slice(None), *ends.coarser(STRIDE_PX).slices)]
        kept = replace(found, probabilities=parts, type_maps=types, tissue=tissue)
        self._run.write_network(place, kept, uncertainty_of(parts))

    def cut(self, place: Place) -> None:
        """Find the objects of a block of labels and write them, the table last."""
        window = self._layout.label_window(place)
        near = self._layout.on_model(window).grown(STRIDE_PX, self._layout.whole)
        found = None
        if self._tissue.on(near, self._layout.grid).any():
            found = cut_block(place, self._layout, self.probabilities, self._model, self._settings)
            for task, labels in found.labels.items():
                if labels.any():
                    self._run.write_labels(task, window, labels)
        self._run.write_objects(place, found.objects if found is not None else _nothing())

    def probabilities(self, window: Window) -> Prediction:
        """The probabilities of any window of the model grid; glass is background."""
        tasks = self._model.spec.tasks
        both = {task.key: np.zeros((2, *window.shape), np.float16) for task in tasks if task.kind == "instances"}
        types = {task.key: np.zeros(window.shape, np.uint8) for task in tasks if task.kind == "types"}
        for place in self._layout.touched(window):
            block = self._layout.network_window(place)
            common = block.grown(0, window)
            stored = self._block(place)
            for prefix, target in (("p_", both), ("t_", types)):
                for task, array in target.items() if stored else ():
                    here = (..., *common.inside(window).slices)
                    array[here] = stored[prefix + task][(..., *common.inside(block).slices)]
        return Prediction(probabilities=both, type_maps=types)

    def _block(self, place: Place) -> dict[str, NDArray[Any]]:
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
                return self._kept[place]
        stored = self._run.read_network(place) if self._run.network_path(place).is_file() else {}
        with self._lock:
            self._kept[place] = stored
            while len(self._kept) > _KEPT_BLOCKS:
                self._kept.popitem(last=False)
        return stored

    def write_overviews(self) -> None:
        """Tissue mask, tissue classes and uncertainty in cells of 16 model pixels, 0..255."""
        height, width = (-(-side // STRIDE_PX) for side in self._layout.grid.shape)
        uncertainty = np.zeros((height, width), np.uint8)
        classes = np.zeros((len(self._model.spec.tissue_classes), height, width), np.uint8)
        size = self._layout.network_px // STRIDE_PX
        for row, column in self.network_places():
            stored = self._run.read_network((row, column))
            part = stored["uncertainty"]
            here = np.s_[row * size : row * size + part.shape[0], column * size : column * size + part.shape[1]]
            uncertainty[here] = part
            if "tissue" in stored:
                classes[(slice(None), *here)] = stored["tissue"]
        with atomic_path(self._run.folder / TISSUE) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, mask=self._tissue.cells, tissue=classes, uncertainty=uncertainty)


def uncertainty_of(probabilities: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Mean over cells of 16 px of how much the network doubts, of the most doubtful task; 255 is a coin's toss."""
    doubts = [1.0 - np.abs(2.0 * both.astype(np.float32).sum(axis=0) - 1.0) for both in probabilities.values()]
    doubt = np.max(doubts, axis=0)
    edges = [np.arange(0, side, STRIDE_PX) for side in doubt.shape]
    sums = np.add.reduceat(np.add.reduceat(doubt, edges[0], axis=0), edges[1], axis=1)
    sides = [np.diff(np.append(edge, side)) for edge, side in zip(edges, doubt.shape, strict=True)]
    return np.asarray(np.rint(np.clip(sums / np.outer(*sides), 0, 1) * 255), np.uint8)


def _nothing() -> Any:
    from ..inference.objects.found_objects import empty_table

    return empty_table()


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file; a slide that is swapped has others."""
    try:
        status = path.stat()
    except OSError as error:
        raise ImageError(f"{path.name} is out of reach ({error.strerror}); what was done stays.") from error
    return status.st_size, status.st_mtime_ns
