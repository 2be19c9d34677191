"""A drawn tile on disk: ``image.png``, ``nuclei.tif``, ``glands.tif``, ``lumina.tif`` and ``truth.json``."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..annotation.stored.label_tiff import write_label_image
from ..pixel_size import PixelSize
from ..whole_folders import atomic_folder
from .tile_settings import TRUTH_FILE, SyntheticTile, TileSettings

_UM_PER_INCH = 25_400.0


def truth_of(tile: SyntheticTile, settings: TileSettings) -> dict[str, Any]:
    """The content of ``truth.json``: how to draw the tile again, counts, classes, SHA-256 of the labels."""
    return {
        "about": "A drawing, not tissue. Labels are exact; a gland includes its lumen.",
        "command": "python -m napari_cerberus.synthetic FOLDER"
        f" --height-px {settings.height_px} --width-px {settings.width_px}"
        f" --pixel-size-um {settings.pixel_size_um} --seed {settings.seed}{' --varied' if settings.varied else ''}",
        "settings": {name: value for name, value in asdict(settings).items() if name != "varied" or value},
        "counts": {key: int(labels.max()) for key, labels in tile.labels.items()},
        "nucleus_class_counts": dict(sorted(Counter(tile.nucleus_classes.values()).items())),
        "nucleus_classes": {str(label): name for label, name in tile.nucleus_classes.items()},
        "label_sha256": {key: labels_sha256(labels) for key, labels in tile.labels.items()},
    }


def labels_sha256(labels: NDArray[np.integer]) -> str:
    """SHA-256, in hex, of labels as little-endian int32 in row order."""
    return hashlib.sha256(labels.astype("<i4").tobytes()).hexdigest()


def write_tile(folder: Path, tile: SyntheticTile, settings: TileSettings) -> None:
    """Write ``tile`` to ``folder``, whole or not at all.

    Labels are uint16 TIFF (uint32 where there are more objects), zlib. They and the PNG carry the pixel size as
    their resolution.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    per_inch = _UM_PER_INCH / tile.pixel_size_um
    with atomic_folder(folder, ours=("image.png", "truth.json", *(f"{key}.tif" for key in tile.labels))) as temporary:
        Image.fromarray(tile.image).save(temporary / "image.png", optimize=True, dpi=(per_inch, per_inch))
        for key, labels in tile.labels.items():
            kind = np.uint16 if labels.max() < 1 << 16 else np.uint32
            write_label_image(temporary / f"{key}.tif", labels.astype(kind), PixelSize.square(tile.pixel_size_um))
        truth = json.dumps(truth_of(tile, settings), indent=1) + "\n"
        (temporary / TRUTH_FILE).write_text(truth, encoding="utf-8")
