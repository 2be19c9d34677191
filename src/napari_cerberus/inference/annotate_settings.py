"""What a user can choose about an annotation. Standard library only, so that forms and command lines load fast."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from ..errors import SettingsError
from ..pixel_size import RANGE_UM, PixelSize

DeviceChoice = Literal["auto", "cpu", "cuda", "mps"]
CuttingRule = Literal["auto", "published", "ours"]


@dataclass(frozen=True, kw_only=True)
class RepairSettings:
    """Mending of outlines after the published post-processing; each step can be switched off.

    No step lets an object grow into, or up to, a neighbour that it did not touch before.

    Attributes
    ----------
    split_touching : bool
        Part glands and lumina along a continuous contour that the published threshold overlooks.
    close_gaps : bool
        Close notches of glands and lumina, each object on its own.
    fill_holes : bool
        Fill holes that one object alone surrounds.
    smooth : bool
        Smooth the outlines of glands and lumina.
    clip_lumina : bool
        Take away the parts of lumina that lie outside of glands.
    """

    split_touching: bool = True
    close_gaps: bool = True
    fill_holes: bool = True
    smooth: bool = True
    clip_lumina: bool = True


NO_REPAIR = RepairSettings(split_touching=False, close_gaps=False, fill_holes=False, smooth=False, clip_lumina=False)
"""Objects stay as they were cut."""


@dataclass(frozen=True, kw_only=True)
class AnnotateSettings:
    """What the user chose.

    Attributes
    ----------
    pixel_size_um : float or PixelSize
        Side of an image pixel in µm, or its height and width.
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes the fastest that is there.
    tile_size_px : int or None
        Largest side of a tile in model pixels; None chooses. It changes memory and time, never the result.
    sensitivity : float
        -1 leans toward precision, +1 toward recall, 0 is balanced.
    repair : RepairSettings
        Mending of outlines; ``NO_REPAIR`` leaves them as they were cut.
    flips : bool
        Read the image three more times, mirrored, and let confidence say how well each object is found again. It takes
        four times as long and changes no outline.
    rule : {"auto", "published", "ours"}
        How objects are cut: as the reference does, or by our own rules for nuclei. ``auto`` takes the published rules
        for models in the authors' layout and ours for all others.

    Raises
    ------
    SettingsError
        If a value makes no sense.
    """

    pixel_size_um: float | PixelSize
    device: DeviceChoice = "auto"
    tile_size_px: int | None = None
    sensitivity: float = 0.0
    repair: RepairSettings = field(default_factory=RepairSettings)
    flips: bool = False
    rule: CuttingRule = "auto"

    def __post_init__(self) -> None:
        low, high = RANGE_UM
        given = self.pixel_size_um
        if not isinstance(given, PixelSize) and not (math.isfinite(given) and low <= given <= high):
            raise SettingsError(f"pixel_size_um must lie in {low}..{high} µm, not {self.pixel_size_um}.")
        if self.device not in get_args(DeviceChoice):
            raise SettingsError(f"device must be one of {', '.join(get_args(DeviceChoice))}, not {self.device!r}.")
        if self.rule not in get_args(CuttingRule):
            raise SettingsError(f"rule must be one of {', '.join(get_args(CuttingRule))}, not {self.rule!r}.")
        if self.tile_size_px is not None and self.tile_size_px < 1:
            raise SettingsError(f"tile_size_px must be 1 or more, not {self.tile_size_px}.")
        if not -1.0 <= self.sensitivity <= 1.0:
            raise SettingsError(f"sensitivity must lie in -1..1, not {self.sensitivity}.")

    @property
    def pixel_size(self) -> PixelSize:
        """Height and width of a pixel; a bare number is the user's word."""
        given = self.pixel_size_um
        return given if isinstance(given, PixelSize) else PixelSize.square(given)

    @property
    def mean_pixel_um(self) -> float:
        """Side of the square pixel of the same area."""
        return self.pixel_size.mean_um

    @property
    def pixel_yx_um(self) -> tuple[float, float]:
        """Height and width of a pixel."""
        given = self.pixel_size_um
        return given.yx_um if isinstance(given, PixelSize) else (given, given)
