"""Which library opens which slide."""

from __future__ import annotations

from pathlib import Path

from ...decode_errors import DECODE_ERRORS, reason_of
from ...errors import ImageError
from .slide import Slide

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_slide(path: Path | str) -> Slide:
    """Open a slide lazily.

    Parameters
    ----------
    path : Path or str
        SVS, NDPI, SCN, BIF, pyramidal TIFF, OME-TIFF, OME-Zarr (0.4 and 0.5), MRXS, or a DICOM file or folder.

    Raises
    ------
    ImageError
        It is missing, damaged, no slide, no RGB picture, or needs an extra that is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise ImageError(f"{path} does not exist.")
    try:
        return _opened(path)
    except PermissionError as error:
        raise ImageError(f"{path} cannot be opened: {error.strerror}.") from error
    except DECODE_ERRORS as error:
        raise ImageError(f"{path.name} is damaged or cut short and cannot be opened ({reason_of(error)}).") from error


def looks_like_slide(path: Path) -> bool:
    """False for ordinary pictures and other folders, which are left to others; a damaged slide looks like one."""
    from . import omezarr, tiff

    suffix = path.suffix.lower()
    if path.is_dir():
        return omezarr.is_image(path) or any(path.glob("*.dcm"))
    if suffix in (".tif", ".tiff"):
        return tiff.is_slide(path)
    return suffix in (".svs", ".ndpi", ".scn", ".bif", ".mrxs", ".dcm")


def _opened(path: Path) -> Slide:
    from . import dicom, omezarr, openslides, tiff

    if path.is_dir():
        if omezarr.is_zarr(path):
            return omezarr.open_zarr(path)
        if any(path.glob("*.dcm")):
            return dicom.open_dicom(path)
        raise ImageError(f"{path} is a folder without a slide in it (no OME-Zarr, no DICOM files).")
    suffix = path.suffix.lower()
    if suffix in (".mrxs", ".bif"):  # tifffile does not stitch the overlapping tiles of a BIF
        return openslides.open_with_openslide(path)
    start = _start_of(path)
    if suffix == ".dcm" or start[128:132] == b"DICM":
        return dicom.open_dicom(path)
    if start[:4] in _TIFF_STARTS:
        return tiff.open_tiff(path)
    raise ImageError(
        f"{path.name} is no slide that can be read, or is damaged; use SVS, NDPI, SCN, BIF, MRXS, TIFF, OME-TIFF, "
        "OME-Zarr or DICOM."
    )


def _start_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(132)
