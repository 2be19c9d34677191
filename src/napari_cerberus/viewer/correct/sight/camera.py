"""Looking at an object: the camera, whichever napari names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tracked_layer import Point, TrackedLayer

_OBJECT_SHARE = 0.4
"""Share of the canvas that an object's longer side takes at most when it is shown."""
LEAST_FIELD_UM = 100.0
"""So much of the surroundings is seen at least: a nucleus is judged by its neighbours."""
_CANVAS = (600.0, 800.0)


def camera_of(viewer: Any) -> Any:
    """The camera: ``viewer.scene.camera`` from napari 0.9 on."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


def look_at(viewer: Any, one: TrackedLayer, index: int) -> None:
    """Centre an object and zoom so that it and its surroundings are in view."""
    corners = one.box(index)
    if corners is not None:
        _look_between(viewer, one, corners)


def look_at_point(viewer: Any, one: TrackedLayer, point: Point) -> None:
    """Centre a point of a layer, in its pixels, where there is no object any more."""
    _look_between(viewer, one, (point, point))


def _look_between(viewer: Any, one: TrackedLayer, corners: tuple[Point, Point]) -> None:
    world = _in_world(one, corners)
    least = LEAST_FIELD_UM / one.tracked.pixel_size_um * float(np.mean(np.abs(one.layer.scale)))
    field = max(float(np.abs(world[1] - world[0]).max()) / _OBJECT_SHARE, least)
    camera = camera_of(viewer)
    camera.center = (0.0, *world.mean(axis=0).tolist())
    camera.zoom = float(min(canvas_size(viewer))) / field


def canvas_size(viewer: Any) -> tuple[float, float]:
    """Height and width of the canvas in screen pixels."""
    canvas = getattr(viewer, "canvas", None)
    size = _CANVAS if canvas is None else canvas.size
    return float(size[0]), float(size[1])


def sees(viewer: Any, one: TrackedLayer, index: int) -> bool:
    """Whether any of an object's box is on the canvas, and its layer is shown."""
    corners = one.box(index)
    if corners is None or not one.layer.visible:
        return False
    camera = camera_of(viewer)
    (y0, x0), (y1, x1) = corners
    world = _in_world(one, ((y0, x0), (y0, x1), (y1, x0), (y1, x1)))
    half = np.array(canvas_size(viewer)) / (2 * float(camera.zoom))
    centre = np.array(camera.center[-2:])
    return bool((world.min(axis=0) <= centre + half).all() and (world.max(axis=0) >= centre - half).all())


def view_centre(viewer: Any, one: TrackedLayer) -> Point:
    """The middle of the canvas, in pixels of a layer."""
    return one.to_data(camera_of(viewer).center)


def _in_world(one: TrackedLayer, points: Sequence[Point]) -> np.ndarray[Any, Any]:
    return np.array([one.layer.data_to_world(point)[-2:] for point in points], dtype=float)
