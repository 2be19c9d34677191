"""Reading drawn tiles back: folders of ``write_tile.write_tile``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from ..decode_errors import DECODE_ERRORS, hollow, reason_of
from ..errors import DataError
from ..strict_json import read_object
from ..tasks import INSTANCE_TASKS
from .tile_settings import TRUTH_FILE, SyntheticTile

_MAX_BYTES = 16 << 20


def index_painted(root: Path) -> list[Path]:
    """Folders of drawn tiles below ``root``, sorted. Raises ``DataError`` where there is none."""
    found = sorted(path.parent for path in root.glob(f"*/{TRUTH_FILE}"))
    if not found:
        raise DataError(
            f"{root} holds no drawn tile. Draw some: python -m napari_cerberus.synthetic {root} --count 100 --varied"
        )
    return found


def read_painted(folder: Path) -> SyntheticTile:
    """Picture and labels of one drawn tile.

    Raises
    ------
    DataError
        If a file of it is missing or damaged.
    """
    try:
        truth = read_object(folder / TRUTH_FILE, max_bytes=_MAX_BYTES)
        with Image.open(folder / "image.png", formats=("PNG",)) as picture:
            image = np.asarray(picture.convert("RGB"))
        labels = {key: _labels(folder / f"{key}.tif") for key in INSTANCE_TASKS}
        classes = {int(id_): str(name) for id_, name in truth["nucleus_classes"].items()}
        size_um = float(truth["settings"]["pixel_size_um"])
    except (*DECODE_ERRORS, tifffile.TiffFileError, Image.DecompressionBombError) as error:
        raise DataError(f"{folder} is no drawn tile, or it is damaged: {reason_of(error)}. Draw it again.") from error
    return SyntheticTile(image=image, labels=labels, nucleus_classes=classes, pixel_size_um=size_um)


def _labels(path: Path) -> NDArray[np.int32]:
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        if reason := hollow(path, int(np.prod(page.shape, dtype=np.int64)) * np.dtype(page.dtype).itemsize):
            raise ValueError(reason)
        return np.asarray(page.asarray(), dtype=np.int32)
