"""Looking at an object: the camera, whichever napari names it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .tracked_layer import Point, TrackedLayer

_OBJECT_SHARE = 0.2
"""Share of the canvas that an object's longer side takes when it is shown."""
_LEAST_SIDE_PX = 12.0
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
    world = np.array([one.layer.data_to_world(corner)[-2:] for corner in corners], dtype=float)
    least = _LEAST_SIDE_PX * float(np.mean(np.abs(one.layer.scale)))
    side = max(float(np.abs(world[1] - world[0]).max()), least)
    canvas = getattr(viewer, "canvas", None)
    size = tuple(canvas.size) if canvas is not None else _CANVAS
    camera = camera_of(viewer)
    camera.center = (0.0, *world.mean(axis=0).tolist())
    camera.zoom = _OBJECT_SHARE * float(min(size)) / side
