"""Reading drawn tiles back: folders of ``write.write_tile``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from ..errors import DataError
from ..tasks import INSTANCE_TASKS
from .tile_settings import SyntheticTile
from .write_tile import TRUTH_FILE


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
        truth = json.loads((folder / TRUTH_FILE).read_text(encoding="utf-8"))
        with Image.open(folder / "image.png", formats=("PNG",)) as picture:
            image = np.asarray(picture.convert("RGB"))
        labels = {key: tifffile.imread(folder / f"{key}.tif").astype(np.int32) for key in INSTANCE_TASKS}
        classes = {int(id_): str(name) for id_, name in truth["nucleus_classes"].items()}
        size_um = float(truth["settings"]["pixel_size_um"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{folder} is no drawn tile, or it is damaged: {error}. Draw it again.") from error
    return SyntheticTile(image=image, labels=labels, nucleus_classes=classes, pixel_size_um=size_um)
