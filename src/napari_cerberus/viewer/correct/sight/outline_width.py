"""Outlines of one width on the screen: the farther away one looks, the more pixels of the image they take.

napari draws outlines of labels in whole pixels of the image, so closer than one to one they are a pixel of it wide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...colours import OUTLINE_PX
from ...soon import Soon
from ..tracked_layer import TrackedLayer
from ..tracked_layers import Corrections
from .camera import camera_of

_WIDEST_PX = 24
_MOST_PIXELS = 16_000_000
"""Of larger layers drawing anew takes seconds; their outlines stay as they are."""


class OutlineWidth:
    """Follows the zoom. A width that the user set in napari's own controls stays.

    Parameters
    ----------
    corrections : Corrections
    """

    def __init__(self, corrections: Corrections) -> None:
        self._corrections = corrections
        self._set: dict[str, int] = {}
        self._soon = Soon(self.follow)
        self._zoom = camera_of(corrections.layers.viewer).events.zoom
        self._zoom.connect(self._on_zoom)
        corrections.attached.connect(self._on_zoom)

    def follow(self) -> None:
        """Give every outline its width now."""
        zoom = float(camera_of(self._corrections.layers.viewer).zoom)
        for one in self._corrections:
            usual = OUTLINE_PX.get(one.task, 1)
            if one.layer.contour not in (usual, self._set.get(one.key, usual)) or one.layer.data.size > _MOST_PIXELS:
                continue
            wanted = outline_px(usual, zoom * float(np.mean(np.abs(one.layer.scale))))
            self._set[one.key] = wanted
            if one.layer.contour != wanted:
                one.layer.contour = wanted

    def close(self) -> None:
        """Follow the zoom no more. Safe to call twice."""
        self._soon.stop()
        self._zoom.disconnect(self._on_zoom)

    def _on_zoom(self, event: Any | TrackedLayer = None) -> None:
        self._soon.start()


def outline_px(screen_px: float, zoom: float) -> int:
    """Width of an outline in pixels of the image, which are ``zoom`` pixels of the screen wide."""
    return int(np.clip(round(screen_px / zoom), 1, _WIDEST_PX))
