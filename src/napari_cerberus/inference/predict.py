"""From an image on the model grid to probabilities, tile by tile; tiling changes nothing.

Peak memory, in bytes per pixel of the model grid: 3 for the image, 3 for a padded copy where one is needed, 4 per
instance task and 1 per type task for the results; 4·classes/256 for the tissue. Features live only as long as their
tile, and cost what ``tile_memory`` says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..errors import CerberusError, DeviceError
from ..model.checkpoint import Model
from ..model.network import Cerberus, Steps, TissueHead
from ..model.runtime import give_back_memory
from ..model.spec import STRIDE_PX
from ..progress import Job, Progress
from ..tasks import TaskSpec
from .device import Runtime
from .embedding import EmbeddingSum
from .free_memory import free_memory_bytes
from .grid.model_grid import Tile, Window, checked_tile_size, pad_to_stride, plan, round_up, tiles
from .prepared_network import prepare
from .tile_memory import default_tile_px
from .tissue_readout import tissue_cells

SMALLEST_TILE_PX = 64
READING = "Reading the image"
Result = TypeVar("Result")
_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad_alloc",
    "bad allocation",
)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the network says about an image of (h, w) model pixels.

    Attributes
    ----------
    probabilities : mapping of task key to (2, h, w) float16 array
        Inner and contour of each instance task.
    type_maps : mapping of task key to (h, w) uint8 array
        Most probable class of each pixel, for each type task.
    tissue : (classes, ceil(h/16), ceil(w/16)) float32 array or None
        Tissue probabilities of the window around each cell of 16 px.
    embedding : (512,) float32 array or None
        Mean of the deepest features over the cells that hold tissue; None where none does, or tissue was not asked.
    notes : tuple of str
        Sentences worth telling the user.
    """

    probabilities: Mapping[str, NDArray[np.float16]] = field(default_factory=dict)
    type_maps: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    tissue: NDArray[np.float32] | None = None
    embedding: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()


def predict(
    image: NDArray[np.uint8],
    model: Model,
    runtime: Runtime,
    *,
    tile_size_px: int | None = None,
    keys: Collection[str] | None = None,
) -> Job[Prediction]:
    """Run the network over a whole image.

    Parameters
    ----------
    image : (h, w, 3) uint8 array
        RGB on the model grid, 1×1 or larger.
    model : Model
        Left as it is.
    runtime : Runtime
    tile_size_px : int, optional
        Largest side of a tile's valid part; by default an image is taken whole if it fits a large tile with margins.
    keys : collection of str, optional
        Only these tasks.

    Yields
    ------
    Progress
        After the encoder and after each decoder of every tile.

    Returns
    -------
    Prediction

    Raises
    ------
    DeviceError
        If memory is short even for the smallest tiles.
    CerberusError
        If the network fails in any other way.
    """
    try:
        return (yield from _Reader(image, model, runtime, keys).read(tile_size_px))
    except RuntimeError as error:  # napari's workers swallow RuntimeError, and torch raises little else
        raise CerberusError(f"The computation failed on {runtime.name}: {_first_line(error)}") from error


def margin_px(network: Cerberus, keys: Collection[str] | None = None) -> int:
    """Margin at inner seams: as far as the network, or its tissue window, can see; a multiple of ``STRIDE_PX``."""
    return round_up(network.encoder_reach_px + max(network.decoder_reach_px, _tissue_reach_px(network, keys)))


class _Reader:
    """One image on its way through the network."""

    def __init__(
        self, image: NDArray[np.uint8], model: Model, runtime: Runtime, keys: Collection[str] | None = None
    ) -> None:
        self._spec = model.spec
        self._runtime = runtime
        self._network = prepare(model, runtime)
        self._tasks = [task for task in self._network.tasks if keys is None or task.key in keys]
        self._size = image.shape[:2]
        self._image = pad_to_stride(image)
        self._whole = Window(0, 0, *self._image.shape[:2])
        self._notes: list[str] = []
        self._probabilities, self._type_maps, self._tissue = self._empty_results()
        self._embedding = EmbeddingSum(None if self._tissue is None else tissue_cells(image))

    def read(self, tile_size_px: int | None) -> Job[Prediction]:
        margin = margin_px(self._network, [task.key for task in self._tasks])
        side = checked_tile_size(tile_size_px) if tile_size_px is not None else self._default_tile(margin)
        pending = deque(plan(self._whole.shape, side, margin))
        done, steps = 0, 1 + sum(task.kind != "tissue" for task in self._tasks)
        while pending:
            tile = pending.popleft()
            try:
                finished = 0
                for step in self._read_tile(tile):
                    if step > finished and (pending or done):  # a single tile is done sooner with the memory it has
                        give_back_memory()
                    finished = step
                    yield Progress(READING, done * steps + step, (done + 1 + len(pending)) * steps)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                side = self._smaller(max(tile.valid.shape))
                pending.appendleft(tile)
                parts = [part for waiting in pending for part in waiting.valid.split(side)]
                pending = deque(tiles(parts, self._whole, margin))
                yield Progress(READING, done * steps, (done + len(pending)) * steps, message=self._notes[-1])
            else:
                done += 1
        return Prediction(
            probabilities=self._probabilities,
            type_maps=self._type_maps,
            tissue=self._tissue,
            embedding=self._embedding.mean(),
            notes=tuple(self._notes),
        )

    def _empty_results(
        self,
    ) -> tuple[dict[str, NDArray[np.float16]], dict[str, NDArray[np.uint8]], NDArray[np.float32] | None]:
        tasks = self._tasks
        tissue = next((task for task in tasks if task.kind == "tissue"), None)
        cells = self._whole.coarser(STRIDE_PX).shape
        return (
            {task.key: np.zeros((2, *self._size), np.float16) for task in tasks if task.kind == "instances"},
            {task.key: np.zeros(self._size, np.uint8) for task in tasks if task.kind == "types"},
            np.zeros((tissue.channels, *cells), np.float32) if tissue else None,
        )

    def _default_tile(self, margin: int) -> int:
        free = free_memory_bytes(self._runtime.device)
        return default_tile_px(self._whole.shape, free, margin, self._runtime.dtype.itemsize)

    def _smaller(self, side: int) -> int:
        """Half the tile, noted once for each size. Raises ``DeviceError`` where it gets too small."""
        if self._runtime.device.type == "cuda":
            torch.cuda.empty_cache()
        half = round_up(side // 2)
        if half < SMALLEST_TILE_PX or half >= side:
            raise DeviceError(
                f"There is not enough memory on {self._runtime.name} even for tiles of {side} px; "
                "close other programs or choose device 'cpu'."
            )
        self._notes.append(f"Memory ran short: tiles of {half} px instead of {side}.")
        return half

    def _read_tile(self, tile: Tile) -> Generator[int, None, None]:
        """Fill the results of one tile; yields the number of finished steps. The encoder runs once for all tasks.

        It yields within each step too: a cancel does not wait for the end of one.
        """
        features = yield from _at(0, self._encode(tile.window))
        self._read_tissue(features[-1], tile)
        seen = self._embedding.part(features[-1], tile)
        crop = tile.valid.grown(round_up(self._network.decoder_reach_px), tile.window)
        features = [_crop(level, crop.inside(tile.window), tile.window) for level in features]
        yield 1
        dense = [task for task in self._tasks if task.kind != "tissue"]
        for step, task in enumerate(dense, start=2):
            yield from _at(step - 1, self._read_task(task, features, tile.valid, crop))
            yield step
        self._embedding.add(seen)  # not before the tile is done: it may be read again in parts

    @torch.inference_mode()
    def _encode(self, window: Window) -> Steps[list[Tensor]]:
        pixels = torch.from_numpy(self._image[window.slices].copy()).permute(2, 0, 1)[None]
        pixels = pixels.to(self._runtime.device).to(self._runtime.dtype, memory_format=torch.channels_last)
        return list((yield from self._network.encode_in_steps(pixels)))

    @torch.inference_mode()
    def _read_tissue(self, deepest: Tensor, tile: Tile) -> None:
        task = self._network.tissue_task
        if task is None or self._tissue is None:
            return
        head = cast(TissueHead, self._network.heads[task.key])
        cells = tile.valid.coarser(STRIDE_PX)
        pooled = window_means(deepest.float(), head.window_cells)
        pooled = pooled[(..., *cells.inside(tile.window.coarser(STRIDE_PX)).slices)]
        logits = head.classify(pooled.to(deepest.dtype)).float()
        self._tissue[(slice(None), *cells.slices)] = self._softmax(logits, task.key).cpu().numpy()

    @torch.inference_mode()
    def _read_task(self, task: TaskSpec, features: Sequence[Tensor], valid: Window, crop: Window) -> Steps[None]:
        logits = yield from self._network.decode_in_steps(features, task.key)
        inner = valid.inside(crop)
        seen = Window(valid.y0, valid.x0, min(valid.y1, self._size[0]), min(valid.x1, self._size[1]))
        height, width = seen.shape
        logits = logits[..., inner.y0 : inner.y0 + height, inner.x0 : inner.x0 + width].float()
        if task.kind == "types":
            self._type_maps[task.key][seen.slices] = logits[0].argmax(0).to(torch.uint8).cpu().numpy()
            return
        shares = self._softmax(logits, task.key)[1:].half()
        self._probabilities[task.key][(slice(None), *seen.slices)] = shares.cpu().numpy()

    def _softmax(self, logits: Tensor, key: str) -> Tensor:
        """Calibrated probabilities (classes, h, w) from float32 logits (1, classes, h, w)."""
        return torch.softmax(logits[0] / self._spec.temperatures.get(key, 1.0), dim=0)


def window_means(features: Tensor, window_cells: int) -> Tensor:
    """Mean of the window around each cell, over the cells that exist.

    Parameters
    ----------
    features : (N, channels, h, w) float32 tensor
    window_cells : int
        Side k; the window of cell i spans i - (k-1)//2 .. i + k//2.
    """
    before, after = (window_cells - 1) // 2, window_cells // 2
    edges = (before, after, before, after)
    sums = F.avg_pool2d(F.pad(features, edges), window_cells, stride=1)
    shares = F.avg_pool2d(F.pad(torch.ones_like(features[:1, :1]), edges), window_cells, stride=1)
    return sums / shares


def is_out_of_memory(error: BaseException) -> bool:
    """True for Python's and torch's ways of saying that memory is short."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def _at(step: int, steps: Steps[Result]) -> Generator[int, None, Result]:
    """``steps``, telling ``step`` at each of them."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        yield step


def _tissue_reach_px(network: Cerberus, keys: Collection[str] | None) -> int:
    task = network.tissue_task
    if task is None or (keys is not None and task.key not in keys):
        return 0
    return cast(TissueHead, network.heads[task.key]).window_cells // 2 * STRIDE_PX


def _crop(level: Tensor, part: Window, whole: Window) -> Tensor:
    """The part of a feature map, whatever its size, that covers ``part`` of ``whole``."""
    if part.shape == whole.shape:
        return level
    factor = whole.shape[0] // level.shape[-2]
    # A copy, so that the margins' memory is free while the decoders run.
    return level[(..., *part.coarser(factor).slices)].clone(memory_format=torch.channels_last)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
