"""The whole slide as one job: tissue, then the network block by block, then objects, streamed to disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .. import __version__
from ..errors import CerberusError, SettingsError
from ..inference.annotate_settings import AnnotateSettings
from ..inference.blocks.block_layout import Layout, Layouts
from ..inference.device import Runtime, choose_runtime
from ..model.checkpoint import Model
from ..model.stain_profile import unlike
from ..progress import Job, Progress
from .block_work import SlideWork
from .overviews import overviews_of
from .slide_files.slide import Slide
from .slide_folder import RunFolder
from .tissue import TissueMask, find_tissue

DEFAULT_BLOCK_PX = 512
_HEARTBEAT_S = 0.25
_STAIN_PX = 512
_UM2_PER_MM2 = 1e6
AnyPlace = TypeVar("AnyPlace")


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
    notes : tuple of str
        Sentences worth telling the user.
    """

    folder: Path
    objects: int
    tissue_mm2: float
    seconds: float
    notes: tuple[str, ...] = ()


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
    try:
        return (yield from _annotate(slide, model, settings, folder, block_px, runtime))
    except RuntimeError as error:  # napari's workers swallow RuntimeError
        raise CerberusError(f"The computation failed: {error}") from error


def _annotate(
    slide: Slide, model: Model, settings: AnnotateSettings, folder: Path, block_px: int, runtime: Runtime | None
) -> Job[SlideResult]:
    started = time.perf_counter()
    layouts = Layout.of_model(slide.shape, settings.pixel_size_um, model.spec, block_px)
    run = RunFolder(folder, any_of(layouts))
    with run.locked():
        tissue = yield from begin(run, slide, model, settings, layouts)
        chosen = runtime or choose_runtime(settings.device)
        work = SlideWork(slide, model, settings, run, layouts, tissue, chosen)
        places = work.network_places()
        notes = stain_notes(slide, model, tissue)
        told = f"{tissue_mm2(tissue, settings.mean_pixel_um):.2f} mm² of tissue in {len(places)} tiles"
        yield Progress("Reading the slide", message=" ".join((told, *notes)))
        yield from _blocks("Reading the slide", places, run.network_path, work.read_block)
        yield from _blocks("Finding objects", any_of(layouts).label_blocks(), run.table_path, work.cut)
        overviews_of(run, places, layouts, model.spec, tissue).write(folder)
        return finish(run, layouts, settings, tissue, chosen, started, notes)


def begin(run: RunFolder, slide: Slide, model: Model, settings: AnnotateSettings, layouts: Layouts) -> Job[TissueMask]:
    """Say what the run is made with, and find the tissue."""
    tasks = tuple(task.key for task in model.spec.tasks if task.kind == "instances")
    run.begin(provenance(slide, model, settings, layouts), tasks, settings.pixel_yx_um)
    return (yield from find_tissue(slide, settings.mean_pixel_um))


def finish(
    run: RunFolder,
    layouts: Layouts,
    settings: AnnotateSettings,
    tissue: TissueMask,
    runtime: Runtime,
    started: float,
    notes: tuple[str, ...],
) -> SlideResult:
    """One table of all blocks, and what the run came to."""
    area = tissue_mm2(tissue, settings.mean_pixel_um)
    about = {"tissue_mm2": round(area, 4), "device": runtime.name, "notes": list(notes)}
    count = run.finish(any_of(layouts).label_blocks(), about)
    seconds = time.perf_counter() - started
    return SlideResult(folder=run.folder, objects=count, tissue_mm2=area, seconds=seconds, notes=notes)


def stain_notes(slide: Slide, model: Model, tissue: TissueMask) -> tuple[str, ...]:
    """That the slide is stained unlike what the model was trained on (immunohistochemistry, say); nothing if it is not.

    Raises
    ------
    ImageError
        If that part of the slide cannot be read.
    """
    window = tissue.densest(_STAIN_PX, slide.shape)
    said = unlike(slide.read(window), model) if window is not None else ""
    return (said,) if said else ()


def any_of(layouts: Layouts) -> Layout:
    """A layout, for what is the same at all pixel sizes: the image and its blocks of labels."""
    return next(iter(layouts.values()))


def provenance(slide: Slide, model: Model, settings: AnnotateSettings, layouts: Layouts) -> dict[str, Any]:
    """What a result was made with; a run goes on only with the same."""
    return {
        "slide": slide.name,
        "image_key": slide.key,
        "image_shape_px": list(slide.shape),
        "pixel_size_um": settings.mean_pixel_um,
        "pixel_yx_um": list(settings.pixel_yx_um),
        "model": model.name,
        "model_sha256": model.sha256,
        "sensitivity": settings.sensitivity,
        "rule": settings.rule,
        "block_px": any_of(layouts).network_px,
        "tissue_classes": list(model.spec.tissue_classes),
        "version": __version__,
    }


def tissue_mm2(tissue: TissueMask, pixel_size_um: float) -> float:
    """Area of the cells that hold tissue."""
    return float(tissue.cells.sum() * (tissue.cell_px * pixel_size_um) ** 2 / _UM2_PER_MM2)


def _blocks(
    stage: str, places: Sequence[AnyPlace], path: Callable[[AnyPlace], Path], do: Callable[[AnyPlace], None]
) -> Job[None]:
    """Do the blocks that are not done; a heartbeat in between, so that cancelling is quick.

    One thread does them all: each new one would set up threads and memory of its own in the libraries below. Closing
    the generator leaves at once; what the thread still does is not waited for.
    """
    todo = [place for place in places if not path(place).is_file()]
    before = len(places) - len(todo)
    pool = ThreadPoolExecutor(1)
    try:
        for done, place in enumerate(todo):
            yield Progress(stage, before + done, len(places))
            future = pool.submit(do, place)
            while not wait([future], timeout=_HEARTBEAT_S).done:
                yield Progress(stage, before + done, len(places))
            future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
