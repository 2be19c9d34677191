"""Outlines in the XML of Aperio's ImageScope, as MoNuSeg and Kumar publish them, drawn as instance labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

from ...decode_errors import reason_of
from ...errors import DataError

_MAX_BYTES = 200 << 20
_FEWEST_CORNERS = 3


def read_outlines(path: Path, shape: tuple[int, int]) -> NDArray[np.int32]:
    """(H, W) int32 labels, an id for each region; of two that overlap the later one lies above.

    A region is closed from its last corner to its first.

    Raises
    ------
    DataError
        If the file is no such XML, asks for anything outside itself, or a region has fewer than three corners.
    """
    labels = np.zeros(shape, np.int32)
    for id_, corners in enumerate(_regions(path), start=1):
        if len(corners) < _FEWEST_CORNERS:
            raise DataError(f"{path}: region {id_} has {len(corners)} corners, so it encloses nothing; mend the file.")
        rows, columns = polygon(corners[:, 1], corners[:, 0], shape)
        labels[rows, columns] = id_
    return labels


def _regions(path: Path) -> Iterator[NDArray[np.float64]]:
    root = _root(path)
    if root.tag != "Annotations":
        raise DataError(f"{path} is no ImageScope annotation: its root is {str(root.tag)[:40]!r}, not 'Annotations'.")
    for region in root.iter("Region"):
        corners = [_corner(vertex, path) for vertex in region.iter("Vertex")]
        if corners:
            yield np.array(corners)


def _root(path: Path) -> Any:
    from xml.etree.ElementTree import ParseError

    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path} is too large to be an annotation.")
        return ElementTree.parse(path).getroot()
    except (ParseError, DefusedXmlException, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as XML: {reason_of(error)}.") from error


def _corner(vertex: Any, path: Path) -> tuple[float, float]:
    try:
        x, y = float(vertex.get("X")), float(vertex.get("Y"))
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: a corner has no numbers X and Y.") from error
    if not (math.isfinite(x) and math.isfinite(y)):
        raise DataError(f"{path}: a corner lies nowhere ({x}, {y}).")
    return x, y
