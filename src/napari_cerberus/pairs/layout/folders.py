"""Listing image files of a folder by name, and what to say of files without a partner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import DataError
from ..problems import Problem
from .tile_pixels import IMAGE_SUFFIXES


def files_by_stem(folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """Image files of a folder by name without suffix.

    Hidden files are passed over. Where several files have one name the preferred suffix wins (``IMAGE_SUFFIXES``) and
    the others are problems.

    Raises
    ------
    OSError
        If the folder cannot be listed; see ``listing``.
    """
    found: dict[str, Path] = {}
    doubled: list[Problem] = []
    for path in sorted(_image_files(folder), key=_by_preference):
        if path.stem in found:
            doubled.append(_doubled(path, found[path.stem]))
        else:
            found[path.stem] = path
    return found, doubled


@contextmanager
def listing(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into one sentence about ``folder``. Raises ``DataError``."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror or error}.") from error


def missing_label(image: Path) -> Problem:
    """An image whose label is not there."""
    return Problem(
        kind="no-label",
        path=image,
        severity="skipped",
        what="This image has no label of the same name.",
        advice="Add its mask to the label folder, or remove the image.",
    )


def missing_image(label: Path) -> Problem:
    """A label whose image is not there."""
    return Problem(
        kind="no-image",
        path=label,
        severity="skipped",
        what="This label has no image of the same name.",
        advice="Add its tile to the image folder, or remove the label.",
    )


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]


def _by_preference(path: Path) -> tuple[str, int, str]:
    return path.stem, IMAGE_SUFFIXES.index(path.suffix.lower()), path.name


def _doubled(path: Path, used: Path) -> Problem:
    return Problem(
        kind="doubled-name",
        path=path,
        severity="skipped",
        what=f"Another file has the same name, and {used.name} is used.",
        advice="Remove or rename one of the two.",
    )
