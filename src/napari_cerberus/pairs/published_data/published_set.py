"""What every published set is: items with a patient each, and the words about its licence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...errors import DataError
from ..problems import Problem


@dataclass(frozen=True, kw_only=True)
class Content:
    """One annotated image.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
    labels : mapping of task to (H, W) int32 array
    classes : mapping of task to mapping of id to class name
        In this program's words; objects whose class has none are left out.
    """

    image: NDArray[np.uint8]
    labels: Mapping[str, NDArray[np.int32]]
    classes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One image of a set, not read yet.

    Attributes
    ----------
    name, patient : str
        ``patient`` is the group that must not be split; the image's own name where the set says nothing.
    patient_known : bool
    path : Path
        What a problem is told of.
    read : callable
        Raises ``DataError``.
    """

    name: str
    patient: str
    patient_known: bool
    path: Path
    read: Callable[[], Content] = field(repr=False, compare=False)


Found = tuple[list[Item], list[Problem]]


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A data set as its authors publish it.

    Attributes
    ----------
    key, title, cite, licence : str
    weights_may_be_shared : bool
        False where the licence forbids commercial use, derivatives or redistribution: weights stay on this computer.
    pixel_size_um : float or None
        None: the authors do not state it.
    task : str
        Whose objects the mask shows.
    find : callable
        Folder to items and problems, without reading pixels.
    """

    key: str
    title: str
    cite: str
    licence: str
    weights_may_be_shared: bool
    pixel_size_um: float | None
    task: str
    find: Callable[[Path], Found]


def no_partner(path: Path, wanted: str) -> Problem:
    """A file whose other half is not there."""
    return Problem(
        kind="no-partner",
        path=path,
        severity="skipped",
        what=f"{wanted} is missing.",
        advice="Unpack the published archive again, or remove this file.",
    )


def matched(images: Mapping[str, Path], labels: Mapping[str, Path]) -> tuple[list[str], list[Problem]]:
    """Names that both have, and a problem for every other."""
    both = sorted(images.keys() & labels.keys())
    problems = [no_partner(images[name], "its annotation") for name in sorted(images.keys() - labels.keys())]
    problems += [no_partner(labels[name], "its image") for name in sorted(labels.keys() - images.keys())]
    return both, problems


def files(folder: Path, *suffixes: str) -> dict[str, Path]:
    """Files of a folder by their name without suffix; none where there is no such folder."""
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in suffixes}


def folders_named(root: Path, name: str) -> list[Path]:
    """``root`` itself or folders below it, at most four deep, of this name, whatever its letters' case."""
    below = [folder for depth in range(1, 5) for folder in root.glob("/".join("*" * depth))]
    return sorted({one for one in [root, *below] if one.is_dir() and one.name.lower() == name.lower()})


def whole_numbers(plane: NDArray[np.generic], path: Path, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Instance ids as int32, checked. Raises ``DataError`` where they are colours, fractions or of another size."""
    if plane.ndim != 2:
        raise DataError(f"{path} holds colours (shape {plane.shape}), not one number for each object.")
    if plane.shape != shape[:2]:
        raise DataError(f"{path} is {plane.shape[1]} × {plane.shape[0]} px, its image {shape[1]} × {shape[0]}.")
    numbers = np.nan_to_num(plane.astype(np.float64), nan=-1.0)
    if plane.size and (numbers.min() < 0 or numbers.max() > np.iinfo(np.int32).max or (numbers % 1).any()):
        raise DataError(f"{path} holds values that are no ids of objects.")
    return numbers.astype(np.int32)


def numbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Ids 1..n; a map of two values, as masks are, becomes its connected parts."""
    values = np.unique(labels)
    if len(values) <= 2 and values.max(initial=0) in (1, 255):
        parts, _count = ndimage.label(labels > 0)
        return np.asarray(parts, np.int32)
    return labels


def named(lookup: Mapping[int, str], codes: Mapping[int, int], path: Path) -> dict[int, str]:
    """Class name of each object from its code; codes without a word of ours are left out.

    Raises
    ------
    DataError
        If a code is none of the set's.
    """
    if unknown := sorted({code for code in codes.values() if code not in lookup}):
        raise DataError(f"{path} has the unknown class {unknown[0]}; known are {sorted(lookup)}.")
    return {id_: lookup[code] for id_, code in codes.items() if lookup[code]}
