"""What an export will write, found out before anything is written: tiles, names, and what is there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import CerberusError, DataError, OutputError
from ...model.glass import WHITE_GLASS, glass_brightness
from ...progress import Job, Progress
from ..layout.dataset import Dataset, open_dataset, refuse_source_folder
from ..layout.ebhi import PairName
from ..layout.names import check_category, next_number, patient_letters_and_digits, unknown_patient_id
from ..layout.patients import number_of
from ..layout.tile_pixels import pixels_sha256, read_mask
from ..words import counted
from .export_notes import notes_of
from .export_source import ExportSettings, ExportSource
from .tile_canvas import Canvas, Tile, make_canvas
from .tile_windows import Window, tissue_share
from .transaction import recover

Status = Literal["new", "same", "changed"]
NO_TISSUE = "too little tissue"
NO_OBJECT = "no object in the mask"


@dataclass(frozen=True, kw_only=True)
class PlannedPair:
    """One tile of the plan.

    Attributes
    ----------
    name : str
        File name without suffix; of the pair that is there already where ``status`` is "same".
    window : Window
        Place on the canvas.
    status : {"new", "same", "changed"}
        ``same``: exported before with the same content, will be skipped. ``changed``: exported before, content differs.
    previous : str
        ``category/name`` of what is there already, else empty.
    replaceable : bool
        Whether ``previous`` was exported by us and not changed by hand since.
    tile_key, content_sha256 : str
    objects : int
        Objects in the mask.
    """

    name: str
    window: Window
    status: Status
    previous: str = ""
    replaceable: bool = False
    tile_key: str
    content_sha256: str
    objects: int


@dataclass(frozen=True, kw_only=True)
class ExportPlan:
    """Everything an export will do.

    Attributes
    ----------
    root : Path
    canvas : Canvas
    patient_id, patient_digits : str
        What the set calls the patient, and what stands for it in file names.
    pairs : tuple of PlannedPair
    left_out : mapping of reason to number of tiles
    new_category : bool
        Whether the category's folder will be made.
    notes : tuple of str
        Sentences worth telling the user.
    """

    root: Path
    canvas: Canvas
    patient_id: str
    patient_digits: str
    pairs: tuple[PlannedPair, ...]
    left_out: Mapping[str, int]
    new_category: bool
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> ExportSource:
        """The annotated image."""
        return self.canvas.source

    @property
    def settings(self) -> ExportSettings:
        """The user's choices."""
        return self.canvas.settings

    @property
    def patient(self) -> str:
        """The patient as the user knows him."""
        return self.settings.patient_id or self.patient_id

    @property
    def counts(self) -> dict[Status, int]:
        """Tiles by status."""
        found = Counter(pair.status for pair in self.pairs)
        return {"new": found["new"], "same": found["same"], "changed": found["changed"]}

    @property
    def summary(self) -> str:
        """One sentence for the user."""
        counts = self.counts
        out = "".join(f", {number} left out ({reason})" for reason, number in self.left_out.items())
        return (
            f"{counted(counts['new'], 'new pair')} at {self.canvas.pixel_size_um:g} µm/px for "
            f"{self.settings.category!r}, patient {self.patient!r}; {counts['same']} there already, "
            f"{counts['changed']} changed{out}."
        )

    def tile(self, index: int) -> Tile:
        """Image, mask and objects of a planned pair."""
        return self.canvas.tile(self.pairs[index].window)

    def thumbnail(self, index: int, side_px: int = 112) -> NDArray[np.uint8]:
        """A planned pair's image beside its mask, as one (side_px, 2 * side_px, 3) uint8 picture."""
        tile = self.tile(index)
        size = (side_px, side_px)
        image = Image.fromarray(tile.image).resize(size, Image.Resampling.BICUBIC)
        mask = Image.fromarray(tile.mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
        return np.hstack([np.asarray(image), np.asarray(mask.convert("RGB"))])


def plan_export(root: Path, source: ExportSource, settings: ExportSettings) -> Job[ExportPlan]:
    """Find out what an export would write.

    Parameters
    ----------
    root : Path
        The data set's folder; it may not exist yet. An earlier export that was cut off is finished or cleaned first.
    source : ExportSource
    settings : ExportSettings

    Yields
    ------
    Progress
        One step a task and a tile.

    Raises
    ------
    DataError, SettingsError, OutputError
        If image, choices and folder do not go together; nothing was written.
    """
    dataset, note = _surveyed(root, source.path)
    check_category(settings.category, dataset.categories)
    patient_id = _patient_id(root, source, settings, dataset)
    letters, digits = patient_letters_and_digits(patient_id, dataset.patients)
    canvas = yield from make_canvas(source, settings)
    planner = _Planner(dataset, canvas, letters, digits)
    windows = canvas.windows()
    for done, window in enumerate(windows):
        yield Progress("Planning tiles", done, len(windows))
        planner.consider(window)
    return ExportPlan(
        root=root,
        canvas=canvas,
        patient_id=patient_id,
        patient_digits=digits,
        pairs=tuple(planner.pairs),
        left_out=dict(planner.left_out),
        new_category=settings.category not in dataset.categories,
        notes=(*([note] if note else []), *notes_of(dataset, canvas, digits, windows)),
    )


def _surveyed(root: Path, source_path: Path | None) -> tuple[Dataset, str]:
    """What the folder holds, after a cut-off export was seen to, and what was done about that."""
    try:
        refuse_source_folder(root, source_path)
        note = recover(root)
        dataset = open_dataset(root)
        dataset.survey()
    except CerberusError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{root} cannot be used as a folder of pairs: {reason}.") from error
    return dataset, note


def _patient_id(root: Path, source: ExportSource, settings: ExportSettings, dataset: Dataset) -> str:
    """What the set calls the patient."""
    if settings.patient_id is None:
        return unknown_patient_id(source.path, source.sha256)
    if settings.keep_patient_id:
        return settings.patient_id
    return number_of(root, settings.patient_id, dataset.patient_digits)


class _Planner:
    """Goes through the tiles of one image and gives numbers to those that will be written."""

    def __init__(self, dataset: Dataset, canvas: Canvas, letters: str, digits: str) -> None:
        settings = canvas.settings
        self.pairs: list[PlannedPair] = []
        self.left_out: Counter[str] = Counter()
        self._dataset = dataset
        self._canvas = canvas
        self._letters, self._digits = letters, digits
        self._number = next_number(dataset.taken, digits, settings.block, settings.magnification)
        self._is_cut = max(canvas.shape) > settings.tile_px
        seen = glass_brightness(canvas.image)
        self._glass = 255 if seen == WHITE_GLASS else seen

    def consider(self, window: Window) -> None:
        """Plan one tile, or leave it out."""
        settings = self._canvas.settings
        tile = self._canvas.tile(window)
        if self._is_cut and tissue_share(tile.image, self._glass) < settings.min_tissue_share:
            self.left_out[NO_TISSUE] += 1
        elif settings.empty == "leave_out" and not tile.mask.any():
            self.left_out[NO_OBJECT] += 1
        else:
            self.pairs.append(self._planned(window, tile))

    def _planned(self, window: Window, tile: Tile) -> PlannedPair:
        settings = self._canvas.settings
        key = self._tile_key(window)
        content = tile.sha256(*_said(settings, self._digits))
        status, previous, replaceable = self._found_before(tile, key, content)
        return PlannedPair(
            name=previous.partition("/")[2] if status == "same" else self._next_name(),
            window=window,
            status=status,
            previous=previous,
            replaceable=replaceable,
            tile_key=key,
            content_sha256=content,
            objects=sum(one.in_mask for one in tile.objects),
        )

    def _found_before(self, tile: Tile, key: str, content: str) -> tuple[Status, str, bool]:
        """Status, id of what is there already, and whether that may be replaced."""
        earlier = self._dataset.live.get(key, [])
        alike = [entry for entry in earlier if entry.content_sha256 == content]
        if alike and self._dataset.is_untouched(alike[-1].id):
            return "same", alike[-1].id, False
        if earlier:
            latest = (alike or earlier)[-1]
            return "changed", latest.id, self._dataset.is_untouched(latest.id)
        published = self._dataset.published_with(self._digits, pixels_sha256(tile.image))
        if published is None:
            return "new", "", False
        same_place = published.category == self._canvas.settings.category
        same = same_place and _shows(published.label_path, tile.mask)
        return "same" if same else "changed", published.id, False

    def _next_name(self) -> str:
        settings = self._canvas.settings
        name = PairName(
            letters=self._letters,
            patient=self._digits,
            block=settings.block,
            magnification=settings.magnification,
            number=self._number,
        )
        self._number += 1
        return str(name)

    def _tile_key(self, window: Window) -> str:
        crop = ",".join(f"{corner:.3f}" for corner in self._canvas.crop(window))
        return f"{self._canvas.source.sha256}:{crop}@{self._canvas.pixel_size_um:.6g}/{window.side}"


def _said(settings: ExportSettings, digits: str) -> tuple[str, ...]:
    """What a person says of a tile that its pixels do not show."""
    confirmed = "confirmed" if settings.category_confirmed else "from readout"
    return settings.category, confirmed, digits, settings.task, *sorted(settings.checked)


def _shows(label_path: Path, mask: NDArray[np.bool_]) -> bool:
    try:
        return np.array_equal(read_mask(label_path), mask)
    except DataError:  # a damaged mask shows nothing; the data check names it
        return False
