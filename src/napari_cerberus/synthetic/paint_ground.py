"""Drawing the ground: stroma, crypts with their epithelium and lumen, bare glass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from .crypt_layout import Crypt, Layout, distance_to
from .pixel_canvas import Canvas, Plane, Strand, Window, grain, ramp

_MARGIN_UM = 14.0
_THINNEST_WALL_UM = 17.0


@dataclass(frozen=True)
class CryptGround:
    """One crypt on the pixel grid.

    Attributes
    ----------
    window : Window
        The part of the canvas around it.
    depth_um : float (h, w)
        Depth below the basement membrane; negative outside.
    to_lumen_um : float (h, w)
        Distance to the surface of the epithelium; negative inside the lumen.
    around_um : float (h, w)
        Position along the outline.
    """

    window: Window
    depth_um: NDArray[np.float64]
    to_lumen_um: NDArray[np.float64]
    around_um: NDArray[np.float64]


def ground_of(canvas: Canvas, layout: Layout, crypt: Crypt) -> CryptGround | None:
    """Geometry of ``crypt`` on the pixel grid; None where it lies outside the canvas."""
    reach = crypt.radius_um + _MARGIN_UM
    window = canvas.window(crypt.spine.min(axis=0) - reach, crypt.spine.max(axis=0) + reach)
    if window is None:
        return None
    shift = layout.warp.displacement(window.points)
    warped = window.points + shift
    to_spine = distance_to(crypt.spine, warped)
    ripple = layout.warp.displacement(window.points * 3.7).sum(axis=-1)
    surface = np.minimum(crypt.lumen_um * (1.0 + 0.09 * ripple), crypt.radius_um - _THINNEST_WALL_UM)
    around = cKDTree(crypt.outline(0.0)[0]).query(warped)[1].astype(np.float64)
    return CryptGround(window, crypt.radius_um - to_spine, to_spine - surface, around)


def mark_crypt(canvas: Canvas, ground: CryptGround, label: int) -> None:
    """Write the truth: the gland with its lumen, and the lumen."""
    box = ground.window.box
    inside = ground.depth_um > 0.0
    canvas.glands[box][inside] = label
    canvas.lumina[box][inside & (ground.to_lumen_um < 0.0)] = label


def paint_stroma(canvas: Canvas, rng: np.random.Generator) -> None:
    """Loose pink connective tissue whose fibres run around the crypts, with pale gaps."""
    settings = canvas.settings
    beyond = distance_transform_edt(canvas.glands == 0) * settings.pixel_size_um
    drift = grain(settings, 28.0, rng)
    fibre = 0.6 * Strand(3.4, rng)(beyond + 7.0 * drift) + 0.6 * grain(settings, 4.0, rng)
    gap = ramp(grain(settings, 9.0, rng) + 0.5 * fibre - 1.1, 1.0)
    cloud = grain(settings, 40.0, rng)
    look = settings.look
    canvas.eosin[...] = (look.stroma_eosin + 0.05 * cloud + 0.13 * fibre) * (1.0 - look.looseness * gap)
    canvas.haematoxylin[...] = (look.stroma_haematoxylin + 0.03 * cloud + 0.04 * grain(settings, 3.0, rng)) * (
        1.0 - 0.7 * gap
    )


def paint_crypt(canvas: Canvas, ground: CryptGround, grains: tuple[Plane, Plane], rng: np.random.Generator) -> None:
    """Cytoplasm in columns, a brush border, a pale lumen, the basement membrane and a retraction cleft."""
    box, depth, to_lumen = ground.window.box, ground.depth_um, ground.to_lumen_um
    fine, coarse = (plane[box] for plane in grains)
    cleft = ramp(-depth, 0.8) * ramp(depth + 2.6 + 1.2 * coarse, 1.2) * ramp(coarse - 0.5, 0.6)
    canvas.blend(ground.window, 0.85 * cleft, 0.02, 0.03)
    columns = Strand(1.6, rng)(ground.around_um + 0.8 * coarse)
    apical = ramp(depth - 14.0, 10.0)
    look = canvas.settings.look
    haematoxylin = look.cytoplasm_haematoxylin - 0.16 * apical + 0.05 * columns + 0.06 * fine
    eosin = look.cytoplasm_eosin + 0.04 * apical + 0.06 * columns + 0.07 * fine + 0.05 * coarse
    brush = np.exp(-(((to_lumen - 1.0) / 0.9) ** 2))
    canvas.blend(
        ground.window,
        ramp(depth, 1.0),
        haematoxylin.astype(np.float32),
        (eosin + 0.28 * brush).astype(np.float32),
    )
    membrane = np.exp(-(((depth + 0.3) / 0.7) ** 2)).astype(np.float32)
    canvas.eosin[box] += 0.16 * membrane
    look = canvas.settings.look
    mucus = look.mucus * ramp(coarse + 0.3 * fine - 0.4 + look.debris, 1.2)
    canvas.blend(ground.window, ramp(-to_lumen, 1.0), 0.02 + 0.13 * mucus, (0.03 + 0.08 * mucus).astype(np.float32))


def empty_spaces(canvas: Canvas, rng: np.random.Generator) -> None:
    """Vessels, fat and tears of the stroma: pale, round or long, with a thin rim, and neither gland nor lumen."""
    settings = canvas.settings
    extent = np.array(settings.extent_um)
    for _ in range(rng.poisson(settings.look.spaces_per_mm2 * extent.prod() * 1e-6)):
        centre = rng.uniform(0.0, extent)
        axes = rng.uniform(6.0, 34.0) * np.array([1.0, rng.uniform(0.3, 1.0)])
        turn = rng.uniform(0.0, np.pi)
        window = canvas.window(centre - axes[0] - 3.0, centre + axes[0] + 3.0)
        if window is None:
            continue
        offset = window.points - centre
        along = offset @ [np.sin(turn), np.cos(turn)] / axes[0]
        across = offset @ [np.cos(turn), -np.sin(turn)] / axes[1]
        beyond = (np.hypot(along, across) - 1.0) * axes[1]
        free = (canvas.glands[window.box] == 0).astype(np.float32)
        blood = 0.9 if rng.random() < 0.2 else 0.02
        canvas.eosin[window.box] += 0.25 * free * np.exp(-((beyond / 1.2) ** 2)).astype(np.float32)
        canvas.blend(window, free * ramp(-beyond, 1.2), 0.01, blood)
        canvas.empty[window.box] |= (beyond < 1.0) & (free > 0)


def clear_glass(canvas: Canvas, layout: Layout) -> None:
    """Nothing stains beyond the edge of the tissue; the last micrometres fray."""
    if not np.isfinite(layout.edge_offset_um):
        return
    extent = np.array(canvas.settings.extent_um)
    window = canvas.window(np.zeros(2), extent)
    if window is not None:
        depth = layout.tissue_depth(window.points)
        canvas.blend(window, ramp(-depth, 2.0), 0.0, 0.0)
        canvas.eosin[...] += 0.18 * np.exp(-(((depth - 1.5) / 1.2) ** 2)).astype(np.float32)
