"""TIFF files opened with suspicion: pages that lead back to one another would be followed for ever."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tifffile

_MOST_TAGS = 4096
"""What tifffile takes for a list of tags; at a longer one it ends too."""


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file whose pages are a chain with an end.

    Raises
    ------
    ValueError
        If its pages form a circle.
    OSError, tifffile.TiffFileError
        If it cannot be opened, or is no TIFF file.
    """
    with tifffile.TiffFile(path) as file:
        refuse_circle(file)
        yield file


def refuse_circle(file: tifffile.TiffFile) -> None:
    """Raises ``ValueError`` where the pages form a circle: tifffile would never end, and take all memory."""
    seen: set[int] = set()
    offset = file.pages.first.offset
    while 0 < offset < file.filehandle.size:
        if offset in seen:
            raise ValueError("its pages form a circle")
        seen.add(offset)
        offset = _next_page(file, offset)


def _next_page(file: tifffile.TiffFile, offset: int) -> int:
    """Where the page after the one at ``offset`` lies; 0 where there is none, or the file is cut short."""
    stream, form = file.filehandle, file.tiff
    try:
        stream.seek(offset)
        tags = int(struct.unpack(form.tagnoformat, stream.read(form.tagnosize))[0])
        if tags > _MOST_TAGS:
            return 0
        stream.seek(offset + form.tagnosize + tags * form.tagsize)
        return int(struct.unpack(form.offsetformat, stream.read(form.offsetsize))[0])
    except struct.error:
        return 0
