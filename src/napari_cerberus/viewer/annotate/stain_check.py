"""Says before annotation that an image is stained unlike what the chosen model was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ImageError
from ...model.stain_profile import StainProfile, profile_of, warning_of
from ..layer_events import LayerWatch
from ..layers import ViewerLayers
from ..placement import finest
from ..session import Session
from .image_region import why_not
from .layer_brightness import brightness_value

_WHOLE_PX, _PATCH_PX = 256, 512


class StainCheck:
    """Keeps ``session.stain_warning`` true to the chosen image and model.

    Some thousand pixels are looked at, once for each image, in a few milliseconds.

    Parameters
    ----------
    session : Session
    layers : ViewerLayers
    watch : LayerWatch
    """

    def __init__(self, session: Session, layers: ViewerLayers, watch: LayerWatch) -> None:
        self._session, self._layers = session, layers
        self._profile: StainProfile | None = None
        session.events.image_id.connect(self._on_image)
        session.events.full_brightness.connect(lambda: self._on_image(session.image_id))
        session.events.models.connect(self._say)
        session.events.model_name.connect(self._say)
        watch.image_altered.connect(self._on_altered)
        self._on_image(session.image_id)

    def _on_altered(self, unique_id: str) -> None:
        if unique_id == self._session.image_id:
            self._on_image(unique_id)

    def _on_image(self, unique_id: str) -> None:
        layer = self._layers.find(unique_id)
        self._profile = _profile(layer) if layer is not None and not why_not(layer) else None
        self._say()

    def _say(self) -> None:
        model = self._session.model
        self._session.stain_warning = warning_of(self._profile, model.stain, model.name) if model is not None else ""


def _profile(layer: Any) -> StainProfile | None:
    """Of every n-th pixel where they are in memory; of the middle where they are not (a level made coarser by
    averaging has other numbers than the tiles a model was trained on)."""
    from ...inference.images.rgb import as_rgb8

    pixels = finest(layer)
    height, width = pixels.shape[:2]
    if isinstance(pixels, np.ndarray):
        step = max(1, -(-max(height, width) // _WHOLE_PX))
        part = pixels[::step, ::step]
    else:
        y, x = (max(side - _PATCH_PX, 0) // 2 for side in (height, width))
        part = np.asarray(pixels[y : y + _PATCH_PX, x : x + _PATCH_PX])
    try:
        return profile_of(as_rgb8(part, brightness_value(layer)))
    except ImageError:  # the run itself says what is wrong with the image
        return None
