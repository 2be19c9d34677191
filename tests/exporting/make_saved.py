"""Annotations on disk for tests, as the dock and as the command line leave them, each with its image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from annotated import STARTER_RUN
from fake_jobs import annotation_of, he_like, square_labels
from napari_cerberus.annotation import object_table
from napari_cerberus.annotation.annotated_image import AnnotatedImage
from napari_cerberus.annotation.edits import grow
from napari_cerberus.annotation.frame import Frame, image_key
from napari_cerberus.annotation.journal import Journal
from napari_cerberus.annotation.store import save_annotation
from napari_cerberus.pixel_size import PixelSize


def write_image(path: Path, seed: int = 0, size: tuple[int, int] = (32, 32)) -> np.ndarray[Any, Any]:
    """A coloured picture; returns its pixels."""
    pixels = he_like(*size, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def save_corrected(
    folder: Path,
    image: Path,
    seed: int = 0,
    *,
    hint: str | None = None,
    region: tuple[int, int, int, int] = (0, 0, 32, 32),
    size: tuple[int, int] = (32, 32),
    factors: tuple[float, float] = (1.0, 1.0),
    tissue: dict[str, float] | None = None,
    worked: bool = True,
) -> AnnotatedImage:
    """A folder as the dock saves it: nuclei reviewed by Ada, and where ``worked`` a journal with an edit of Grace."""
    pixels = write_image(image, seed, size)
    labels = square_labels(region[2] - region[0], region[3] - region[1])
    labels = {task: labels[task] for task in ("nuclei", "glands")}
    rows = {task: object_table.new_rows(task, object_table.measure(plane, 0.5)) for task, plane in labels.items()}
    states = {"state": ["accepted", "rejected"], "changed_by": ["Ada", "Ada"], "class": ["plasma", ""]}
    rows["nuclei"] = rows["nuclei"].assign(**states)
    path = str(image) if hint is None else hint
    annotation = AnnotatedImage(
        frame=Frame(
            image_key=image_key(pixels),
            image_name=image.stem,
            image_height_px=size[0],
            image_width_px=size[1],
            region=region,
        ),
        pixel_size=PixelSize.square(0.5),
        labels=labels,
        model_labels=labels,
        objects=pd.concat(rows.values(), ignore_index=True),
        tissue=tissue or {},
        runs={"nuclei": STARTER_RUN},
        image_path=path,
        factors=factors,
    )
    journal = journal_of(annotation) if worked else None
    save_annotation(folder, annotation, by="Ada", journal=journal)
    return annotation


def journal_of(annotation: AnnotatedImage) -> Journal:
    """Two changes by Grace, 5 s apart."""
    times = iter([0.0, 10.0, 15.0])
    journal = Journal(annotation.frame, None, clock=lambda: next(times))
    empty = np.zeros_like(annotation.labels["glands"])
    empty[3:5, 3:5] = 1
    for _ in range(2):
        change = grow(empty, 1, 1)
        empty = change.applied(empty)
        journal.append(change, task="glands", tool="grow", by="Grace")
    return journal


def save_result(folder: Path, image: Path, seed: int = 0, **changes: Any) -> None:
    """A folder as ``napari-cerberus annotate`` writes it."""
    pixels = write_image(image, seed)
    known = {"frame": Frame.of_image(pixels, image.stem), "image_path": image.name}
    save_annotation(folder, annotation_of(square_labels(32, 32), **{**known, **changes}))


def sidecars(root: Path) -> list[dict[str, Any]]:
    """Of all pairs of a data set, in order of their paths."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(root.glob("*/sidecar/*.json"))]
