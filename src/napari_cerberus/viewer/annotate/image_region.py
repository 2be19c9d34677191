"""The question, frozen: a copy of the chosen part of an image layer, and what it takes to find its place again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Shapes
from skimage.draw import polygon2mask

from ...annotation.frame import Frame, image_key
from ...errors import ImageError
from ...inference.images.brightness import at_full_brightness
from ..layer_provenance import IMAGE_PATH
from ..placement import Box
from ..session import Region
from .layer_brightness import brightness_value, said_brightness

MAX_PIXELS = 64_000_000
"""Largest part that is annotated at once (8,000 × 8,000)."""

_CONTEXT_STEP_PX = 64
"""A cell of the network, 16 px at 1 µm, at 0.25 µm/px: what is read with a part begins on the whole image's cells."""


@dataclass(frozen=True, kw_only=True)
class ImageRegion:
    """Part of an image layer.

    Attributes
    ----------
    image_id, image_name, path : str
        The layer's ``unique_id``, its name then, and the file it was opened from (may be empty).
    fingerprint : str
        The image's key, ``annotation.frame.image_key``.
    region : Region
    box : Box
        In pixels of the level.
    factors : tuple of float
        Full-resolution rows and columns per row and column of the level; (1, 1) at full resolution.
    read : callable
        Gives the pixels, ``(H, W, 3 or 4)``; a copy where they are in memory, read when called where they are not.
    note : str
        A sentence for the user, where a coarser level was taken.
    context : Box or None
        ``box`` with the tissue around it, by which objects at its edge are found whole; None where there is none.
    read_context : callable or None
        Gives the pixels of ``context``.
    outline : (n, 2) float array or None
        Corners of a drawn polygon, in pixels of the level; None for a rectangle.
    full_brightness : float
        As the user said; 0 where the rule decides. What is read is scaled by it already.
    """

    image_id: str
    image_name: str
    path: str
    fingerprint: str
    region: Region
    box: Box
    factors: tuple[float, float]
    read: Callable[[], np.ndarray[Any, Any]]
    note: str = ""
    context: Box | None = None
    read_context: Callable[[], np.ndarray[Any, Any]] | None = None
    outline: np.ndarray[Any, Any] | None = None
    full_brightness: float = 0.0

    def inside(self) -> np.ndarray[Any, Any] | None:
        """The pixels of the box that lie in the outline, (H, W) bool; None where all do."""
        if self.outline is None:
            return None
        return np.asarray(polygon2mask(self.box.shape, self.outline - np.asarray(self.box.origin)))

    @property
    def frame(self) -> Frame:
        """Of the part."""
        return self.frame_of(self.box)

    def frame_of(self, box: Box) -> Frame:
        """Image and region; of the image's size it knows the region only."""
        y0, x0, y1, x1 = box.as_tuple()
        return Frame(
            image_key=self.fingerprint,
            image_name=self.image_name,
            image_height_px=y1,
            image_width_px=x1,
            region=(y0, x0, y1, x1),
        )


def why_not(layer: Any) -> str:
    """One sentence on why ``layer`` cannot be annotated and what to do; empty if it can."""
    if not isinstance(layer, Image):
        return f"“{layer.name}” is not an image; choose an H&E image."
    if not layer.rgb:
        planes = 1 if layer.ndim == 2 else int(np.prod(_full_shape(layer)[:-2]))
        kind = "a grey image" if planes == 1 else f"a stack of {planes} grey planes"
        return (
            f"“{layer.name}” is {kind}, and annotation needs colour (RGB): open the colour file, or select three "
            "channel layers, right-click and choose Merge to RGB."
        )
    if layer.ndim != 2:
        return f"“{layer.name}” is a stack of colour images; right-click it, Split Stack, and annotate one of them."
    if 0 in _full_shape(layer)[:2]:
        return f"“{layer.name}” is empty; open an image with at least one pixel."
    return ""


def take_region(
    viewer: Any, layer: Any, region: Region, shapes: Iterable[Any] = (), *, context_px: int = 0
) -> ImageRegion:
    """Copy the chosen part of ``layer``.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Its camera says what is in view.
    layer : napari.layers.Image
    region : Region
    shapes : iterable of napari.layers.Shapes
        Where a rectangle or polygon may be drawn; the first one with a shape in it is used.
    context_px : int
        How much tissue is read around a part, in full-resolution pixels.

    Raises
    ------
    ImageError
        If the layer or the region cannot be annotated; one sentence says why and what to do.
    """
    if problem := why_not(layer):
        raise ImageError(problem)
    whole = _full_shape(layer)[:2]
    drawn = _drawn_shape(layer, shapes) if region is Region.RECTANGLE else None
    box = _region_box(viewer, layer, region, drawn).clipped(*whole)
    if box.pixels == 0:
        raise ImageError(_EMPTY[region].format(name=layer.name))
    level, factors = _level_for(layer, box)
    shape = _full_shape(layer, level)[:2]
    grown = box.grown(context_px, _CONTEXT_STEP_PX).clipped(*whole) if context_px else box
    box, around = _on_level(box, factors, shape), _on_level(grown, factors, shape)
    has_context = around != box
    read_around = _reader(_level(layer, level), around, brightness_value(layer))
    return ImageRegion(
        image_id=str(layer.unique_id),
        image_name=str(layer.name),
        path=image_path(layer),
        fingerprint=fingerprint(layer),
        region=region,
        box=box,
        factors=factors,
        read=_part_reader(read_around, box, around) if has_context else read_around,
        context=around if has_context else None,
        read_context=read_around if has_context else None,
        full_brightness=said_brightness(layer),
        outline=None if drawn is None or not drawn.is_polygon else drawn.corners / np.asarray(factors),
        note=f"The image is large: level {level}, {factors[0]:g}× coarser, was annotated." if level else "",
    )


_EMPTY = {
    Region.WHOLE: "“{name}” is empty; open an image with at least one pixel.",
    Region.VIEW: "Nothing of “{name}” is in view; move the view onto it or choose the whole image.",
    Region.RECTANGLE: "The drawn rectangle does not touch “{name}”; draw it on the image.",
}


def read_again(layer: Any, box: Box, factors: tuple[float, float]) -> Callable[[], np.ndarray[Any, Any]]:
    """``ImageRegion.read`` for a part that was taken before.

    Raises
    ------
    ImageError
        If the layer has no level with these ``factors`` any more.
    """
    height, width = _full_shape(layer)[:2]
    for level in range(len(layer.data) if layer.multiscale else 1):
        rows, columns = _full_shape(layer, level)[:2]
        if (height / rows, width / columns) == tuple(factors):
            return _reader(_level(layer, level), box, brightness_value(layer))
    raise ImageError(f"“{layer.name}” has other levels than when it was annotated; annotate it again.")


def image_path(layer: Any) -> str:
    """The file of an image layer; empty where it was opened from none."""
    return str(layer.metadata.get(IMAGE_PATH, layer.source.path or ""))


def fingerprint(layer: Any) -> str:
    """``annotation.frame.image_key`` of a layer: shape, type and content.

    A multiscale image is known by its coarsest level, so that nothing much is read.
    """
    return image_key(_level(layer, -1), _full_shape(layer))


def _level(layer: Any, level: int) -> Any:
    return layer.data[level] if layer.multiscale else layer.data


def _full_shape(layer: Any, level: int = 0) -> tuple[int, ...]:
    return tuple(int(size) for size in _level(layer, level).shape)


def _region_box(viewer: Any, layer: Any, region: Region, drawn: _Drawn | None) -> Box:
    """The region in full-resolution pixels, not yet clipped to the image."""
    if region is Region.VIEW:
        return view_box(viewer, layer)
    if drawn is not None:
        return Box.around(drawn.corners)
    height, width = _full_shape(layer)[:2]
    return Box(y0=0, x0=0, y1=height, x1=width)


def view_box(viewer: Any, layer: Any) -> Box:
    """What napari last drew of the layer, in its pixels at full resolution. Raises ``ImageError`` where it is hidden.

    napari's ``corner_pixels`` is exact for plain images. For multiscale ones it is what was loaded, which may be more
    than what is seen, so the camera's rectangle narrows it.
    """
    if not layer.visible:
        raise ImageError(f"“{layer.name}” is hidden; show it or choose the whole image.")
    corners = np.asarray(layer.corner_pixels, dtype=float)[:, -2:]
    if not layer.multiscale:
        return Box.around(corners)
    factors = np.asarray(layer.downsample_factors)[layer.data_level][-2:]
    loaded = np.stack([corners[0] * factors, (corners[1] + 1) * factors - 1])
    seen = _camera_corners(viewer, layer)
    return Box.around(loaded if seen is None else np.clip(loaded, seen.min(axis=0), seen.max(axis=0)))


def _camera_corners(viewer: Any, layer: Any) -> np.ndarray[Any, Any] | None:
    """Corners of the canvas in data coordinates, ``(4, 2)``; None before napari 0.9 or where units are mixed."""
    canvas, scene = getattr(viewer, "canvas", None), getattr(viewer, "scene", None)
    if canvas is None or scene is None or any(tuple(other.units)[-2:] != tuple(layer.units) for other in viewer.layers):
        return None
    half = np.asarray(canvas.size, dtype=float) / scene.camera.zoom / 2
    centre = np.asarray(scene.camera.center, dtype=float)[-2:]
    corners = [centre + half * (dy, dx) for dy in (-1, 1) for dx in (-1, 1)]
    return np.array([layer.world_to_data(corner)[-2:] for corner in corners])


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """A drawn shape: its corners in full-resolution pixels, (n, 2)."""

    corners: np.ndarray[Any, Any]
    is_polygon: bool


def _drawn_shape(layer: Any, shapes: Iterable[Any]) -> _Drawn:
    """The newest shape of the first Shapes layer that has one."""
    drawn = next((one for one in shapes if isinstance(one, Shapes) and len(one.data)), None)
    if drawn is None:
        raise ImageError("No rectangle is drawn; press Draw, pull a rectangle on the image, and click Annotate again.")
    selected = sorted(drawn.selected_data)
    chosen = selected[-1] if selected else len(drawn.data) - 1
    corners = np.asarray(drawn.data[chosen], dtype=float)
    points = np.array([layer.world_to_data(drawn.data_to_world(corner))[-2:] for corner in corners])
    if not np.isfinite(points).all():
        raise ImageError(f"The drawn rectangle in “{drawn.name}” has no finite corners; draw it again.")
    return _Drawn(corners=points, is_polygon=drawn.shape_type[chosen] in ("polygon", "path"))


def _level_for(layer: Any, box: Box) -> tuple[int, tuple[float, float]]:
    """The finest level on which ``box`` is small enough to annotate at once."""
    levels = len(layer.data) if layer.multiscale else 1
    height, width = _full_shape(layer)[:2]
    for level in range(levels):
        rows, columns = _full_shape(layer, level)[:2]
        factors = (height / rows, width / columns)
        if box.pixels / (factors[0] * factors[1]) <= MAX_PIXELS:
            return level, factors
    raise ImageError(
        f"This part of “{layer.name}” has {box.pixels / 1e6:.0f} million pixels, more than the "
        f"{MAX_PIXELS / 1e6:.0f} million annotated at once; choose the field of view or draw a rectangle."
    )


def _on_level(box: Box, factors: tuple[float, float], shape: tuple[int, ...]) -> Box:
    """``box`` in pixels of a coarser level, at least one pixel large."""
    y0, x0 = int(box.y0 / factors[0]), int(box.x0 / factors[1])
    y1, x1 = round(box.y1 / factors[0]), round(box.x1 / factors[1])
    return Box(y0=y0, x0=x0, y1=max(y1, y0 + 1), x1=max(x1, x0 + 1)).clipped(*shape[:2])


def _reader(array: Any, box: Box, full_brightness: float | None) -> Callable[[], np.ndarray[Any, Any]]:
    part = array[box.slices]
    if isinstance(part, np.ndarray):
        part = part.copy()
    return lambda: at_full_brightness(np.asarray(part), full_brightness)


def _part_reader(
    read_around: Callable[[], np.ndarray[Any, Any]], box: Box, around: Box
) -> Callable[[], np.ndarray[Any, Any]]:
    y0, x0 = box.y0 - around.y0, box.x0 - around.x0
    height, width = box.shape
    return lambda: read_around()[y0 : y0 + height, x0 : x0 + width]
