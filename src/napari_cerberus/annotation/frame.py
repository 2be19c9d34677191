"""Which image, and which part of it, an annotation belongs to. Images are recognised by content, never by path."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .regions import Labels

Region = tuple[int, int, int, int]
"""Top, left, bottom, right in image pixels, half-open."""

MAX_PIXELS = 1 << 30
"""Largest frame that is read from disk (32,768 × 32,768); a file that claims more is damaged or hostile."""

_WHOLE_BYTES = 1 << 28
_BAND_BYTES = 1 << 20


def image_key(rgb: NDArray[np.uint8]) -> str:
    """SHA-256, in hex, of an image's shape and pixels.

    Up to 256 MiB of pixels all are read (0.2 s); of a larger image 256 bands of about 1 MiB each, evenly spaced from
    the first row to the last. Two images differ by key if they differ in what is read.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 array

    Raises
    ------
    DataError
        If it is something else.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise DataError(f"An image key needs 8-bit RGB pixels, not {rgb.dtype} of shape {rgb.shape}.")
    digest = hashlib.sha256(f"napari-cerberus image 1 {rgb.shape[0]}x{rgb.shape[1]}\n".encode())
    row_bytes = max(rgb.shape[1] * 3, 1)
    band = max(_BAND_BYTES // row_bytes, 1)
    starts = range(0, rgb.shape[0], band)
    if rgb.size > _WHOLE_BYTES:
        starts = sorted({int(v) for v in np.linspace(0, max(rgb.shape[0] - band, 0), 256)})  # type: ignore[assignment]
    for start in starts:
        digest.update(np.ascontiguousarray(rgb[start : start + band]).data)
    return digest.hexdigest()


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
    def of(cls, rgb: NDArray[np.uint8], name: str, region: Region | None = None) -> Frame:
        """The frame of an image (H, W, 3), or of a region of it."""
        height, width = rgb.shape[0], rgb.shape[1]
        return cls(
            image_key=image_key(rgb),
            image_name=name,
            image_height_px=height,
            image_width_px=width,
            region=region or (0, 0, height, width),
        )

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
