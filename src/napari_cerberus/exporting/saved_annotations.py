"""Annotations on disk, corrected ones (``*.cerberus``) and results of ``annotate``, found and read for an export."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..annotation.store import ABOUT_FILE, JOURNAL_FILE, load_annotation
from ..errors import CerberusError, DataError
from ..inference.images.image_files import read_image
from ..inference.images.rgb import as_rgb8
from ..inference.result_folder import SUMMARY_FILE
from ..inference.result_reading import is_annotation, read_annotation
from ..pairs.write.export_source import ExportSource
from ..progress import Job, Progress
from ..whole_folders import settle_all
from .annotation_headers import Header, read_corrected_header, read_result_header
from .annotator_work import work_of
from .image_identity import is_of

_IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True, kw_only=True)
class SavedImage:
    """An annotated image on disk.

    Attributes
    ----------
    folder : Path
        Of the annotation.
    image_path : Path or None
        Where the image lies; None where it was not found.
    header : Header
        What is known without reading pixels.
    """

    folder: Path
    image_path: Path | None
    header: Header

    @property
    def name(self) -> str:
        """The image's file name, or what the annotation calls it."""
        return self.image_path.name if self.image_path is not None else self.header.image_name or self.folder.name

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
        pixels = read_image(self.image_path).pixels
        if self.header.corrected:
            return _corrected(self, self.image_path, pixels, annotator)
        return read_result(self.image_path, self.folder, annotator, pixels)


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
        try:
            header = _header(folder)
        except CerberusError as error:
            found = replace(found, problems=(*found.problems, str(error)))
            continue
        if header is not None:
            path = _locate(header, (folder.parent, root, root.parent, *images))
            saved = SavedImage(folder=folder, image_path=path, header=header)
            found = replace(found, images=(*found.images, saved))
    if not (found.images or found.problems):
        raise DataError(f"{root} holds no saved annotation: neither folders *.cerberus nor results of annotate.")
    return found


def read_result(path: Path, folder: Path, annotator: str = "", pixels: NDArray[Any] | None = None) -> ExportSource:
    """An image and what ``annotate`` found in it.

    Parameters
    ----------
    path : Path
        The image.
    folder : Path
        The result.
    annotator : str
    pixels : array, optional
        Of the image, where it was read already.

    Raises
    ------
    ImageError, DataError
        If a file is missing or damaged, or the image changed since it was annotated.
    """
    saved = read_annotation(folder)
    work = work_of(saved.objects, None, annotator)
    return ExportSource(
        image=as_rgb8(read_image(path).pixels if pixels is None else pixels),
        labels=saved.labels,
        objects=saved.objects.rename(columns={"state": "review"}),
        pixel_size_um=saved.pixel_size_um,
        name=path.name,
        path=path,
        expected_sha256=saved.image_sha256,
        model_name=saved.model_name,
        model_sha256=saved.model_sha256,
        annotator=work.annotator,
        tissue=saved.tissue,
    )


def _corrected(saved: SavedImage, path: Path, pixels: NDArray[Any], annotator: str) -> ExportSource:
    annotation = load_annotation(saved.folder)
    if saved.header.coarser:
        raise DataError(f"{saved.folder} is of a coarser level of its image; open it in napari and export it there.")
    if not is_of(annotation.frame.image_key, pixels):
        pixels = read_image(path, upright=False).pixels  # napari shows pictures as they are stored
    if not is_of(annotation.frame.image_key, pixels):
        raise DataError(f"{path} has changed since it was annotated; annotate it again, or restore the file.")
    top, left, bottom, right = annotation.frame.region
    if bottom > pixels.shape[0] or right > pixels.shape[1]:
        raise DataError(f"{path} is smaller than the region that was annotated; restore the file.")
    model = next(iter(annotation.models.values()), None)
    work = work_of(annotation.objects, saved.folder / JOURNAL_FILE, annotation.saved_by or annotator)
    return ExportSource(
        image=as_rgb8(pixels[top:bottom, left:right]),
        labels=annotation.labels,
        objects=annotation.objects.rename(columns={"state": "review"}),
        pixel_size_um=annotation.pixel_size_um,
        name=path.name,
        path=path,
        model_name=model.name if model is not None else "",
        model_sha256=model.sha256 if model is not None else "",
        annotator=work.annotator,
        effort=work.effort,
        tissue=annotation.tissue,
    )


def _folders(root: Path) -> Iterator[Path]:
    """``root`` and the folders below it; not those inside an annotation, nor hidden ones."""
    for folder, below, files in os.walk(root):
        below += settle_all(Path(folder))
        below[:] = [] if ABOUT_FILE in files else sorted(name for name in below if not name.startswith("."))
        yield Path(folder)


def _header(folder: Path) -> Header | None:
    """None where the folder is no annotation. Raises ``DataError`` where it is a damaged one."""
    if (folder / ABOUT_FILE).is_file():
        return read_corrected_header(folder)
    return read_result_header(folder) if (folder / SUMMARY_FILE).is_file() and is_annotation(folder) else None


def _locate(header: Header, folders: Sequence[Path]) -> Path | None:
    known = Path(header.image_path) if header.image_path else None
    if known is not None and known.is_absolute() and known.is_file():
        return known
    names = _names(header)
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def _names(header: Header) -> list[str]:
    """What the image's file may be called: the last part of its path, whatever system wrote it; then by its stem."""
    file = header.image_path.replace("\\", "/").rpartition("/")[2]
    stems = [f"{header.image_name}{suffix}" for suffix in ("", *_IMAGE_SUFFIXES)] if header.image_name else []
    return [name for name in (file, *stems) if name.strip(".") and not {"/", "\\", "\0"} & set(name)]
