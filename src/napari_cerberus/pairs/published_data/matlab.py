"""MATLAB files of both kinds: version 5 (scipy) and version 7.3, which is HDF5 (h5py)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...decode_errors import reason_of
from ...errors import DataError

_MAX_NUMBERS = 400_000_000
_DAMAGED = (OSError, ValueError, TypeError, KeyError, IndexError, struct.error, zlib.error, EOFError, MemoryError)


def read_mat(path: Path, wanted: Collection[str]) -> dict[str, NDArray[np.generic]]:
    """Arrays of a MATLAB file, in MATLAB's own order of axes.

    Raises
    ------
    DataError
        If the file is damaged or lacks one of ``wanted``.
    """
    import h5py

    try:
        found = _version_73(path, wanted) if h5py.is_hdf5(path) else _version_5(path, wanted)
    except _DAMAGED as error:
        raise DataError(f"{path} is no readable MATLAB file: {reason_of(error)}.") from error
    if missing := sorted(set(wanted) - set(found)):
        raise DataError(f"{path} has no variable {missing[0]!r}; it is not of this set, or of another version of it.")
    return found


def _version_5(path: Path, wanted: Collection[str]) -> dict[str, NDArray[np.generic]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, variable_names=list(wanted))
    except (MatReadError, NotImplementedError) as error:
        raise ValueError(str(error)) from error
    return {name: np.asarray(content[name]) for name in wanted if name in content}


def _version_73(path: Path, wanted: Collection[str]) -> dict[str, NDArray[np.generic]]:
    import h5py

    with h5py.File(path, "r") as stored:
        sets = {name: stored[name] for name in wanted if isinstance(stored.get(name), h5py.Dataset)}
        if any(one.size > _MAX_NUMBERS for one in sets.values()):
            raise ValueError("an array is too large")
        return {name: np.asarray(one).T for name, one in sets.items()}
