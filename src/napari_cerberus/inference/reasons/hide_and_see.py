"""What the tissue readout would be without a part of the image (occlusion; Zeiler and Fergus 2014).

The part is filled with the mean colour of the tissue around it, and the image is read again: a change is an effect of
the pixels that were hidden, and of the flat patch in their place. To tell the two apart, a patch of the same shape is
also put elsewhere. Importing this loads no torch: the jobs do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...model.glass import glass_min
from ...pixel_size import PixelSize
from ...progress import Job
from ..annotate_settings import DeviceChoice

if TYPE_CHECKING:
    from ...model.checkpoint import Model
    from .tissue_answer import TissueAnswer

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
_MOST_SHARED = 0.1
"""A patch elsewhere that covers more of the hidden part than this is no other place."""


def read_tissue(
    image: Pixels, model: Model, pixel_size: float | PixelSize, *, device: DeviceChoice = "auto"
) -> Job[TissueAnswer]:
    """Read an image for its tissue only: the encoder runs, no decoder.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    model : Model
    pixel_size : float or PixelSize
        Of the image.
    device : {"auto", "cpu", "cuda", "mps"}

    Raises
    ------
    ImageError
        If the model has no tissue head.
    DeviceError, CerberusError
        As ``predict``.
    """
    from ..device import choose_runtime
    from ..grid.model_grid import ModelGrid
    from ..grid.rescale import to_model_grid
    from ..predict import predict
    from ..read_image import Reading
    from .tissue_answer import tissue_answer

    task = next((one for one in model.spec.tasks if one.kind == "tissue"), None)
    if task is None:
        raise ImageError(f"{model.name} tells no tissue type; choose a model that does, and annotate again.")
    grid = ModelGrid.of((image.shape[0], image.shape[1]), pixel_size, model.spec.pixel_size_um)
    runtime = choose_runtime(device)
    seen = to_model_grid(image, grid)
    prediction = yield from predict(seen, model, runtime, keys=[task.key])
    return tissue_answer(Reading(prediction=prediction, grid=grid, image=seen), model)


def tissue_colour(image: Pixels, hidden: Mask) -> NDArray[np.uint8]:
    """Mean colour of the tissue that stays to be seen, (3,) uint8; of all that stays where none of it is tissue.

    Raises
    ------
    ImageError
        If nothing stays.
    """
    if hidden.all():
        raise ImageError("The whole image would be hidden; leave some of it to be seen.")
    stays = image[~hidden]
    tissue = stays[stays.min(axis=1) < glass_min(image)]
    return np.asarray(np.rint((tissue if len(tissue) else stays).mean(axis=0)), np.uint8)


def hide(image: Pixels, hidden: Mask) -> Pixels:
    """A copy of an (H, W, 3) image in which the (H, W) mask is one flat patch; see ``tissue_colour``."""
    covered = image.copy()
    covered[hidden] = tissue_colour(image, hidden)
    return covered


def elsewhere(hidden: Mask) -> Mask | None:
    """The same shape at the far side of the image, wrapped round its edges; None where the two would overlap."""
    half = [side // 2 for side in hidden.shape]
    for down, across in ((half[0], half[1]), (0, half[1]), (half[0], 0)):
        moved = np.roll(hidden, (down, across), axis=(0, 1))
        if np.count_nonzero(moved & hidden) <= _MOST_SHARED * np.count_nonzero(hidden):
            return moved
    return None
