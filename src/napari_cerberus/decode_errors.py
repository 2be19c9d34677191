"""What libraries raise where a picture file is damaged: they do not agree on it, and nobody lists it."""

from __future__ import annotations

import struct
import zlib

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


def reason_of(error: BaseException) -> str:
    """The first line of what a library says, short enough for a sentence; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].strip()[:200]
