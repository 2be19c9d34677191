"""How large a pixel is, along both axes, and how we know. One value for every room that speaks of micrometres."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .errors import SettingsError

RANGE_UM = (0.05, 20.0)
"""A pixel's side in µm: what is outside is a mistake of a file or of a hand."""

ASSUMED_UM = 0.5
"""Assumed, in the window and on the terminal, where nobody says how large a pixel is: a 20x scan, and within a factor
of two of a 40x one. The size of a model's training images says nothing about a user's own file."""

_MOST_DECIMALS = 6


class PixelSizeSource(StrEnum):
    """Where a pixel size comes from; the value is the words a user reads beside it and a file keeps."""

    USER = "set by you"
    LAYER = "from the layer"
    FILE = "from the file"
    FOLDER = "as you set it for this folder"
    ASSUMED = "assumed"


def scale_words(pixel_size_um: float, of_tasks: Mapping[str, float]) -> str:
    """The pixel sizes that a model works at: "1 µm/px, nuclei at 0.5 µm/px"."""
    others = [f"{task} at {um:g} µm/px" for task, um in of_tasks.items() if um != pixel_size_um]
    return ", ".join([f"{pixel_size_um:g} µm/px", *others])


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Height and width of a pixel, in µm, and where the numbers come from.

    Attributes
    ----------
    y_um, x_um : float
        Height and width. They differ where an image was squeezed or a scanner's steps do.
    source : PixelSizeSource
        ``ASSUMED`` must reach every file and every warning that builds on it.

    Raises
    ------
    SettingsError
        If a side is not a number in ``RANGE_UM``.
    """

    y_um: float
    x_um: float
    source: PixelSizeSource = PixelSizeSource.USER

    def __post_init__(self) -> None:
        low, high = RANGE_UM
        for side in (self.y_um, self.x_um):
            if not (math.isfinite(side) and low <= side <= high):
                raise SettingsError(f"Pixel size must lie in {low:g} to {high:g} µm, not {side:g} µm.")

    @classmethod
    def square(cls, um: float, source: PixelSizeSource = PixelSizeSource.USER) -> PixelSize:
        """A pixel as wide as it is high."""
        return cls(um, um, source)

    @classmethod
    def parse(cls, text: str, source: PixelSizeSource = PixelSizeSource.USER) -> PixelSize:
        """From what a user types: ``0.5``, or height and width as ``1.13,1.50``.

        Raises
        ------
        SettingsError
            If it is neither one number nor two.
        """
        parts = [part for part in re.split(r"[,;x×\s]+", text.strip()) if part]
        try:
            sides = [float(part) for part in parts]
        except ValueError:
            sides = []
        if len(sides) not in (1, 2):
            raise SettingsError(f"Pixel size {text!r}: give one number in µm, or height and width as 1.13,1.50.")
        return cls(sides[0], sides[-1], source)

    @property
    def assumed(self) -> bool:
        """Whether nobody has stated it."""
        return self.source is PixelSizeSource.ASSUMED

    @property
    def is_square(self) -> bool:
        """Whether height and width agree within a thousandth."""
        return abs(self.y_um - self.x_um) <= 1e-3 * max(self.y_um, self.x_um)

    @property
    def mean_um(self) -> float:
        """Side of the square pixel of the same area."""
        return self.y_um if self.y_um == self.x_um else math.sqrt(self.y_um * self.x_um)

    @property
    def area_um2(self) -> float:
        """Area of one pixel."""
        return self.y_um * self.x_um

    @property
    def yx_um(self) -> tuple[float, float]:
        """Height and width, in the order of array axes."""
        return self.y_um, self.x_um

    def scaled(self, rows: float, columns: float | None = None) -> PixelSize:
        """The pixel of the same image with ``rows`` times higher and ``columns`` times wider pixels (as ``rows``)."""
        return PixelSize(self.y_um * rows, self.x_um * (rows if columns is None else columns), self.source)

    def __str__(self) -> str:
        return f"{self.y_um:.4g} µm" if self.is_square else f"{self.y_um:.4g} × {self.x_um:.4g} µm"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "y_um": round(self.y_um, _MOST_DECIMALS),
            "x_um": round(self.x_um, _MOST_DECIMALS),
            "source": self.source.value,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PixelSize:
        """From a mapping that a schema has checked."""
        return cls(float(data["y_um"]), float(data["x_um"]), PixelSizeSource(data["source"]))


EBHI_SEG = PixelSize(1.13, 1.50, PixelSizeSource.ASSUMED)
"""Of EBHI-SEG's published tiles: 4:3 fields squeezed to squares (``docs/ebhi_seg_is_squeezed.md``). Its mean comes from
the size of red cells and lymphocytes; nobody has stated it."""
