"""Slides on the workers of dask.distributed: one block a task. Scheduling, retries and lost workers are dask's.

Workers need the same folders as this computer. They exchange nothing but files that are there whole or not at all, so
a block that a dead worker had begun is simply done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CerberusError
from ..inference.annotate_settings import AnnotateSettings
from ..inference.blocks.block_layout import Layout, Layouts
from ..inference.device import Runtime, choose_runtime
from ..model.checkpoint import Model
from ..progress import Job, Progress
from .annotating import DEFAULT_BLOCK_PX, AnyPlace, SlideResult, any_of, begin, finish, stain_notes
from .block_work import SlideWork
from .overviews import overviews_of
from .slide_files.open_slide import open_slide
from .slide_folder import RunFolder
from .tissue import TissueMask

_RETRIES = 3
_BEAT_S = 0.25


@dataclass(frozen=True, kw_only=True)
class SlideTask:
    """What a worker must know to do a block of a slide; small, it is sent with every block.

    Attributes
    ----------
    path, folder : Path
    settings : AnnotateSettings
    open_model : callable
        Gives the model on the worker; it must be possible to pickle it.
    block_px : int
    runtime : Runtime or None
        By default each worker chooses: a graphics card where it has one.
    """

    path: Path
    folder: Path
    settings: AnnotateSettings
    open_model: Callable[[], Model]
    block_px: int = DEFAULT_BLOCK_PX
    runtime: Runtime | None = None


_open: dict[str, Any] = {}
"""The slide that this worker works at: opened once, not for every block."""


def annotate_on_cluster(task: SlideTask, client: Any) -> Job[SlideResult]:
    """Annotate a slide on the workers of a ``distributed.Client``; goes on with a run that ended early.

    Raises
    ------
    CerberusError
        As ``annotate_slide``; also where a block failed on every try.
    """
    started = time.perf_counter()
    slide, model = open_slide(task.path), task.open_model()
    layouts = _layouts(slide.shape, task, model)
    run = RunFolder(task.folder, any_of(layouts))
    with run.locked():
        tissue = yield from begin(run, slide, model, task.settings, layouts)
        runtime = task.runtime or choose_runtime(task.settings.device)
        work = SlideWork(slide, model, task.settings, run, layouts, tissue, runtime)
        places = work.network_places()
        notes = stain_notes(slide, model, tissue)
        yield Progress("Reading the slide", message=" ".join(notes))
        blocks = any_of(layouts).label_blocks()
        yield from _submitted("Reading the slide", "read_block", places, run.network_path, task, tissue, client)
        yield from _submitted("Finding objects", "cut", blocks, run.table_path, task, tissue, client)
        overviews_of(run, places, layouts, model.spec, tissue).write(task.folder)
        return finish(run, layouts, task.settings, tissue, runtime, started, notes)


def _layouts(shape: tuple[int, int], task: SlideTask, model: Model) -> Layouts:
    return Layout.of_model(shape, task.settings.pixel_size_um, model.spec, task.block_px)


def _submitted(
    stage: str,
    method: str,
    places: Sequence[AnyPlace],
    path: Callable[[AnyPlace], Path],
    task: SlideTask,
    tissue: TissueMask,
    client: Any,
) -> Job[None]:
    """One task for each block that is not done; closing the generator cancels those that have not begun."""
    from distributed import as_completed, wait

    todo = [place for place in places if not path(place).is_file()]
    futures = [client.submit(do_block, task, tissue, method, place, retries=_RETRIES, pure=False) for place in todo]
    before = len(places) - len(todo)
    try:
        waiting = set(futures)
        while waiting:
            yield Progress(stage, before + len(futures) - len(waiting), len(places))
            try:
                finished = wait(waiting, timeout=_BEAT_S, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                continue
            for future in as_completed(finished):
                future.result()
            waiting -= finished
    except RuntimeError as error:
        raise CerberusError(f"A block of {task.path.name} failed on the workers: {error}") from error
    finally:
        client.cancel(futures)


def do_block(task: SlideTask, tissue: TissueMask, method: str, place: Any) -> None:
    """Runs on a worker."""
    if _open.get("folder") != task.folder:
        slide, model = open_slide(task.path), task.open_model()
        layouts = _layouts(slide.shape, task, model)
        runtime = task.runtime or choose_runtime(task.settings.device)
        run = RunFolder(task.folder, any_of(layouts))
        work = SlideWork(slide, model, task.settings, run, layouts, tissue, runtime)
        _open.update(folder=task.folder, work=work)
    _open["work"].do(method, place)
