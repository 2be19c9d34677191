"""Which image, and which part of it, an annotation belongs to. Images are recognised by content, never by path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .label_maps import Labels

Region = tuple[int, int, int, int]
"""Top, left, bottom, right in image pixels, half-open."""

MAX_PIXELS = 1 << 30
"""Largest frame that is read from disk (32,768 × 32,768); a file that claims more is damaged or hostile."""

_UNKNOWN = "0" * 64
_WHOLE_BYTES = 32 << 20
_PATCH_PX, _PATCHES = 128, 5


def image_key(pixels: Any, full_shape: tuple[int, ...] | None = None) -> str:
    """The one name of an image: 64 hex digits of its shape, number type and content, the same on every computer.

    Up to 32 MiB all pixels are read (0.1 s); of a larger image 5 × 5 patches of 128 px, evenly spaced, so that an image
    that is read piece by piece need not be read whole. Two images differ by key if they differ in what is read.

    Parameters
    ----------
    pixels : (H, W) or (H, W, channels) array, or what can be sliced like one
        Of an image in several resolutions, the coarsest.
    full_shape : tuple of int, optional
        Of the finest resolution.
    """
    shape = tuple(int(size) for size in full_shape or pixels.shape)
    digest = hashlib.blake2b(repr((shape, np.dtype(pixels.dtype).str)).encode(), digest_size=16)
    for part in _parts(pixels):
        digest.update(np.ascontiguousarray(part).tobytes())
    return hashlib.sha256(f"napari-cerberus layer {digest.hexdigest()}".encode()).hexdigest()


def _parts(pixels: Any) -> Iterator[Any]:
    if int(np.prod(pixels.shape)) * np.dtype(pixels.dtype).itemsize <= _WHOLE_BYTES:
        yield pixels
        return
    rows, columns = (
        np.linspace(0, max(size - _PATCH_PX, 0), _PATCHES).astype(int).tolist() for size in pixels.shape[:2]
    )
    for y in rows:
        for x in columns:
            yield pixels[y : y + _PATCH_PX, x : x + _PATCH_PX]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The part of an image that label maps cover.

    Attributes
    ----------
    image_key : str
        From ``image_key``.
    image_name : str
        For the user.
    image_height_px, image_width_px : int
        Of the whole image (of the resolution level that was annotated).
    region : Region
        The part; label maps have its shape.
    """

    image_key: str
    image_name: str
    image_height_px: int
    image_width_px: int
    region: Region

    def __post_init__(self) -> None:
        if len(self.image_key) != 64 or set(self.image_key) - set("0123456789abcdef"):
            raise DataError("The image's hash must be 64 hexadecimal digits.")
        top, left, bottom, right = self.region
        if not (0 <= top < bottom <= self.image_height_px and 0 <= left < right <= self.image_width_px):
            raise DataError(f"Region {self.region} does not lie in the image.")
        if self.shape[0] * self.shape[1] > MAX_PIXELS:
            raise DataError(f"A region of {self.shape[0]} × {self.shape[1]} px is too large.")

    @classmethod
    def of_image(cls, pixels: Any, name: str = "") -> Frame:
        """A whole image, ``(H, W)`` or ``(H, W, channels)``."""
        height, width = (int(side) for side in pixels.shape[:2])
        return cls(
            image_key=image_key(pixels),
            image_name=name,
            image_height_px=height,
            image_width_px=width,
            region=(0, 0, height, width),
        )

    @classmethod
    def unknown(cls, name: str, shape: tuple[int, ...]) -> Frame:
        """Of label maps whose image nobody knows."""
        height, width = shape
        whole = (0, 0, height, width)
        return cls(image_key=_UNKNOWN, image_name=name, image_height_px=height, image_width_px=width, region=whole)

    @property
    def is_known(self) -> bool:
        """Whether it says which image it is."""
        return self.image_key != _UNKNOWN

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the label maps."""
        top, left, bottom, right = self.region
        return bottom - top, right - left

    @property
    def folder_name(self) -> str:
        """A file name that is the same for the same pixels and region, whatever the image is called."""
        whole = self.shape == (self.image_height_px, self.image_width_px)
        return self.image_key[:24] + ("" if whole else "-" + "-".join(map(str, self.region)))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "region": list(self.region)}

    @classmethod
    def from_json(cls, data: Any, where: str) -> Frame:
        """Check an untrusted mapping.

        Raises
        ------
        DataError
            Names ``where`` and the first field that is missing or wrong.
        """
        fields = {
            "image_key": str,
            "image_name": str,
            "image_height_px": int,
            "image_width_px": int,
            "region": list,
        }
        if not isinstance(data, dict):
            raise DataError(f"{where} is damaged: it does not say which image it belongs to.")
        for name, kind in fields.items():
            if not isinstance(data.get(name), kind) or isinstance(data.get(name), bool):
                raise DataError(f"{where} is damaged: field {name!r} is missing or of the wrong type.")
        region = data["region"]
        if len(region) != 4 or not all(type(value) is int for value in region):
            raise DataError(f"{where} is damaged: field 'region' must hold four whole numbers.")
        try:
            return cls(**{name: data[name] for name in fields if name != "region"}, region=tuple(region))
        except DataError as error:
            raise DataError(f"{where} is damaged: {error}") from error


def placed(labels: Labels, of: Region, on: Region) -> Labels:
    """A label map of one region on the grid of another: cropped where it is larger, background where it is smaller."""
    result = np.zeros((on[2] - on[0], on[3] - on[1]), dtype=labels.dtype)
    top, left = max(of[0], on[0]), max(of[1], on[1])
    bottom, right = max(min(of[2], on[2]), top), max(min(of[3], on[3]), left)
    source = labels[top - of[0] : bottom - of[0], left - of[1] : right - of[1]]
    result[top - on[0] : bottom - on[0], left - on[1] : right - on[1]] = source
    return result
