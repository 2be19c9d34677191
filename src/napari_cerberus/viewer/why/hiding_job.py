"""The job behind hide-and-see: the image read as it is, with the hidden parts, and with the same shape elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ModelError
from ...pixel_size import PixelSize
from ...progress import Job, Progress, as_one_step
from ..session import Device

if TYPE_CHECKING:
    from ...inference.reasons.resemblance import Resemblance

_GONE = "The model that made this result ({name}) is not on this computer, or was changed; annotate the image again."


@dataclass(frozen=True, kw_only=True)
class HidingOrder:
    """What is to be read.

    Attributes
    ----------
    read : callable
        Gives the pixels that were annotated.
    pixel_size : PixelSize
        Of these.
    model_name, model_sha256 : str
        Which model made the result.
    device : {"auto", "cpu", "cuda", "mps"}
    hidden : (H, W) bool array
        May be all False: the image is read as it is.
    """

    read: Callable[[], np.ndarray[Any, Any]]
    pixel_size: PixelSize
    model_name: str
    model_sha256: str
    device: Device
    hidden: np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """What was read.

    Attributes
    ----------
    before, after, elsewhere : mapping of class to probability
        Nothing hidden; the parts hidden; the same shape hidden at another place. The last two may be empty.
    share : float
        Of the image that is hidden, 0..1.
    resemblance : Resemblance or None
        Of the image as it is.
    colour : (3,) uint8 array or None
        What stands in place of the parts.
    """

    before: Mapping[str, float]
    after: Mapping[str, float] = field(default_factory=dict)
    elsewhere: Mapping[str, float] = field(default_factory=dict)
    share: float = 0.0
    resemblance: Resemblance | None = None
    colour: np.ndarray[Any, Any] | None = field(default=None, compare=False)


def read_hidden(order: HidingOrder, open_model: Callable[[str], Any]) -> Job[Hidden]:
    """Read the image once as it is, and up to twice with parts hidden.

    Raises
    ------
    ModelError
        If the model that made the result is not here any more.
    """
    yield (step := Progress("Loading the model"))
    from ...inference.images.rgb import as_rgb8
    from ...inference.reasons.hide_and_see import elsewhere, hide, read_tissue, tissue_colour

    model, image = _model(order, open_model), as_rgb8(order.read())

    def shares_of(pixels: Any, stage: str) -> Job[Any]:
        job = read_tissue(pixels, model, order.pixel_size, device=order.device)
        return (yield from as_one_step(job, Progress(stage)))

    yield step
    whole = yield from shares_of(image, "Reading the image")
    if not order.hidden.any():
        return Hidden(before=whole.shares, resemblance=whole.resemblance)
    after = yield from shares_of(hide(image, order.hidden), "Reading it with the part hidden")
    moved, control = elsewhere(order.hidden), None
    if moved is not None:
        control = yield from shares_of(hide(image, moved), "Reading it with as much hidden elsewhere")
    return Hidden(
        before=whole.shares,
        after=after.shares,
        elsewhere=control.shares if control is not None else {},
        share=float(order.hidden.mean()),
        resemblance=whole.resemblance,
        colour=tissue_colour(image, order.hidden),
    )


def _model(order: HidingOrder, open_model: Callable[[str], Any]) -> Any:
    from ...model.library.opening import open_model as open_from_library

    gone = ModelError(_GONE.format(name=order.model_name))
    try:
        model = open_model(order.model_name)
        if model.sha256 != order.model_sha256:
            model = open_from_library(order.model_name, order.model_sha256)
    except ModelError as error:
        raise gone from error
    if model.sha256 != order.model_sha256:
        raise gone
    return model
