"""Annotations on disk, of the dock and of ``annotate`` alike, found and read for an export."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..annotation.annotated_image import AnnotatedImage
from ..annotation.store import JOURNAL_FILE, OBJECTS_FILE, load_annotation
from ..annotation.stored.folder_schema import ABOUT_FILE, AnnotationFile, read_about
from ..errors import CerberusError, DataError
from ..inference.images.rgb import as_rgb8
from ..pairs.object_rows import read_table
from ..pairs.write.export_source import ExportSource
from ..progress import Job, Progress
from ..whole_folders import settle_all
from .annotator_work import work_of
from .image_identity import find_image, read_checked, read_region, slide_of
from .review_counts import ReviewCount, count_reviewed


@dataclass(frozen=True, kw_only=True)
class SavedImage:
    """An annotated image on disk, known without reading its pixels.

    Attributes
    ----------
    folder : Path
        Of the annotation.
    image_path : Path or None
        Where the image lies; None where it was not found.
    about : AnnotationFile
        What the annotation says of itself.
    reviewed : mapping of task to ReviewCount
    """

    folder: Path
    image_path: Path | None
    about: AnnotationFile
    reviewed: Mapping[str, ReviewCount] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The image's file name, or what the annotation calls it."""
        if self.image_path is None or self.image_path.parent == self.folder:
            return self.about.frame.image_name or self.folder.name
        return self.image_path.name

    def read(self, annotator: str = "") -> ExportSource:
        """Image and annotation.

        Parameters
        ----------
        annotator : str
            Who stands for it where the annotation does not say who worked on it.

        Raises
        ------
        CerberusError
            If the image was not found or has changed since, or a file is damaged.
        """
        if self.image_path is None:
            raise DataError(
                f"The image “{self.name}” of {self.folder} was not found; put it beside that folder and look again."
            )
        return read_result(self.image_path, self.folder, annotator, name=self.name)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a folder holds.

    Attributes
    ----------
    images : tuple of SavedImage
        In order of their folders.
    problems : tuple of str
        Annotations that cannot be read, a sentence each.
    """

    images: tuple[SavedImage, ...] = ()
    problems: tuple[str, ...] = ()


def find_saved(root: Path, images: Sequence[Path] = ()) -> Job[Found]:
    """Look for annotations in a folder and in the folders below it.

    An image is looked for where it was when it was annotated, then by its name beside the annotation, in ``root``,
    beside ``root``, and in ``images``.

    Parameters
    ----------
    root : Path
        May be an annotation itself.
    images : sequence of Path
        More folders in which images lie.

    Yields
    ------
    Progress
        One step a folder.

    Raises
    ------
    DataError
        If there is no such folder, or it holds no annotation.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; choose one that holds saved annotations.")
    found = Found()
    for folder in _folders(root):
        yield Progress("Looking for annotations", len(found.images))
        if not (folder / ABOUT_FILE).is_file():
            continue
        try:
            saved = _saved(folder, (root, root.parent, *images))
        except CerberusError as error:
            found = replace(found, problems=(*found.problems, str(error)))
            continue
        found = replace(found, images=(*found.images, saved))
    if not (found.images or found.problems):
        raise DataError(f"{root} holds no saved annotation: neither folders *.cerberus nor results of annotate.")
    return found


def read_result(path: Path, folder: Path, annotator: str = "", *, name: str = "") -> ExportSource:
    """An image and its saved annotation.

    Parameters
    ----------
    path : Path
        The image.
    folder : Path
        The annotation.
    annotator : str
        Who stands for it where the annotation does not say who worked on it.
    name : str
        For people; the image's file name if empty.

    Raises
    ------
    ImageError, DataError
        If a file is missing or damaged, or the image changed since it was annotated.
    """
    annotated = load_annotation(folder)
    slide = slide_of(path, annotated.frame.image_key)
    if slide is not None:
        image = read_region(slide, annotated.frame.region, annotated.factors)
    else:
        image = _part_of_picture(path, folder, annotated)
    work = work_of(annotated.objects, folder / JOURNAL_FILE, annotated.saved_by or annotator)
    return ExportSource(
        image=image,
        annotated=annotated,
        name=name or path.name,
        path=path,
        annotator=work.annotator,
        effort=work.effort,
    )


def _part_of_picture(path: Path, folder: Path, annotated: AnnotatedImage) -> NDArray[np.uint8]:
    if annotated.factors != (1.0, 1.0):
        raise DataError(f"{folder} is of a coarser level of its image; open it in napari and export it there.")
    pixels = read_checked(path, annotated.frame.image_key)
    top, left, bottom, right = annotated.frame.region
    if bottom > pixels.shape[0] or right > pixels.shape[1]:
        raise DataError(f"{path} is smaller than the region that was annotated; restore the file.")
    return as_rgb8(pixels, annotated.full_brightness or None)[top:bottom, left:right]


def _saved(folder: Path, places: Sequence[Path]) -> SavedImage:
    about, table = read_about(folder), folder / OBJECTS_FILE
    objects = read_table(table) if table.is_file() else pd.DataFrame()
    return SavedImage(
        folder=folder,
        image_path=find_image(folder, about, places),
        about=about,
        reviewed=count_reviewed(objects, about.tasks),
    )


def _folders(root: Path) -> Iterator[Path]:
    """``root`` and the folders below it; not those inside an annotation, nor hidden ones."""
    for folder, below, files in os.walk(root):
        below += settle_all(Path(folder))
        below[:] = [] if ABOUT_FILE in files else sorted(name for name in below if not name.startswith("."))
        yield Path(folder)
