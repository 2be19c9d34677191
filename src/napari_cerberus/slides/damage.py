"""A damaged result of a slide is one sentence, whichever of its files it is."""

from __future__ import annotations

import tokenize
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..decode_errors import DECODE_ERRORS, reason_of
from ..errors import DataError

_DAMAGE = (
    *DECODE_ERRORS,
    zipfile.BadZipFile,
    tokenize.TokenError,  # NumPy parses headers as Python's literals
    SystemError,  # a decoder that was asked for fewer than no bytes
)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What NumPy, pyarrow or zarr raise on a file of a run becomes a ``DataError`` that names ``path``."""
    try:
        yield
    except _DAMAGE as error:
        raise DataError(f"{path} is missing or damaged; run the slide again ({reason_of(error)}).") from error
