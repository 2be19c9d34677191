"""The pixel size that a file's metadata state: OME-TIFF, Aperio SVS, ImageJ, resolution tags, dots per inch.

Screen and print resolutions (72, 96, 300 dpi) stand in many files and say nothing about the specimen: sizes outside
``PLAUSIBLE_UM`` count as not stated.
"""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import tifffile

from ...pixel_size import RANGE_UM, PixelSize, PixelSizeSource

PLAUSIBLE_UM = (RANGE_UM[0], 10.0)
_UM_PER_INCH = 25_400.0
_UM_PER_CM = 10_000.0
_UM_PER_UNIT = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,  # micro sign
    "μm": 1.0,  # Greek mu
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "\\u00b5m": 1.0,  # as ImageJ writes it
    "mm": 1e3,
    "cm": _UM_PER_CM,
    "m": 1e6,
    "inch": _UM_PER_INCH,
    "in": _UM_PER_INCH,
}
_INCH, _CENTIMETER = 2, 3
_APERIO = re.compile(r"\bMPP\s*=\s*([0-9]*\.?[0-9]+)")

Sides = tuple[float | None, float | None]
NOT_STATED: Sides = (None, None)


def stated(width_um: float | None, height_um: float | None) -> PixelSize | None:
    """The size that a file states; None where it states none, or one that no microscope has."""
    low, high = PLAUSIBLE_UM
    if width_um is None or height_um is None:
        return None
    if not all(math.isfinite(side) and low <= side <= high for side in (width_um, height_um)):
        return None
    return PixelSize(height_um, width_um, PixelSizeSource.FILE)


def from_tiff(file: tifffile.TiffFile) -> Sides:
    """Width and height of a pixel in µm; the most explicit statement wins."""
    for read in (_from_ome, _from_aperio, _from_imagej, _from_tags):
        sides = read(file)
        if sides != NOT_STATED:
            return sides
    return NOT_STATED


def from_dots_per_inch(dots: Any) -> Sides:
    """From Pillow's ``dpi`` entry."""
    if not isinstance(dots, tuple) or len(dots) != 2:
        return NOT_STATED
    return _side(_UM_PER_INCH, dots[0]), _side(_UM_PER_INCH, dots[1])


def _from_ome(file: tifffile.TiffFile) -> Sides:
    if not file.is_ome or not file.ome_metadata:
        return NOT_STATED
    root = ElementTree.fromstring(file.ome_metadata)
    pixels = next((element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return NOT_STATED
    width, height = (
        _times(pixels.get(f"PhysicalSize{axis}"), _UM_PER_UNIT.get(pixels.get(f"PhysicalSize{axis}Unit", "µm")))
        for axis in "XY"
    )
    return (width, height) if width is not None and height is not None else NOT_STATED


def _from_aperio(file: tifffile.TiffFile) -> Sides:
    found = _APERIO.search(file.pages[0].description)
    return (float(found[1]), float(found[1])) if found else NOT_STATED


def _from_imagej(file: tifffile.TiffFile) -> Sides:
    if not file.is_imagej:
        return NOT_STATED
    um = _UM_PER_UNIT.get(str((file.imagej_metadata or {}).get("unit", "")))
    across, down = _resolution(file)
    return (_side(um, across), _side(um, down)) if um is not None else NOT_STATED


def _from_tags(file: tifffile.TiffFile) -> Sides:
    unit = file.pages[0].tags.get("ResolutionUnit")
    um = {_INCH: _UM_PER_INCH, _CENTIMETER: _UM_PER_CM}.get(int(unit.value)) if unit is not None else None
    across, down = _resolution(file)
    return (_side(um, across), _side(um, down)) if um is not None else NOT_STATED


def _resolution(file: tifffile.TiffFile) -> Sides:
    """Pixels per unit, across and down."""
    across, down = (_ratio(file.pages[0].tags.get(name)) for name in ("XResolution", "YResolution"))
    return across, down


def _ratio(tag: Any) -> float | None:
    if tag is None:
        return None
    above, below = tag.value
    return above / below if below else None


def _side(um_per_unit: float, per_unit: Any) -> float | None:
    return um_per_unit / float(per_unit) if per_unit else None


def _times(text: str | None, um_per_unit: float | None) -> float | None:
    return float(text) * um_per_unit if text is not None and um_per_unit is not None else None
