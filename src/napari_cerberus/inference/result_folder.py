"""An annotation on disk: label images, the object table and a summary, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from ..errors import OutputError
from ..tasks import INSTANCE_TASKS
from ..whole_folders import atomic_folder

if TYPE_CHECKING:
    from .annotate import Annotation

OBJECTS_FILE = "objects.csv"
SUMMARY_FILE = "summary.json"
OURS = (OBJECTS_FILE, SUMMARY_FILE, *(f"{task}.tif" for task in INSTANCE_TASKS))
"""What we write into such a folder; whatever else lies there stays."""

_PX_PER_CM = 10_000.0


def write_annotation(folder: Path, annotation: Annotation, *, about: Mapping[str, Any] | None = None) -> None:
    """Write ``<task>.tif`` for each instance task, ``objects.csv`` and ``summary.json`` into ``folder``.

    Labels are uint32 TIFF, zlib-compressed, on the image's grid, 0 = background, with the pixel size in their
    resolution tags. Those of an earlier result are replaced as a whole;
    other files in the folder stay. ``about`` holds further fields of the summary (the
    image's name, where the pixel size comes from), plain JSON types.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is full; nothing half-written is left.
    """
    try:
        with atomic_folder(folder, ours=OURS) as temporary:
            for task, labels in annotation.labels.items():
                write_labels(temporary / f"{task}.tif", labels, annotation.pixel_size_um)
            annotation.objects.to_csv(temporary / OBJECTS_FILE, index=False, float_format="%.6g")
            text = json.dumps({**summary(annotation), **(about or {})}, indent=2, ensure_ascii=False, allow_nan=False)
            (temporary / SUMMARY_FILE).write_text(text + "\n", encoding="utf-8")
    except (ValueError, TypeError) as error:
        raise OutputError(f"{folder} cannot be written: {error}") from error


def write_labels(path: Path, labels: NDArray[np.int32], pixel_size_um: float) -> None:
    """One label image as uint32 TIFF with its pixel size."""
    per_cm = _PX_PER_CM / pixel_size_um
    tifffile.imwrite(
        path,
        labels.astype(np.uint32),
        compression="zlib",
        photometric="minisblack",
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
        metadata={"axes": "YX"},
    )


def summary(annotation: Annotation) -> dict[str, Any]:
    """The content of ``summary.json``; plain JSON types."""
    return {
        "tissue": dict(annotation.tissue),
        "model": {"name": annotation.model_name, "sha256": annotation.model_sha256},
        "pixel_size_um": annotation.pixel_size_um,
        "model_pixel_size_um": annotation.model_pixel_size_um,
        "flips": annotation.flips,
        "device": annotation.device,
        "precision": annotation.precision,
        "device_reason": annotation.device_reason,
        "seconds": round(annotation.seconds, 3),
        "counts": annotation.counts,
        "notes": list(annotation.notes),
    }
