"""From a set as published to training pairs: every image whole, at its own pixel size, with labels and classes.

A pair's image is written last, under its final name at once: a pair is there whole or not at all, and an import that
was stopped goes on with the pairs that are not there yet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from ... import __version__
from ...errors import DataError, SettingsError
from ...files import atomic_path, sha256_of, write_text
from ...pixel_size import PixelSize, PixelSizeSource
from ...progress import Job, Progress
from ..layout.ebhi import PairName
from ..layout.sidecar import Sidecar, SidecarObject, SourceInfo, sidecar_json, sidecar_paths, write_label_stack
from ..layout.tile_pixels import pixels_sha256
from ..licences import Licence, add_licence
from ..problems import Problem
from .published_set import Content, Item, PublishedSet, whole_numbers

_MAGNIFICATION = 400
_PATIENT_RANGE, _NUMBER_RANGE = 10**12, 10**6


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    written, there_already : int
        Pairs.
    patients : int
    patients_known : bool
        Whether the set names the patient of every image.
    problems : tuple of Problem
        Files that were left out, each with the reason.
    licence : Licence
    """

    written: int
    there_already: int
    patients: int
    patients_known: bool
    problems: tuple[Problem, ...]
    licence: Licence


def import_set(
    chosen: PublishedSet, folder: Path, target: Path, *, pixel_size_um: float | None = None
) -> Job[Imported]:
    """Import a set; a bad file is named and left out, and the others go on.

    Parameters
    ----------
    chosen : PublishedSet
    folder : Path
        The unpacked archive.
    target : Path
        Folder of pairs; the set becomes a category of it.
    pixel_size_um : float, optional
        In place of the set's own; needed where its authors state none.

    Raises
    ------
    DataError
        If the folder is missing or holds nothing of this set, or a table that all images need is damaged.
    SettingsError
        If the pixel size is not known.
    OutputError
        If the target cannot be written.
    """
    size_um = pixel_size_um or chosen.pixel_size_um
    if size_um is None:
        raise SettingsError(f"The authors of {chosen.title} state no pixel size here; give --pixel-size, in µm.")
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give the folder that the archive was unpacked into.")
    items, problems = chosen.find(folder)
    if not items:
        raise DataError(f"{folder} does not look like {chosen.title}; expected: {_layout(chosen)}")
    licence = Licence(
        title=chosen.title,
        cite=chosen.cite,
        licence=chosen.licence,
        weights_may_be_shared=chosen.weights_may_be_shared,
    )
    written = there = 0
    for done, item in enumerate(items):
        yield Progress(f"Importing {chosen.title}", done, len(items))
        place = _place(chosen, item, target)
        if place.is_file():
            there += 1
            continue
        try:
            content = _checked(item, item.read())
        except DataError as error:
            problems.append(_left_out(item, error))
            continue
        if not written:
            add_licence(target, chosen.key, licence)
        _write(chosen, item, content, size_um, place)
        written += 1
    return Imported(
        written=written,
        there_already=there,
        patients=len({item.patient for item in items}),
        patients_known=all(item.patient_known for item in items),
        problems=tuple(problems),
        licence=licence,
    )


def _layout(chosen: PublishedSet) -> str:
    return (chosen.find.__doc__ or "").split("\n")[0].replace("``", "")


def _place(chosen: PublishedSet, item: Item, target: Path) -> Path:
    """Where the pair's image goes: names follow from the set's own, so that they stay the same however often."""
    patient = int(hashlib.sha256(f"{chosen.key}/{item.patient}".encode()).hexdigest(), 16) % _PATIENT_RANGE
    image = int(hashlib.sha256(f"{chosen.key}/{item.path.parent.name}/{item.name}".encode()).hexdigest(), 16)
    name = PairName(
        letters="".join(letter for letter in chosen.key.upper() if letter.isalpha()),
        patient=str(patient),
        block=image // _NUMBER_RANGE % _NUMBER_RANGE,
        magnification=_MAGNIFICATION,
        number=image % _NUMBER_RANGE,
    )
    return target / chosen.title / "image" / f"{name}.png"


def _checked(item: Item, content: Content) -> Content:
    for labels in content.labels.values():
        whole_numbers(labels, item.path, content.image.shape)
        if labels.max(initial=0) > np.iinfo(np.uint16).max:
            raise DataError(f"{item.path} has ids above {np.iinfo(np.uint16).max}, which a pair cannot hold.")
    return content


def _left_out(item: Item, error: DataError) -> Problem:
    return Problem(
        kind="unreadable",
        path=item.path,
        severity="skipped",
        what=f"{item.name} was left out: {error}",
        advice="Unpack the archive again, or go on without it.",
    )


def _write(chosen: PublishedSet, item: Item, content: Content, size_um: float, place: Path) -> None:
    category = place.parent.parent
    json_path, label_path = sidecar_paths(category, place.stem)
    with atomic_path(label_path) as temporary:
        write_label_stack(temporary, content.labels, PixelSize.square(size_um))
    sidecar = _sidecar(chosen, item, content, size_um, place.stem, sha256_of(label_path))
    write_text(json_path, sidecar_json(sidecar))
    mask = (content.labels[chosen.task] > 0).astype(np.uint8) * 255
    for path, pixels in ((category / "label" / place.name, mask), (place, content.image)):
        with atomic_path(path) as temporary:
            Image.fromarray(pixels).save(temporary, format="PNG")


def _sidecar(
    chosen: PublishedSet, item: Item, content: Content, size_um: float, name: str, labels_sha256: str
) -> Sidecar:
    height, width = content.image.shape[:2]
    _letters, block, magnification, number = name.split("-")
    return Sidecar(
        name=name,
        category=chosen.title,
        patient_id=f"{chosen.key}:{item.patient}",
        patient_known=item.patient_known,
        category_confirmed=False,
        block=int(block),
        magnification=int(magnification),
        number=int(number),
        pixel_size_um=size_um,
        size_px=(height, width),
        mask_task=chosen.task,
        mask_objects="all",
        source=SourceInfo(
            name=f"{chosen.title}/{item.name}",
            sha256=pixels_sha256(content.image),
            size_px=(height, width),
            pixel_size=PixelSize.square(size_um, _source_of(chosen, size_um)),
            crop_px=(0.0, 0.0, float(height), float(width)),
            padding_px=(0, 0, 0, 0),
        ),
        annotator=chosen.cite,
        tasks=tuple(content.labels),
        checked=tuple(content.labels),
        labels_sha256=labels_sha256,
        objects=_objects(content),
        versions={"napari-cerberus": __version__},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _source_of(chosen: PublishedSet, size_um: float) -> PixelSizeSource:
    return PixelSizeSource.FILE if size_um == chosen.pixel_size_um else PixelSizeSource.USER


def _objects(content: Content) -> tuple[SidecarObject, ...]:
    return tuple(
        SidecarObject(
            task=task,
            id=id_,
            source_id=id_,
            class_name=content.classes.get(task, {}).get(id_, ""),
            class_probability=None,
            confidence=None,
            review="accepted",
            in_mask=True,
            whole=True,
        )
        for task, labels in content.labels.items()
        for id_ in np.unique(labels[labels > 0]).tolist()
    )
