"""Adapting to a laboratory's stain without labels: normalisation statistics of its images, mixed into the model's.

Adaptive batch normalisation (Li et al. 2018, doi:10.1016/j.patcog.2018.03.005). Some fields of tissue of each image are
read at every pixel size that the model's tasks have; no weight is learned and no threshold is changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError, SettingsError
from ..inference.grid.model_grid import ModelGrid, pad_to_stride
from ..inference.grid.rescale import to_model_grid
from ..inference.images.rgb import to_rgb8
from ..model.ancestry import STAIN_ADAPTATION
from ..model.checkpoint import Model
from ..model.glass import glass_min
from ..pixel_size import PixelSize
from ..progress import Job, Progress
from ..training.transfer.image_statistics import Seen, statistics_job
from .adapted_model import with_weights

FORMAT = "napari-cerberus stain adaptation/1"
FIELD_UM = 256.0
_LEAST_TISSUE, _LEAST_CONTRAST = 0.3, 4.0
_LEAST_SIDE_PX, _MOST_LOOKED_AT = 64, 100


@dataclass(frozen=True, kw_only=True)
class StainSettings:
    """How a model is adapted to a stain.

    Attributes
    ----------
    share : float
        Of the images' statistics in the model's, above 0 and up to 1.
    fields : int
        Most fields of tissue that are read, of all images together.

    Raises
    ------
    SettingsError
        If a value makes no sense.
    """

    share: float = 0.5
    fields: int = 16

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise SettingsError(f"share must lie above 0 and up to 1, not {self.share}.")
        if self.fields < 1:
            raise SettingsError(f"fields must be 1 or more, not {self.fields}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class StainImage:
    """An image, or a part of one, of the laboratory.

    Attributes
    ----------
    pixels : (H, W, 3) or (H, W, 4) array
        Anything ``inference.annotate`` takes; only the fields that are looked at are read of a lazy one.
    pixel_size : PixelSize
    name : str
        For messages; it is not kept with the model.
    full_brightness : float, optional
        Value that is white, where pixels are not 8-bit.
    """

    pixels: Any
    pixel_size: PixelSize
    name: str
    full_brightness: float | None = None


def adapt_to_stain(
    images: Sequence[StainImage], model: Model, name: str, settings: StainSettings | None = None
) -> Job[Model]:
    """A copy of a model that normalises partly by what some images hold.

    Parameters
    ----------
    images : sequence of StainImage
        Of one laboratory and stain; some more than one, for statistics of one field can mislead.
    model : Model
        Left as it is.
    name : str
        Of the copy.
    settings : StainSettings, optional

    Raises
    ------
    DataError
        If no image shows enough tissue.
    ImageError
        If pixels are no H&E picture at all.
    """
    settings = settings or StainSettings()
    each = max(1, settings.fields // max(1, len(images)))
    seen: list[Seen] = []
    used: list[str] = []
    for number, image in enumerate(images):
        yield Progress("Looking for tissue", number, len(images))
        fields = tissue_fields(image, each)
        if fields and len(seen) < settings.fields * len(model.spec.tasks_by_pixel_size()):
            used.append(hashlib.sha256(fields[0].tobytes()).hexdigest())
            seen += [page for field in fields for page in _pages(field, image.pixel_size, model)]
    if not seen:
        which = f"“{images[0].name}” shows" if len(images) == 1 else "These images show"
        raise DataError(f"{which} too little tissue to adapt to its stain; choose images full of H&E-stained tissue.")
    network = yield from statistics_job(model.network.cpu().float(), seen, settings.share)
    parent = {"name": model.name, "sha256": model.sha256}
    record = {"format": FORMAT, "parent": parent, "settings": asdict(settings), "image_fields_sha256": used}
    provenance = {**model.spec.provenance, STAIN_ADAPTATION: record}
    return with_weights(model, network.state_dict(), name, provenance)


def stain_card(adapted: Model, parent: Model) -> str:
    """The card of an adapted model: what it is a copy of, and what nobody has tested."""
    record = adapted.spec.provenance[STAIN_ADAPTATION]
    images = len(record["image_fields_sha256"])
    lines = [
        f"# {adapted.name}",
        "",
        f"A copy of {parent.name} (SHA-256 {parent.sha256}), adapted without labels to the stain of "
        f"{images} {'image' if images == 1 else 'images'}: its normalisation statistics are "
        f"{100 * record['settings']['share']:.0f} % those of these images. No weight was learned. **Nobody has tested "
        f"it**: compare what both find in an image, and go back to {parent.name} where that is better.",
        "",
        parent.card(),
    ]
    return "\n".join(lines)


def tissue_fields(image: StainImage, most: int) -> list[NDArray[np.uint8]]:
    """Fields of about 256 µm that are full of tissue, spread over the image; none where it is glass or one colour."""
    shape, um = image.pixels.shape[:2], image.pixel_size.yx_um
    sides = [min(length, max(_LEAST_SIDE_PX, round(FIELD_UM / size))) for length, size in zip(shape, um, strict=True)]
    starts = [_starts(length, side) for length, side in zip(shape, sides, strict=True)]
    corners = [(top, left) for top in starts[0] for left in starts[1]]
    good = []
    for place in _spread(len(corners), _MOST_LOOKED_AT):
        top, left = corners[place]
        pixels = np.asarray(image.pixels[top : top + sides[0], left : left + sides[1]])
        field = to_rgb8(pixels, image.full_brightness)[0]
        if _full_of_tissue(field[::4, ::4]):
            good.append(field)
    return [good[place] for place in _spread(len(good), most)]


def _full_of_tissue(field: NDArray[np.uint8]) -> bool:
    tissue = field.min(axis=2) < glass_min(field)
    return bool(tissue.mean() >= _LEAST_TISSUE and field[tissue].std(axis=0).max() >= _LEAST_CONTRAST)


def _spread(count: int, most: int) -> list[int]:
    """At most ``most`` of the numbers below ``count``, evenly."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)).tolist() if count else []


def _starts(length: int, side: int) -> NDArray[np.intp]:
    """Where windows of ``side`` begin that cover ``length`` with the least overlap."""
    count = -(-length // side)
    return np.linspace(0, length - side, count).round().astype(np.intp)


def _pages(field: NDArray[np.uint8], pixel_size: PixelSize, model: Model) -> list[Seen]:
    pages: list[Seen] = []
    for size_um, tasks in model.spec.tasks_by_pixel_size().items():
        image = pad_to_stride(to_model_grid(field, ModelGrid.of(field.shape[:2], pixel_size, size_um)))
        tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float()
        pages.append((tensor, tuple(task.key for task in tasks if task.key in model.network.decoders)))
    return pages
