"""Where the crypts and the edge of the tissue lie: geometry in µm, independent of any pixel grid.

Points are ``(..., 2)`` arrays of ``(y, x)`` in µm. Crypts are capsules around a spine (short when cut across,
long when cut lengthwise) on a jittered hexagonal lattice; one smooth, invertible warp of the plane then makes all
outlines irregular without ever letting two crypts touch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .look import Look
from .tile_settings import TileSettings

Points = NDArray[np.float64]

_SPINE_STEP_UM = 3.0
_EDGE_FROM_FIELD_UM = 260.0
"""Fields smaller than this show tissue only: an edge would leave no room for a crypt."""


@dataclass(frozen=True, kw_only=True)
class Warp:
    """A sum of plane waves that displaces points by a few µm.

    The steepest slope of all waves together stays below 1: fixed-point iteration undoes the warp.
    """

    wave_vectors: Points
    phases: NDArray[np.float64]
    amplitudes: Points

    def displacement(self, points: Points) -> Points:
        """Displacement in µm, of the shape of ``points``."""
        waves = np.sin(points @ self.wave_vectors.T + self.phases)
        return np.asarray(waves @ self.amplitudes)

    def undo(self, points: Points) -> Points:
        """Real points whose warped positions are ``points``."""
        real = points
        for _ in range(12):
            real = points - self.displacement(real)
        return real


@dataclass(frozen=True, kw_only=True)
class Crypt:
    """A crypt before warping: every point nearer to the spine than its radius.

    Attributes
    ----------
    spine : float (n, 2)
        Points along its axis in the plane of the cut, µm; one point for a crypt cut straight across.
    radius_um : float
        From the axis to the basement membrane.
    lumen_um : float
        From the axis to the surface of the epithelium.
    goblet_share : float
        How many of the possible places hold a goblet cell, 0..1.
    """

    spine: Points
    radius_um: float
    lumen_um: float
    goblet_share: float

    def outline(self, depth_um: float, step_um: float = 1.0) -> tuple[Points, Points]:
        """Closed curve ``depth_um`` below the basement membrane and its outward unit normals, both (n, 2)."""
        reach = self.radius_um - depth_um
        forward = _tangents(self.spine)
        left = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
        angles = np.linspace(0.0, np.pi, 24)[1:-1, None]
        head = np.cos(angles) * left[-1] + np.sin(angles) * forward[-1]
        tail = -np.cos(angles) * left[0] - np.sin(angles) * forward[0]
        normals = np.concatenate([left, head, -left[::-1], tail, left[:1]])
        anchors = np.concatenate(
            [self.spine, np.tile(self.spine[-1], (22, 1)), self.spine[::-1], np.tile(self.spine[0], (23, 1))]
        )
        return _resample(anchors + reach * normals, normals, step_um)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Everything that is placed before any cell is."""

    crypts: tuple[Crypt, ...]
    warp: Warp
    edge_normal: Points
    edge_offset_um: float

    def tissue_depth(self, points: Points) -> NDArray[np.float64]:
        """How far ``points`` lie inside the tissue, in µm; negative on bare glass."""
        ripple = self.warp.displacement(points * 2.3)
        return np.asarray(self.edge_offset_um - points @ self.edge_normal + 1.2 * ripple.sum(axis=-1))

    def distance_to_crypts(self, points: Points) -> NDArray[np.float64]:
        """Distance from ``points`` to the nearest basement membrane, in µm; negative inside a crypt."""
        if not self.crypts:
            return np.full(points.shape[:-1], np.inf)
        warped = points + self.warp.displacement(points)
        reaches = [distance_to(crypt.spine, warped) - crypt.radius_um for crypt in self.crypts]
        return np.asarray(np.min(reaches, axis=0))


def distance_to(curve: Points, points: Points) -> NDArray[np.float64]:
    """Distance from every one of ``points`` to the nearest point of ``curve``, in µm."""
    return np.asarray(cKDTree(curve).query(points)[0])


def plan_layout(settings: TileSettings) -> Layout:
    """Place the tissue's edge and the crypts for a tile. A crypt always lies near the middle of the field."""
    rng = settings.generator(1)
    warp = _random_warp(rng)
    height, width = settings.extent_um
    angle = rng.uniform(0.0, 2.0 * np.pi)
    normal = np.array([np.sin(angle), np.cos(angle)])
    reach = 0.5 * float(np.abs(normal) @ [height, width])
    middle = float(normal @ [height / 2, width / 2])
    offset = middle + 0.66 * reach if min(height, width) >= _EDGE_FROM_FIELD_UM else np.inf
    crypts = tuple(
        crypt
        for crypt in (_lattice_crypts(settings, rng) if settings.look.glandular else ())
        if np.all(offset - crypt.spine @ normal > crypt.radius_um + 26.0)
    )
    return Layout(crypts=crypts, warp=warp, edge_normal=normal, edge_offset_um=offset)


def _random_warp(rng: np.random.Generator) -> Warp:
    lengths = np.concatenate([rng.uniform(80.0, 140.0, 5), rng.uniform(26.0, 40.0, 5)])
    heights = np.concatenate([np.full(5, 2.2), np.full(5, 0.5)])
    angles, turns = rng.uniform(0.0, 2.0 * np.pi, (2, 10))
    return Warp(
        wave_vectors=(2.0 * np.pi / lengths)[:, None] * np.stack([np.sin(angles), np.cos(angles)], axis=1),
        phases=rng.uniform(0.0, 2.0 * np.pi, 10),
        amplitudes=heights[:, None] * np.stack([np.sin(turns), np.cos(turns)], axis=1),
    )


def _lattice_crypts(settings: TileSettings, rng: np.random.Generator) -> list[Crypt]:
    """Walk the rows of the lattice; two to four neighbours of a row now and then become one long crypt."""
    height, width = settings.extent_um
    turn = rng.uniform(0.0, np.pi / 3.0)
    along = np.array([np.sin(turn), np.cos(turn)])
    across = np.array([along[1], -along[0]])
    look = settings.look
    rows = int(np.ceil(0.5 * np.hypot(height, width) / look.lattice_um)) + 2
    middle = np.array([height, width]) / 2.0
    crypts: list[Crypt] = []
    for row in range(-rows, rows + 1):
        column = -rows
        while column <= rows:
            sites = _sites_of_next(row, look, rng)
            start = middle + look.lattice_um * ((column + 0.5 * (row % 2)) * along + 0.866 * row * across)
            crypt = _crypt_at(start, along, sites, look, rng)
            if sites and _near_field(crypt, height, width):
                crypts.append(crypt)
            column += max(sites, 1)
    return crypts


def _sites_of_next(row: int, look: Look, rng: np.random.Generator) -> int:
    """Lattice sites that the next crypt takes; 0 leaves stroma. The middle row holds round crypts only."""
    kind = rng.random()
    if row == 0:
        return 1
    if kind < look.missing:
        return 0
    return int(rng.integers(2, 5)) if kind < look.missing + look.lengthwise else 1


def _crypt_at(start: Points, along: Points, sites: int, look: Look, rng: np.random.Generator) -> Crypt:
    radius = rng.uniform(*look.radius_um)
    length = look.lattice_um * max(sites - 1, 0) + rng.uniform(0.0, look.oval_um)
    heading = along if sites > 1 else _direction(rng)
    steps = np.arange(0.0, length + _SPINE_STEP_UM, _SPINE_STEP_UM) - (0.0 if sites > 1 else length / 2.0)
    bend = rng.uniform(-4.0, 4.0) * np.sin(np.pi * (steps - steps[0]) / max(np.ptp(steps), 1.0))
    jitter = rng.uniform(-look.disorder_um, look.disorder_um, 2)
    sideways = np.array([heading[1], -heading[0]])
    return Crypt(
        spine=start + jitter + steps[:, None] * heading + bend[:, None] * sideways,
        radius_um=radius - (0.25 * length if sites <= 1 else 3.0),
        lumen_um=_lumen_um(radius, sites, look, rng),
        goblet_share=rng.uniform(*look.goblets),
    )


def _lumen_um(radius_um: float, sites: int, look: Look, rng: np.random.Generator) -> float:
    low, high = look.lumen_um if sites <= 1 else look.long_lumen_um
    if look.dilated and rng.random() < look.dilated:
        low, high = 0.4 * radius_um, max(0.4 * radius_um, radius_um - 16.0)
    return float(rng.uniform(low, high))


def _direction(rng: np.random.Generator) -> Points:
    angle = rng.uniform(0.0, 2.0 * np.pi)
    return np.array([np.sin(angle), np.cos(angle)])


def _near_field(crypt: Crypt, height: float, width: float) -> bool:
    reach = crypt.radius_um + 15.0
    inside = (crypt.spine > -reach) & (crypt.spine < np.array([height, width]) + reach)
    return bool(inside.all(axis=1).any())


def _tangents(spine: Points) -> Points:
    steps = np.gradient(spine, axis=0)
    return np.asarray(steps / np.linalg.norm(steps, axis=1, keepdims=True))


def _resample(curve: Points, normals: Points, step_um: float) -> tuple[Points, Points]:
    """``curve`` with a point every ``step_um`` or so, and the unit normals there."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    wanted = np.linspace(0.0, lengths[-1], max(int(lengths[-1] / step_um), 8), endpoint=False)
    points, outward = (
        np.stack([np.interp(wanted, lengths, values[:, axis]) for axis in (0, 1)], axis=1)
        for values in (curve, normals)
    )
    return points, outward / np.linalg.norm(outward, axis=1, keepdims=True)
