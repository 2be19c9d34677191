"""Where the cells lie: nuclei and goblet cells as ellipses in µm, placed by the anatomy around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .crypt_layout import Crypt, Layout, Points
from .look import Look
from .tile_settings import TileSettings

_STROMA_KINDS = ("lymphocyte", "plasma", "connective", "eosinophil")
_HALF_AXES_UM = {
    "lymphocyte": (3.5, 3.1),
    "plasma": (3.7, 3.1),
    "connective": (6.8, 1.7),
    "eosinophil": (3.2, 2.4),
}
_CELL_REACH_UM = 9.0
"""No cell reaches farther from its centre than this, so none hangs over the edge of the tissue."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One ellipse.

    Attributes
    ----------
    centre : float (2,)
        ``(y, x)`` in µm.
    half_axes_um : (float, float)
        Long and short half axis.
    heading : float (2,)
        Unit vector ``(y, x)`` along the long axis.
    kind : str
        A nucleus class, or ``goblet``.
    owner : int
        Index of the crypt it belongs to; -1 in the stroma.
    """

    centre: Points
    half_axes_um: tuple[float, float]
    heading: Points
    kind: str
    owner: int = -1


def epithelial_cells(layout: Layout, owner: int, look: Look, rng: np.random.Generator) -> list[Cell]:
    """Goblet cells and the pseudostratified basal nuclei of crypt number ``owner``."""
    crypt = layout.crypts[owner]
    goblets = list(_goblets(layout, crypt, owner, rng))
    return goblets + list(_basal_nuclei(layout, crypt, owner, goblets, look, rng))


def _goblets(layout: Layout, crypt: Crypt, owner: int, rng: np.random.Generator) -> Iterator[Cell]:
    wall = crypt.radius_um - crypt.lumen_um
    depth = 0.62 * wall
    for point, normal in _places(crypt, depth, 8.6, rng):
        if rng.random() > crypt.goblet_share:
            continue
        half_axes = (min(rng.uniform(5.6, 8.2), 0.33 * wall), rng.uniform(3.3, 4.6))
        centre = layout.warp.undo(point - rng.uniform(-2.0, 2.0) * normal)
        yield Cell(centre=centre, half_axes_um=half_axes, heading=normal, kind="goblet", owner=owner)


def _basal_nuclei(
    layout: Layout, crypt: Crypt, owner: int, goblets: list[Cell], look: Look, rng: np.random.Generator
) -> Iterator[Cell]:
    """Nuclei stand upright on the basement membrane; under a goblet cell they lie flat against it."""
    crowd = cKDTree(np.array([cell.centre for cell in goblets])) if goblets else None
    wall = crypt.radius_um - crypt.lumen_um
    deepest = max(8.0, look.stratified * (wall - 12.0))
    for point, normal in _places(crypt, 7.0, rng.uniform(*look.nucleus_spacing_um), rng):
        depth = rng.uniform(-1.8, 1.6) + (rng.uniform(3.5, deepest) if rng.random() < look.raised else 0.0)
        centre = layout.warp.undo(point - depth * normal)
        flat = crowd is not None and crowd.query(centre)[0] < 9.0
        if flat:
            centre = layout.warp.undo(point + rng.uniform(1.5, 2.8) * normal)
            tangent = np.array([normal[1], -normal[0]])
            yield _nucleus(centre, tangent, "epithelial", rng, owner=owner, stretch=0.72, look=look)
        else:
            heading = _turned(normal, rng.normal(0.0, look.nucleus_tilt))
            yield _nucleus(centre, heading, "epithelial", rng, owner=owner, look=look)


def stroma_nuclei(layout: Layout, settings: TileSettings, rng: np.random.Generator) -> list[Cell]:
    """Lymphocytes, plasma cells and eosinophils at random; fibroblasts along the nearest crypt."""
    height, width = settings.extent_um
    wanted = rng.poisson((height + 20.0) * (width + 20.0) * settings.look.stroma_cells_per_mm2 * 1e-6 * 2.2)
    points = rng.uniform(-10.0, [height + 10.0, width + 10.0], (wanted, 2))
    points = points[layout.tissue_depth(points) > _CELL_REACH_UM]
    distance = layout.distance_to_crypts(points)
    heading = _along_crypts(layout, points)
    kinds = rng.choice(_STROMA_KINDS, size=len(points), p=settings.look.stroma_mix)
    kinds[(distance < 5.0)] = "connective"
    room = np.where(kinds == "connective", 2.6, 4.2)
    cells: list[Cell] = []
    for index in _apart(points, distance > room, settings.look.stroma_room_um):
        angle = rng.normal(0.0, 0.25) if kinds[index] == "connective" else rng.uniform(0.0, np.pi)
        cells.append(_nucleus(points[index], _turned(heading[index], angle), str(kinds[index]), rng))
    return cells


def _apart(points: Points, allowed: NDArray[np.bool_], room_um: float) -> Iterator[int]:
    """Indices of allowed points, first come first served, none within ``room_um`` of one taken before."""
    close = cKDTree(points).query_ball_point(points, room_um) if len(points) else []
    taken = np.zeros(len(points), dtype=bool)
    for index, neighbours in enumerate(close):
        if allowed[index] and not taken[neighbours].any():
            taken[index] = True
            yield index


def _along_crypts(layout: Layout, points: Points) -> Points:
    """Unit vectors along the nearest basement membrane, from the slope of the distance to it."""
    if not layout.crypts or not len(points):
        return np.tile([0.0, 1.0], (len(points), 1))
    here = layout.distance_to_crypts(points)
    slope = np.stack([layout.distance_to_crypts(points + axis_um) - here for axis_um in np.eye(2)], axis=1)
    tangent = np.stack([slope[:, 1], -slope[:, 0]], axis=1)
    return np.asarray(tangent / np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6))


def _places(
    crypt: Crypt, depth_um: float, spacing_um: float, rng: np.random.Generator
) -> Iterator[tuple[Points, Points]]:
    """Points and outward normals around a crypt, ``spacing_um`` apart with some disorder."""
    curve, normals = crypt.outline(depth_um, 0.5)
    count = max(int(0.5 * len(curve) / spacing_um), 3)
    for place in range(count):
        index = int((place + rng.uniform(-0.22, 0.22)) * len(curve) / count) % len(curve)
        yield curve[index], normals[index]


def _nucleus(
    centre: Points,
    heading: Points,
    kind: str,
    rng: np.random.Generator,
    *,
    owner: int = -1,
    stretch: float = 1.0,
    look: Look | None = None,
) -> Cell:
    long, short = look.nucleus_um if look is not None else _HALF_AXES_UM[kind]
    spread = look.pleomorphism if look is not None else 0.1
    scale = float(np.clip(rng.normal(1.0, spread), 1.0 - 2.5 * spread, 1.0 + 3.0 * spread))
    axes = (long * scale * stretch * rng.uniform(0.9, 1.1), short * scale * rng.uniform(0.88, 1.12))
    return Cell(centre=centre, half_axes_um=axes, heading=heading, kind=kind, owner=owner)


def _turned(heading: Points, angle: float) -> Points:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine * heading[0] - sine * heading[1], sine * heading[0] + cosine * heading[1]])
