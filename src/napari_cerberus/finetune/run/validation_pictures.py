"""Pictures of a few validation tiles while training runs: what was drawn in black, what is found in colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ...files import atomic_path
from ...tasks import TASK_COLOURS
from ...training.config import TrainConfig
from ...training.data.augment import nearest_index
from ...training.data.tile_sources import LoadedTile, Tile
from ...training.engine.callbacks import ValidationResult
from ...training.validation import chosen_tiles, cut, foreground, look, on_model_grid

FOLDER = "overlays"
TILES = 4
KEPT = 24
"""Pictures of a run that stay; the oldest go first."""

_DRAWN = (0, 0, 0)  # white cannot be seen on pale slides
_SIDE_PX = 256
_GAP_PX = 4


def draw_overlays(run_folder: Path, view: ValidationResult) -> tuple[Path, ...]:
    """Write one PNG with up to four validation tiles; returns all that are there, the newest last.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    folder = run_folder / FOLDER
    tiles = chosen_tiles(view.validation, TILES)
    pictures = [_picture(view, tile, view.loaded[tile.id], view.config) for tile in tiles]
    with atomic_path(folder / f"step-{view.step:06d}.png") as temporary:
        Image.fromarray(_in_a_row(pictures)).save(temporary, format="PNG")
    drawn = sorted(folder.glob("step-*.png"))
    for old in drawn[:-KEPT]:
        old.unlink(missing_ok=True)
    return tuple(drawn[-KEPT:])


def _picture(view: ValidationResult, tile: Tile, loaded: LoadedTile, config: TrainConfig) -> NDArray[np.uint8]:
    image, masks = on_model_grid(loaded, config.pixel_size_um)
    keys = [key for key in masks if key in TASK_COLOURS and key in view.network.decoders]
    found = _found(view, loaded, keys, config)
    picture = cut(image, next(iter(masks.values()), image[0, 0]))[0].permute(1, 2, 0).to(torch.uint8).numpy().copy()
    for key in keys:
        _outline(picture, (masks[key] > 0).numpy(), _DRAWN)
    for key in keys:
        rows, columns = (nearest_index(*sides) for sides in zip(found[key].shape, picture.shape, strict=False))
        _outline(picture, found[key][rows][:, columns], _rgb(TASK_COLOURS[key]))
    return picture


def _found(
    view: ValidationResult, loaded: LoadedTile, keys: Sequence[str], config: TrainConfig
) -> dict[str, NDArray[np.bool_]]:
    """What is found of each task, on the task's own grid."""
    found: dict[str, NDArray[np.bool_]] = {}
    for size_um, some in config.grids(keys).items():
        image, masks = on_model_grid(loaded, size_um)
        logits = look(view.network, image, some, config)
        found |= {key: foreground(cut(logits[key], masks[key])).numpy() for key in some}
    return found


def _outline(picture: NDArray[np.uint8], mask: NDArray[np.bool_], colour: Sequence[int]) -> None:
    picture[mask & ~ndimage.binary_erosion(mask)] = colour


def _rgb(code: str) -> tuple[int, ...]:
    return tuple(int(code[i : i + 2], 16) for i in (1, 3, 5))


def _in_a_row(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    row = np.full((_SIDE_PX, len(pictures) * (_SIDE_PX + _GAP_PX) - _GAP_PX, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        shrink = _SIDE_PX / max(height, width)
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        shown = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
        left = index * (_SIDE_PX + _GAP_PX)
        row[: shown.shape[0], left : left + shown.shape[1]] = shown
    return row
