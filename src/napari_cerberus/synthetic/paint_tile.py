"""Putting a tile together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as components

from ..tasks import GLANDS, LUMINA, NUCLEI
from .cells import Cell, epithelial_cells, stroma_nuclei
from .crypt_layout import Layout, plan_layout
from .paint_cells import paint_goblet, paint_nucleus
from .paint_ground import clear_glass, empty_spaces, ground_of, mark_crypt, paint_crypt, paint_stroma
from .pixel_canvas import Canvas, Plane, grain
from .staining import to_rgb
from .tile_settings import SyntheticTile, TileSettings

_EIGHT = np.ones((3, 3), dtype=bool)


def make_tile(settings: TileSettings | None = None) -> SyntheticTile:
    """Draw a tile of colon mucosa with exact truth.

    Parameters
    ----------
    settings : TileSettings
        Size, scale and seed; 1024 x 1024 px at 0.5 µm/px and seed 0 where absent.

    Returns
    -------
    SyntheticTile
        The picture, the instance labels and the class of every nucleus. The same settings give the same tile.
    """
    settings = settings or TileSettings()
    layout = plan_layout(settings)
    canvas = Canvas(settings)
    fine = grain(settings, 1.0, settings.generator(3))
    _draw_ground(canvas, layout, fine)
    kinds = _draw_cells(canvas, layout, fine)
    clear_glass(canvas, layout)
    image = to_rgb(canvas.haematoxylin, canvas.eosin, settings.pixel_size_um, settings.generator(6), settings.look)
    nuclei, kept = _renumber(canvas.nuclei)
    return SyntheticTile(
        image=image,
        labels={NUCLEI: nuclei, GLANDS: _pieces(canvas.glands), LUMINA: _pieces(canvas.lumina)},
        nucleus_classes={new: kinds[old] for new, old in enumerate(kept, start=1)},
        pixel_size_um=settings.pixel_size_um,
    )


def _draw_ground(canvas: Canvas, layout: Layout, fine: Plane) -> None:
    grounds = [ground_of(canvas, layout, crypt) for crypt in layout.crypts]
    for label, ground in enumerate(grounds, start=1):
        if ground is not None:
            mark_crypt(canvas, ground, label)
    paint_stroma(canvas, canvas.settings.generator(2))
    coarse = grain(canvas.settings, 6.0, canvas.settings.generator(4))
    for label, ground in enumerate(grounds, start=1):
        if ground is not None:
            paint_crypt(canvas, ground, (fine, coarse), canvas.settings.generator(5, label))


def _draw_cells(canvas: Canvas, layout: Layout, fine: Plane) -> dict[int, str]:
    """Draw all cells; return the class of every nucleus that shows, by its number."""
    nuclei: list[Cell] = []
    for owner in range(len(layout.crypts)):
        cells = epithelial_cells(layout, owner, canvas.settings.look, canvas.settings.generator(7, owner))
        for cell in cells:
            if cell.kind == "goblet":
                paint_goblet(canvas, cell, fine)
            else:
                nuclei.append(cell)
    empty_spaces(canvas, canvas.settings.generator(11))
    nuclei += stroma_nuclei(layout, canvas.settings, canvas.settings.generator(8))
    looks = canvas.settings.generator(9)
    return {
        label: cell.kind
        for label, cell in enumerate(nuclei, start=1)
        if paint_nucleus(canvas, cell, label, fine, looks)
    }


def _renumber(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], list[int]]:
    """Ids from 1 without a gap, and the old id of each."""
    old, new = np.unique(labels, return_inverse=True)
    first = 0 if old[0] == 0 else 1
    return np.asarray(new.reshape(labels.shape) + first, dtype=np.int32), [int(i) for i in old if i]


def _pieces(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Every 8-connected piece an object of its own: the rim of the field may cut a crypt in two."""
    pieces = np.zeros_like(labels)
    count = 0
    for label in np.unique(labels[labels > 0]):
        found, number = components(labels == label, _EIGHT)
        pieces[found > 0] = found[found > 0] + count
        count += number
    return pieces
