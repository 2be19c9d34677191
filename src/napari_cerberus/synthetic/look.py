"""What the tissue of a drawn tile is like: one fixed look, or one drawn from the range of diseases and laboratories.

The ranges are wider than colon mucosa on purpose: crowded and fused glands, pencil-shaped nuclei in many layers,
dilated and slit-like lumina with and without mucus, goblet cells that are no lumina, dense stroma, inflammation and
fat that are no gland, and the stains of many laboratories. Nothing here was fitted to an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Numbers of the drawing; the defaults draw the same quiet colon mucosa every time.

    Attributes
    ----------
    glandular : bool
        Whether there are glands at all.
    lattice_um, radius_um, oval_um, disorder_um : float or range
        Distance of glands, their radius, how oval and how far off the lattice they are.
    missing, lengthwise : float
        Share of places without a gland; share of glands cut lengthwise.
    lumen_um, long_lumen_um : range
        Radius of the lumen of glands cut across and lengthwise.
    dilated : float
        Share of glands whose lumen leaves only a thin wall.
    goblets : range
        How many of the possible places hold a goblet cell, 0..1.
    nucleus_um : (float, float)
        Long and short half axis of epithelial nuclei.
    nucleus_spacing_um : range
        Distance between epithelial nuclei along the wall.
    raised, stratified : float
        Share of nuclei that leave the base, and how far up the wall they go, 0..1.
    nucleus_tilt, pleomorphism : float
        Standard deviation of their direction (rad) and of their size (share).
    stroma_cells_per_mm2, stroma_room_um : float
        Cells wanted in the stroma, and the least distance between two.
    stroma_mix : (float, float, float, float)
        Shares of lymphocytes, plasma cells, fibroblasts and eosinophils.
    stroma_eosin, stroma_haematoxylin, looseness : float
        Stain of the stroma, and how pale its gaps are.
    spaces_per_mm2 : float
        Vessels, fat cells and tears.
    cytoplasm_eosin, cytoplasm_haematoxylin : float
    mucus, debris : float
        Stain of what lies in the lumen, and how full it is.
    haematoxylin, eosin : float
        Amounts of the dyes.
    dye_turns : tuple of 6 float
        Added to the densities (R, G, B) of haematoxylin and of eosin.
    lamp_shift : tuple of 3 float
        Added to the grey levels of bare glass.
    optics_um : float
        Standard deviation of the blur.
    """

    glandular: bool = True
    lattice_um: float = 96.0
    radius_um: Range = (34.0, 41.0)
    oval_um: float = 14.0
    disorder_um: float = 4.5
    missing: float = 0.06
    lengthwise: float = 0.16
    lumen_um: Range = (4.0, 11.0)
    long_lumen_um: Range = (3.0, 6.0)
    dilated: float = 0.0
    goblets: Range = (0.45, 0.9)
    nucleus_um: Range = (4.9, 2.7)
    nucleus_spacing_um: Range = (5.4, 6.4)
    raised: float = 0.25
    stratified: float = 0.0
    nucleus_tilt: float = 0.16
    pleomorphism: float = 0.1
    stroma_cells_per_mm2: float = 6200.0
    stroma_room_um: float = 6.8
    stroma_mix: tuple[float, float, float, float] = (0.42, 0.2, 0.32, 0.06)
    stroma_eosin: float = 0.43
    stroma_haematoxylin: float = 0.1
    looseness: float = 0.8
    spaces_per_mm2: float = 0.0
    cytoplasm_eosin: float = 0.56
    cytoplasm_haematoxylin: float = 0.36
    mucus: float = 1.0
    debris: float = 0.0
    haematoxylin: float = 1.0
    eosin: float = 1.0
    dye_turns: tuple[float, ...] = (0.0,) * 6
    lamp_shift: tuple[float, ...] = (0.0,) * 3
    optics_um: float = 0.32


def random_look(rng: np.random.Generator) -> Look:
    """One look out of the range; glands in seven of eight."""
    return Look(**_glands(rng), **_cells(rng), **_ground(rng), **_camera(rng))  # type: ignore[arg-type]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _glands(rng: np.random.Generator) -> dict[str, object]:
    radius = float(np.exp(rng.uniform(np.log(22.0), np.log(85.0))))
    crowding = _between(rng, 0.72, 1.35)  # glands fuse where neighbours' radii reach into each other
    wall = _between(rng, 16.0, max(17.0, 0.9 * radius))
    lumen = max(radius - wall, 1.5)
    return {
        "glandular": bool(rng.random() < 0.875),
        "lattice_um": 2.0 * radius * crowding + 6.0,
        "radius_um": (0.8 * radius, 1.15 * radius),
        "oval_um": _between(rng, 0.0, 1.2 * radius),
        "disorder_um": _between(rng, 2.0, 0.3 * radius),
        "missing": _between(rng, 0.0, 0.35),
        "lengthwise": _between(rng, 0.0, 0.5),
        "lumen_um": (0.4 * lumen, lumen),
        "long_lumen_um": (0.3 * lumen, 0.8 * lumen),
        "dilated": _between(rng, 0.01, 0.4) if rng.random() < 0.4 else 0.0,
    }


def _cells(rng: np.random.Generator) -> dict[str, object]:
    short = _between(rng, 1.9, 3.6)
    goblets = _between(rng, 0.0, 0.9) if rng.random() < 0.6 else 0.0
    mix = rng.dirichlet([1.2, 0.6, 1.4, 0.2])
    lymphoid = rng.random() < 0.2
    return {
        "goblets": (0.6 * goblets, goblets),
        "nucleus_um": (short * _between(rng, 1.1, 2.9), short),
        "nucleus_spacing_um": (1.7 * short, 2.3 * short),
        "raised": _between(rng, 0.0, 0.8),
        "stratified": _between(rng, 0.0, 1.0),
        "nucleus_tilt": _between(rng, 0.08, 0.5),
        "pleomorphism": _between(rng, 0.06, 0.24),
        "stroma_cells_per_mm2": _between(rng, 9e3, 3e4) if lymphoid else _between(rng, 500.0, 9e3),
        "stroma_room_um": _between(rng, 6.2, 8.0),
        "stroma_mix": tuple((0.75, 0.15, 0.05, 0.05) if lymphoid else mix.tolist()),
    }


def _ground(rng: np.random.Generator) -> dict[str, object]:
    full = rng.random() < 0.3
    return {
        "stroma_eosin": _between(rng, 0.25, 0.85),
        "stroma_haematoxylin": _between(rng, 0.04, 0.25),
        "looseness": _between(rng, 0.0, 0.95),
        "spaces_per_mm2": _between(rng, 0.0, 120.0) if rng.random() < 0.7 else _between(rng, 120.0, 900.0),
        "cytoplasm_eosin": _between(rng, 0.2, 0.8),
        "cytoplasm_haematoxylin": _between(rng, 0.18, 0.6),
        "mucus": _between(rng, 1.0, 6.0) if full else _between(rng, 0.0, 1.5),
        "debris": _between(rng, 0.0, 1.2) if full else 0.0,
    }


def _camera(rng: np.random.Generator) -> dict[str, object]:
    return {
        "haematoxylin": float(np.exp(rng.uniform(np.log(0.5), np.log(1.5)))),
        "eosin": float(np.exp(rng.uniform(np.log(0.5), np.log(1.7)))),
        "dye_turns": tuple(rng.uniform(-0.14, 0.14, 6).tolist()),
        "lamp_shift": tuple(rng.uniform(-18.0, 6.0, 3).tolist()),
        "optics_um": _between(rng, 0.15, 0.9),
    }
