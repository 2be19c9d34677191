"""What libraries raise where a picture file is damaged: they do not agree on it, and nobody lists it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

DECODE_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,  # tifffile, on tags that contradict each other
    ArithmeticError,
    EOFError,
    MemoryError,  # sizes that are made up
    RuntimeError,  # imagecodecs
    SyntaxError,  # Pillow on broken PNG chunks, and broken XML
    struct.error,
    zlib.error,  # tifffile without imagecodecs
)
"""Of Pillow, tifffile and their decoders; each of the two has one error more of its own."""

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
"""What Pillow may take a file for. By itself it goes by content, and PostScript starts Ghostscript."""


_MOST_TIMES = 1100
"""Deflate packs at most 1,032 to 1; what claims more leaves its pixels out, as sparse TIFFs do."""
_LARGE_BYTES = 256 * 2**20


def hollow(path: Path, unpacked_bytes: int) -> str:
    """Why a picture must not be unpacked, as part of a sentence: it is huge, and next to nothing of it is in the file.

    Parameters
    ----------
    path : Path
    unpacked_bytes : int
        What its header announces.

    Returns
    -------
    str
        Empty where there is no reason.

    Raises
    ------
    OSError
        If the file is gone.
    """
    size = path.stat().st_size
    if unpacked_bytes <= max(_LARGE_BYTES, _MOST_TIMES * size):
        return ""
    return f"it would unpack {size / 1000:,.0f} kB to {unpacked_bytes / 2**30:.1f} GB, which no real picture does"


def reason_of(error: BaseException) -> str:
    """The first line of what a library says, short enough for a sentence; its type where it says nothing."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0].strip()[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in line)
