"""One tile looked at: its files decoded once, with everything the checks need of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..layout.ebhi import PairRecord
from ..layout.instances import InstanceRecord, TileRecord
from ..layout.tile_pixels import GreyImageError, read_grey, read_labels, read_rgb
from ..problems import Problem
from .image_print import ImagePrint, image_print
from .same_field import FieldPrint, field_print
from .sidecar_checks import check_sidecar
from .tile_checks import check_instances, check_mask, check_same_size, check_transparency, has_soft_edges


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen of one tile.

    Attributes
    ----------
    problems : list of Problem
    shape : (height, width) of the image, or None if it could not be read
    image_print : ImagePrint or None
        None if the image could not be read.
    field_print : FieldPrint or None
        The same.
    soft_edges : bool
        Whether its mask holds grey values.
    checked : bool or None
        Whether a person said of any task that its outlines are right; None without a sidecar.
    """

    problems: list[Problem]
    shape: tuple[int, int] | None = None
    image_print: ImagePrint | None = None
    field_print: FieldPrint | None = None
    soft_edges: bool = False
    checked: bool | None = None

    @property
    def usable(self) -> bool:
        """Whether the tile can be learned from."""
        return self.image_print is not None and all(found.severity == "note" for found in self.problems)


def look_at_pair(record: PairRecord) -> Look:
    """Decode an image and its mask."""
    image, problem = _decoded(read_rgb, record.image_path)
    grey, label_problem = _decoded(read_grey, record.label_path)
    if image is None or grey is None:
        return Look(problems=[found for found in (problem, label_problem) if found is not None])
    found = [*check_transparency(record.image_path), *check_same_size(record.label_path, image, grey)]
    sidecar, sidecar_problems = check_sidecar(record, grey)
    found += sidecar_problems
    if image.shape[:2] == grey.shape:
        negative = sidecar is not None and not any(one.in_mask for one in sidecar.objects)
        found += check_mask(record.label_path, image, grey, may_be_empty=negative)
    look = _look(image, found, soft_edges=has_soft_edges(grey))
    return look if sidecar is None else replace(look, checked=bool(sidecar.checked))


def look_at_instances(record: InstanceRecord) -> Look:
    """Decode an image and its instance labels."""
    image, problem = _decoded(read_rgb, record.image_path)
    labels, label_problem = _decoded(read_labels, record.label_path)
    if image is None or labels is None:
        return Look(problems=[found for found in (problem, label_problem) if found is not None])
    found = [*check_transparency(record.image_path), *check_same_size(record.label_path, image, labels)]
    return _look(image, [*found, *check_instances(record.label_path, labels)])


def look_at_tile(record: TileRecord) -> Look:
    """Decode a tile without a mask."""
    image, problem = _decoded(read_rgb, record.image_path)
    if image is None:
        return Look(problems=[problem] if problem else [])
    return _look(image, list(check_transparency(record.image_path)))


def _look(image: NDArray[np.uint8], problems: list[Problem], *, soft_edges: bool = False) -> Look:
    height, width = image.shape[:2]
    return Look(
        problems=problems,
        shape=(height, width),
        image_print=image_print(image),
        field_print=field_print(image),
        soft_edges=soft_edges,
    )


def _decoded(read: Callable[[Path], NDArray[Any]], path: Path) -> tuple[NDArray[Any], None] | tuple[None, Problem]:
    try:
        return read(path), None
    except GreyImageError:
        return None, Problem(
            kind="grey-image",
            path=path,
            severity="skipped",
            what="The image is grey, but an H&E tile needs colours.",
            advice="Export it again in colour, or remove it.",
        )
    except DataError as error:
        return None, Problem(
            kind="unreadable",
            path=path,
            severity="skipped",
            what=str(error).removeprefix(str(path)).strip().capitalize(),
            advice="Copy or export the file again, or remove it.",
        )
