"""Drawing cells: nuclei with chromatin, rim and nucleoli, cytoplasm where it stains, goblet vacuoles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as components

from .cells import Cell
from .pixel_canvas import Canvas, Plane, Window, ramp

Mask = NDArray[np.bool_]

_EIGHT = np.ones((3, 3), dtype=bool)
_VISIBLE_SHARE = 0.55
"""A nucleus hidden more than this by its neighbours is not drawn at all."""


@dataclass(frozen=True, kw_only=True)
class _Look:
    haematoxylin: float
    clumps: float
    rim: float
    nucleoli: float
    cytoplasm: tuple[float, float] | None = None


_LOOKS = {
    "epithelial": _Look(haematoxylin=1.12, clumps=0.2, rim=0.22, nucleoli=0.45),
    "lymphocyte": _Look(haematoxylin=1.72, clumps=0.26, rim=0.1, nucleoli=0.0),
    "plasma": _Look(haematoxylin=1.6, clumps=0.38, rim=0.2, nucleoli=0.0, cytoplasm=(0.42, 0.5)),
    "eosinophil": _Look(haematoxylin=1.5, clumps=0.2, rim=0.1, nucleoli=0.0, cytoplasm=(0.05, 1.05)),
    "connective": _Look(haematoxylin=1.25, clumps=0.22, rim=0.12, nucleoli=0.1),
}


def paint_goblet(canvas: Canvas, cell: Cell, fine: Plane) -> None:
    """A pale mucin vacuole, faintly blue, with a thin pink wall; only inside its own crypt's epithelium."""
    window, radius, _ = _frame(canvas, cell, 1.5)
    if window is None:
        return
    own = (canvas.glands[window.box] == cell.owner + 1) & (canvas.lumina[window.box] == 0)
    inside = ramp((1.0 - radius) * cell.half_axes_um[1], 1.0) * own
    wall = np.exp(-(((radius - 1.05) / 0.13) ** 2)).astype(np.float32) * own
    canvas.eosin[window.box] += 0.14 * wall
    canvas.blend(window, 0.94 * inside, 0.13 + 0.05 * fine[window.box], 0.06)


def paint_nucleus(canvas: Canvas, cell: Cell, label: int, fine: Plane, rng: np.random.Generator) -> bool:
    """Draw ``cell`` as nucleus number ``label`` and write its truth; False if too little of it would show."""
    window, radius, angle = _frame(canvas, cell, 1.6)
    turns = rng.uniform(0.0, 2.0 * np.pi, 2)
    chance = rng.uniform(0.0, 1.0, 4)
    if window is None:
        return False
    radius = radius * (1.0 + 0.07 * np.sin(2.0 * angle + turns[0]) + 0.05 * np.sin(3.0 * angle + turns[1]))
    visible = _visible(canvas, cell, window, radius < 1.0)
    if visible is None:
        return False
    look = _LOOKS[cell.kind]
    if look.cytoplasm is not None:
        _paint_cytoplasm(canvas, cell, window, look.cytoplasm, chance[0])
    rim = np.exp(-(((radius - 0.86) / 0.14) ** 2))
    chromatin = look.haematoxylin * (0.86 + 0.28 * chance[1]) * (1.0 + look.clumps * fine[window.box])
    stain = chromatin + look.rim * rim
    if chance[2] < look.nucleoli:
        spot = np.hypot(radius * np.cos(angle) - 0.3 * chance[3], radius * np.sin(angle) - 0.2)
        stain = stain + 0.5 * np.exp(-((spot / 0.22) ** 2))
    cover = ramp((1.0 - radius) * cell.half_axes_um[1], 0.9) * _softly(visible, radius)
    canvas.blend(window, cover, np.maximum(stain, 0.3).astype(np.float32), 0.36)
    canvas.nuclei[window.box][visible] = label
    return True


def _frame(canvas: Canvas, cell: Cell, reach: float) -> tuple[Window | None, Plane, Plane]:
    """Window around ``cell``, radius there in units of the ellipse (1 on its edge), angle in its frame."""
    span = reach * cell.half_axes_um[0] + 1.0
    window = canvas.window(cell.centre - span, cell.centre + span)
    if window is None:
        empty = np.zeros((0, 0), np.float32)
        return None, empty, empty
    offset = window.points - cell.centre
    along = offset @ cell.heading / cell.half_axes_um[0]
    across = (offset @ np.array([-cell.heading[1], cell.heading[0]])) / cell.half_axes_um[1]
    return window, np.hypot(along, across).astype(np.float32), np.arctan2(across, along).astype(np.float32)


def _visible(canvas: Canvas, cell: Cell, window: Window, whole: Mask) -> Mask | None:
    """Pixels of ``whole`` that are free and in the cell's own compartment: one piece, or None if too few."""
    free: Mask = whole & (canvas.nuclei[window.box] == 0) & (canvas.lumina[window.box] == 0)
    free &= (canvas.glands[window.box] == cell.owner + 1) & ~canvas.empty[window.box]
    if free.sum() < max(_VISIBLE_SHARE * whole.sum(), 1):
        return None
    pieces, count = components(free, _EIGHT)
    if count < 2:
        return free
    return np.asarray(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))


def _softly(visible: Mask, radius: Plane) -> Plane:
    """Cover the visible part and the soft rim just outside the outline, but nothing of a neighbour."""
    return np.asarray(visible | (radius >= 1.0), dtype=np.float32)


def _paint_cytoplasm(canvas: Canvas, cell: Cell, window: Window, stains: tuple[float, float], turn: float) -> None:
    """A round, lopsided body around the nucleus, in the stroma only."""
    away = np.array([np.sin(6.3 * turn), np.cos(6.3 * turn)]) * 1.6
    radius = np.linalg.norm(window.points - cell.centre - away, axis=-1) / (1.45 * cell.half_axes_um[0])
    free = (canvas.nuclei[window.box] == 0) & (canvas.glands[window.box] == 0)
    canvas.blend(window, 0.8 * ramp((1.0 - radius) * 4.0, 1.4) * free, *stains)
