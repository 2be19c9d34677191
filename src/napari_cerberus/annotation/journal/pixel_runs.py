"""Changed pixels as compressed runs, and back."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from ...decode_errors import reason_of
from ...errors import DataError
from ..edits import ChangeSet
from ..label_maps import IntArray, Labels

TOP_ID = int(np.iinfo(np.int32).max)

_RUN_BYTES = 4 * 8
"""Start, length, old and new id of a run, as little-endian int64: they compress well, so nothing is gained by less."""


def pack(change: ChangeSet, shape: tuple[int, int]) -> bytes:
    """The changed pixels of a change set: runs of pixels in reading order with one old and one new id, compressed.

    Raises
    ------
    DataError
        If an id does not fit into 31 bits.
    """
    rows, cols = change.indices
    if not rows.size:
        return b""
    if min(change.previous.min(), change.values.min()) < 0 or max(change.previous.max(), change.values.max()) > TOP_ID:
        raise DataError(f"The layer holds numbers that cannot be object ids; they must lie in 0..{TOP_ID}.")
    flat = rows * shape[1] + cols
    order = np.argsort(flat, kind="stable")
    flat, old, new = flat[order], change.previous[order], change.values[order]
    begins = np.flatnonzero(
        np.concatenate([[True], (np.diff(flat) != 1) | (old[1:] != old[:-1]) | (new[1:] != new[:-1])])
    )
    lengths = np.diff(np.append(begins, flat.size))
    runs = np.stack([flat[begins], lengths, old[begins], new[begins]]).astype("<i8")
    return zlib.compress(runs.tobytes(), level=1)


def unpack(packed: bytes, labels: Labels) -> tuple[IntArray, IntArray]:
    """Positions in the flattened map, and the ids to write there.

    Raises
    ------
    DataError
        If the bytes are damaged, lie outside the map, or the pixels there are not what the record found.
    """
    if not packed:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    starts, lengths, old, new = _runs(packed, labels)
    flat = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(int(lengths.sum()))
    if not np.array_equal(labels.reshape(-1)[flat], np.repeat(old, lengths)):
        raise DataError("a record does not fit the labels before it")
    return flat, np.repeat(new, lengths)


def _runs(packed: bytes, labels: Labels) -> NDArray[np.int64]:
    """Checked runs, (4, n). Unpacking stops where it exceeds one run a pixel, so a small file cannot fill memory."""
    limit = labels.size * _RUN_BYTES
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, limit + 1)
    except zlib.error as error:
        raise DataError(f"a record cannot be unpacked ({reason_of(error)})") from error
    if len(data) > limit or len(data) % _RUN_BYTES or not unpacker.eof:
        raise DataError("a record holds more than the image")
    runs: IntArray = np.frombuffer(data, dtype="<i8").astype(np.int64).reshape(4, -1)
    starts, lengths, old, new = runs
    in_order = (starts[1:] >= starts[:-1] + lengths[:-1]).all() if starts.size else False
    if not in_order or starts[0] < 0 or (lengths < 1).any() or (lengths > labels.size).any():
        raise DataError("a record holds pixels out of order")
    if starts[-1] + lengths[-1] > labels.size or min(old.min(), new.min()) < 0 or new.max() > TOP_ID:
        raise DataError("a record holds pixels or ids out of range")
    return runs
