"""What is exported and how: the annotated image, and the choices of the user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...annotation.annotated_image import AnnotatedImage
from ...errors import DataError, SettingsError
from ...tasks import GLANDS, INSTANCE_TASKS
from ..layout.names import check_category, check_patient_id
from ..layout.tile_pixels import pixels_sha256
from ..object_rows import check_table

Choice = Literal["all", "accepted"]
Cut = Literal["grid", "objects"]
Small = Literal["pad", "refuse"]
WhenChanged = Literal["ask", "new_number", "replace", "keep"]
WhenEmpty = Literal["leave_out", "write"]

TILE_SIDE_RANGE_PX = (16, 4096)


@dataclass(frozen=True, kw_only=True)
class ExportSource:
    """An annotated image.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
        Of the region that was annotated.
    annotated : AnnotatedImage
    name : str
        For people: the image's file name.
    path : Path or None
        Where the image lies, if it is a file.
    annotator : str
    effort : mapping of str to float
    sha256 : str
        ``pixels_sha256`` of ``image``.

    Raises
    ------
    DataError
        If arrays do not belong together.
    """

    image: NDArray[np.uint8]
    annotated: AnnotatedImage
    name: str
    path: Path | None = None
    annotator: str = ""
    effort: Mapping[str, float] = field(default_factory=dict)
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8 or not self.image.size:
            raise DataError(f"{self.name}: only 8-bit RGB images can be exported, not shape {self.image.shape}.")
        if not self.annotated.labels:
            raise DataError(f"{self.name} has no label layer; annotate it first.")
        for task, labels in self.annotated.labels.items():
            self._check_labels(task, labels)
        check_table(self.annotated.objects, self.name)
        for kind, values in (("effort", self.effort), ("tissue", self.annotated.tissue)):
            if not all(math.isfinite(value) for value in values.values()):
                raise DataError(f"{self.name}: {kind} must hold finite numbers.")
        object.__setattr__(self, "sha256", pixels_sha256(self.image))

    def _check_labels(self, task: str, labels: NDArray[np.integer]) -> None:
        if labels.shape != self.image.shape[:2] or labels.dtype.kind not in "ui":
            height, width = self.image.shape[:2]
            raise DataError(
                f"{self.name}: the labels of {task} have shape {labels.shape} and type {labels.dtype}, "
                f"but whole numbers of shape {(height, width)} are needed."
            )
        if labels.size and (int(labels.min()) < 0 or int(labels.max()) > np.iinfo(np.int32).max):
            raise DataError(f"{self.name}: the labels of {task} have ids below 0 or above {np.iinfo(np.int32).max}.")


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """The user's choices.

    Attributes
    ----------
    patient_id : str or None
        None: "not known"; the image gets an id of its own.
    keep_patient_id : bool
        Write the id as it is: it is a study number that names nobody. Else the set carries a number in its place, and
        the key file beside the set says whose it is.
    category : str
        Made if it does not exist.
    category_confirmed : bool
        Whether a person said so. What only the model's readout says is recorded as such, and never learned.
    block, magnification : int
        For the file name, as in EBHI-SEG.
    task : str
        Whose objects the mask shows.
    checked : tuple of str
        Tasks whose objects are complete and right in every tile, as a person says; also where a tile has none of
        them. Only these are learned from and compared, the mask too.
    objects : {"all", "accepted"}
        Rejected objects are left out in either case.
    pixel_size_um : float or None
        Of the tiles; None: the image's own, so that nothing is resampled.
    tile_px : int
        Side of a tile.
    cut : {"grid", "objects"}
        How a larger image is cut: everything, or around reviewed objects.
    overlap_px : int
        Least overlap of neighbouring tiles of a grid.
    min_tissue_share : float
        Tiles of a larger image with less tissue are left out, 0..1.
    small : {"pad", "refuse"}
        What happens to an image smaller than a tile.
    empty : {"leave_out", "write"}
        What happens to tiles without any object in the mask.
    when_changed : {"ask", "new_number", "replace", "keep"}
        What happens to tiles that were exported before with other content.

    Raises
    ------
    SettingsError
        If a value makes no sense.
    """

    patient_id: str | None
    category: str
    keep_patient_id: bool = False
    category_confirmed: bool = True
    block: int = 1
    magnification: int = 400
    task: str = GLANDS
    checked: tuple[str, ...] = ()
    objects: Choice = "all"
    pixel_size_um: float | None = None
    tile_px: int = 224
    cut: Cut = "grid"
    overlap_px: int = 0
    min_tissue_share: float = 0.25
    small: Small = "pad"
    empty: WhenEmpty = "leave_out"
    when_changed: WhenChanged = "ask"

    def __post_init__(self) -> None:
        object.__setattr__(self, "category", check_category(self.category))
        if self.patient_id is not None:
            object.__setattr__(self, "patient_id", check_patient_id(self.patient_id))
        for name, kind in (("objects", Choice), ("cut", Cut), ("small", Small), ("empty", WhenEmpty)):
            _check_choice(name, getattr(self, name), get_args(kind))
        _check_choice("when_changed", self.when_changed, get_args(WhenChanged))
        for task in self.checked:
            _check_choice("checked", task, INSTANCE_TASKS)
        object.__setattr__(self, "checked", tuple(dict.fromkeys(self.checked)))
        if self.pixel_size_um is not None:
            _check_pixel_size("pixel_size_um", self.pixel_size_um)
        low, high = TILE_SIDE_RANGE_PX
        _check_range("tile_px", self.tile_px, low, high)
        _check_range("overlap_px", self.overlap_px, 0, self.tile_px - 1)
        _check_range("min_tissue_share", self.min_tissue_share, 0, 1)
        _check_range("block", self.block, 0, 999_999)
        _check_range("magnification", self.magnification, 1, 999_999)


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SettingsError(f"{name} must lie in {low}..{high}, not {value}.")


def _check_pixel_size(what: str, value: float) -> None:
    if not (math.isfinite(value) and 0.01 <= value <= 100):
        raise SettingsError(f"{what} must lie in 0.01..100 µm, not {value}.")
