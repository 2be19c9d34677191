"""Run lengths of masks as COCO has them: column by column, beginning with background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..pairs.label_arrays import Box


def encode_runs(labels: NDArray[np.integer], id_: int, box: Box) -> list[int]:
    """Run lengths of one object in column order, beginning with background; the whole image long."""
    height, width = labels.shape
    rows, columns = np.nonzero(labels[box] == id_)
    order = np.lexsort((rows, columns))
    flat = (columns[order] + box[1].start) * height + rows[order] + box[0].start
    breaks = np.flatnonzero(np.diff(flat) > 1)
    starts = flat[np.concatenate([[0], breaks + 1])]
    stops = flat[np.concatenate([breaks, [len(flat) - 1]])] + 1
    edges = np.concatenate([[0], np.stack([starts, stops], axis=1).ravel(), [height * width]])
    lengths = [int(length) for length in np.diff(edges)]
    return lengths if lengths[-1] else lengths[:-1]


def decode_runs(counts: Sequence[int], shape: tuple[int, int]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Rows and columns of a mask's pixels from run lengths.

    Raises
    ------
    ValueError
        If the lengths are no whole numbers or do not fill the image.
    """
    if not all(type(count) is int and 0 <= count <= shape[0] * shape[1] for count in counts):
        raise ValueError("run lengths must be whole numbers of 0 or more")
    lengths = np.asarray(counts, dtype=np.int64)
    if int(lengths.sum()) != shape[0] * shape[1]:
        raise ValueError("run lengths do not fill the image")
    starts = np.concatenate([[0], np.cumsum(lengths)])[1:-1:2]
    inside = lengths[1::2]
    within = np.arange(inside.sum()) - np.repeat(np.cumsum(inside) - inside, inside)
    columns, rows = np.divmod(np.repeat(starts, inside) + within, shape[0])
    return rows, columns


def decompress_runs(text: str) -> list[int]:
    """Run lengths from COCO's compressed text.

    Five bits a character (plus a bit that says "more follows"), lowest first, signed; from the third run on the
    difference to the run before the last.

    Raises
    ------
    ValueError
        If the text ends within a number or holds other characters.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("damaged run lengths")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("damaged run lengths")
    return counts
