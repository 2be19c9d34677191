"""What is done to a single block of a slide: the network over it, and later the objects of its labels."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..annotation.object_columns import empty_table
from ..errors import ImageError
from ..inference.annotate_settings import AnnotateSettings
from ..inference.blocks.block_layout import Layout, Layouts, NetworkPlace, Place
from ..inference.blocks.block_objects import cut_block
from ..inference.device import Runtime
from ..inference.grid.model_grid import Window, round_up
from ..inference.predict import Prediction, margin_px, predict
from ..inference.prepared_network import prepare
from ..model.checkpoint import Model
from ..model.runtime import give_back_memory
from ..model.spec import STRIDE_PX
from ..progress import run_to_end
from ..tasks import TaskSpec
from .model_pixels import read_model_window
from .overviews import uncertainty_of
from .slide_files.slide import Slide
from .slide_folder import RunFolder
from .tissue import TissueMask

_KEPT_BLOCKS = 24


class SlideWork:
    """What is done to a single block; holds no block for long.

    Parameters
    ----------
    slide : Slide
    model : Model
    settings : AnnotateSettings
    run : RunFolder
    layouts : mapping of pixel size to Layout
    tissue : TissueMask
    runtime : Runtime
    """

    def __init__(
        self,
        slide: Slide,
        model: Model,
        settings: AnnotateSettings,
        run: RunFolder,
        layouts: Layouts,
        tissue: TissueMask,
        runtime: Runtime,
    ) -> None:
        self._slide, self._model, self._settings = slide, model, settings
        self._run, self._layouts, self._tissue, self._runtime = run, layouts, tissue, runtime
        self._stamp = _stamp(slide.path)
        self._kept: OrderedDict[NetworkPlace, dict[str, NDArray[Any]]] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def _margin(self) -> int:
        return margin_px(prepare(self._model, self._runtime))

    def do(self, method: str, place: Any) -> None:
        """``read_block`` or ``cut`` of a block, unless another worker has done it."""
        if method == "read_block" and not self._run.network_path(place).is_file():
            self.read_block(place)
        elif method == "cut" and not self._run.table_path(place).is_file():
            self.cut(place)

    def network_places(self) -> list[NetworkPlace]:
        """The blocks with tissue, at each pixel size; the others are glass and are not read."""
        return [
            (size_um, *place)
            for size_um, layout in self._layouts.items()
            for place in layout.network_blocks()
            if self._tissue.on(layout.network_window(place), layout.grid).any()
        ]

    def read_block(self, place: NetworkPlace) -> None:
        """Run the network over a block with its margin and keep the answer. Outside of tissue there is nothing."""
        if _stamp(self._slide.path) != self._stamp:
            raise ImageError(f"{self._slide.path.name} was replaced during the run; start again in another folder.")
        size_um, row, column = place
        layout = self._layouts[size_um]
        block = layout.network_window((row, column))
        window = block.grown(self._margin, layout.whole)
        pixels = read_model_window(self._slide, layout.grid, window)
        keys = [task.key for task in self._tasks_at(size_um)]
        job = predict(pixels, self._model, self._runtime, tile_size_px=max(pixels.shape[:2]), keys=keys)
        kept = _part_of(run_to_end(job), block.inside(window), self._tissue.on(block, layout.grid))
        self._run.write_network(place, kept, uncertainty_of(kept.probabilities))
        give_back_memory()

    def cut(self, place: Place) -> None:
        """Find the objects of a block of labels and write them, the table last."""
        window = next(iter(self._layouts.values())).label_window(place)
        objects = empty_table()
        if any(self._near_tissue(window, layout) for layout in self._layouts.values()):
            job = cut_block(place, self._layouts, self.probabilities, self._model, self._settings)
            found = run_to_end(job)
            objects = found.objects
            for task, labels in found.labels.items():
                if labels.any():
                    self._run.write_labels(task, window, labels)
        self._run.write_objects(place, objects)
        give_back_memory()

    def probabilities(self, size_um: float, tasks: tuple[str, ...], window: Window) -> Prediction:
        """Probabilities of tasks of a pixel size, in any window of its model grid; glass is background."""
        layout = self._layouts[size_um]
        both = {task: np.zeros((2, *window.shape), np.float16) for task in tasks}
        kinds = [one.key for one in self._tasks_at(size_um) if one.kind == "types" and one.types_of in tasks]
        types = {key: np.zeros(window.shape, np.uint8) for key in kinds}
        for place in layout.touched(window):
            block = layout.network_window(place)
            common = block.grown(0, window)
            stored = self._block((size_um, *place))
            for prefix, target in (("p_", both), ("t_", types)):
                for task, array in target.items() if stored else ():
                    here = (..., *common.inside(window).slices)
                    array[here] = stored[prefix + task][(..., *common.inside(block).slices)]
        return Prediction(probabilities=both, type_maps=types)

    def _near_tissue(self, image: Window, layout: Layout) -> bool:
        near = layout.on_model(image).grown(STRIDE_PX, layout.whole)
        return bool(self._tissue.on(near, layout.grid).any())

    def _tasks_at(self, size_um: float) -> tuple[TaskSpec, ...]:
        return self._model.spec.tasks_by_pixel_size()[size_um]

    def _block(self, place: NetworkPlace) -> dict[str, NDArray[Any]]:
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


def _part_of(found: Prediction, inside: Window, held: NDArray[np.bool_]) -> Prediction:
    """A window's prediction without its margin, and without what lies on glass."""
    parts = {
        task: np.where(held, both[(..., *inside.slices)], np.float16(0)) for task, both in found.probabilities.items()
    }
    types = {task: kinds[inside.slices] for task, kinds in found.type_maps.items()}
    tissue = found.tissue
    if tissue is not None:
        ends = Window(inside.y0, inside.x0, round_up(inside.y1), round_up(inside.x1))
        tissue = tissue[(slice(None), *ends.coarser(STRIDE_PX).slices)]
    return replace(found, probabilities=parts, type_maps=types, tissue=tissue)


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file; a slide that is swapped has others."""
    try:
        status = path.stat()
    except OSError as error:
        raise ImageError(f"{path.name} is out of reach ({error.strerror}); what was done stays.") from error
    return status.st_size, status.st_mtime_ns
