"""Several annotated parts of one image, as of a slide, in one folder: each part a saved annotation of its own in it.

::

    <slide>.cerberus/
      4096-8192-5120-9216/        the part's top, left, bottom and right: annotation.json, nuclei.tif, journal.jsonl ...
      0-0-2048-1024-4x/           of a coarser level: in its pixels, and how much coarser it is
"""

from __future__ import annotations

from pathlib import Path

from ..errors import OutputError
from ..whole_folders import settle_all
from .frame import Frame
from .store import SUFFIX, is_annotation
from .stored.folder_schema import read_about

Factors = tuple[float, float]


def is_part(frame: Frame, factors: Factors) -> bool:
    """Whether it is a part of its image, or a coarser level of it, rather than all of its pixels."""
    return frame.shape != (frame.image_height_px, frame.image_width_px) or tuple(factors) != (1.0, 1.0)


def region_name(frame: Frame, factors: Factors) -> str:
    """What the folder of a part is called."""
    level = "" if tuple(factors) == (1.0, 1.0) else f"-{factors[0]:g}x"
    return "-".join(map(str, frame.region)) + level


def place_in(folder: Path, frame: Frame, factors: Factors) -> Path:
    """Where an annotation goes: a whole image into the folder itself, a part into one of its own in it.

    Raises
    ------
    OutputError
        If it is a part, and the folder holds a whole image, parts of another image, or something else.
    """
    if not is_part(frame, factors):
        return folder
    if is_annotation(folder):
        raise OutputError(f"{folder} is the annotation of a whole image; save its parts under another name.")
    parts = regions_in(folder)
    if not parts and folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(f"{folder} exists and holds no saved annotation; choose another name.")
    if parts and (about := read_about(parts[0])).frame.image_key != frame.image_key:
        raise OutputError(f"{folder} is of another image, “{about.frame.image_name}”; choose another name.")
    return folder / region_name(frame, factors)


def regions_in(folder: Path) -> tuple[Path, ...]:
    """The saved annotations that lie in a folder, from the top of the image to its bottom."""
    if not folder.is_dir():
        return ()
    settle_all(folder)
    below = (one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    return tuple(sorted((one for one in below if is_annotation(one)), key=_order))


def region_of(folder: Path, frame: Frame, factors: Factors) -> Path:
    """The folder of one part where the folder holds parts; else the folder itself."""
    part = folder / region_name(frame, factors)
    return part if is_annotation(part) else folder


def common_folder(folder: Path) -> Path:
    """The folder that an annotation is saved in again: of a part the one around it."""
    return folder.parent if folder.parent.suffix == SUFFIX else folder


def _order(folder: Path) -> tuple[list[int], str]:
    numbers = [int(word) for word in folder.name.split("-")[:4] if word.isdecimal()]
    return numbers, folder.name
