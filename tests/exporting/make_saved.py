"""Annotations on disk for tests, as the dock and as the command line leave them, each with its image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from fake_jobs import annotation_of, he_like, square_labels
from napari_cerberus.annotation import object_table
from napari_cerberus.annotation.edits import grow
from napari_cerberus.annotation.frame import Frame, image_key
from napari_cerberus.annotation.journal import Journal
from napari_cerberus.annotation.store import ModelUsed, SavedAnnotation, save_annotation
from napari_cerberus.inference.result_folder import write_annotation
from napari_cerberus.pairs.layout.tile_pixels import pixels_sha256


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
    record: dict[str, Any] | None = None,
    tissue: dict[str, float] | None = None,
    worked: bool = True,
) -> SavedAnnotation:
    """A folder as the dock saves it: nuclei reviewed by Ada, and where ``worked`` a journal with an edit of Grace."""
    pixels = write_image(image, seed, size)
    labels = square_labels(region[2] - region[0], region[3] - region[1])
    labels = {task: labels[task] for task in ("nuclei", "glands")}
    rows = {task: object_table.new_rows(task, object_table.measure(plane, 0.5)) for task, plane in labels.items()}
    states = {"state": ["accepted", "rejected"], "changed_by": ["Ada", "Ada"], "class": ["plasma", ""]}
    rows["nuclei"] = rows["nuclei"].assign(**states)
    path = str(image) if hint is None else hint
    annotation = SavedAnnotation(
        frame=Frame(
            image_key=image_key(pixels),
            image_name=image.stem,
            image_height_px=size[0],
            image_width_px=size[1],
            region=region,
        ),
        pixel_size_um=0.5,
        labels=labels,
        model_labels=labels,
        objects=pd.concat(rows.values(), ignore_index=True),
        tissue=tissue or {},
        models={"nuclei": ModelUsed(name="starter", sha256="ab" * 32)},
        image_path=path,
        more={"layers": {"nuclei": {"factors": [1.0, 1.0], **(record or {})}}},
    )
    journal = journal_of(annotation) if worked else None
    save_annotation(folder, annotation, by="Ada", journal=journal)
    return annotation


def journal_of(annotation: SavedAnnotation) -> Journal:
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


def save_result(folder: Path, image: Path, seed: int = 0, **about: Any) -> None:
    """A folder as ``napari-cerberus annotate`` writes it."""
    pixels = write_image(image, seed)
    facts = {"image": image.name, "image_sha256": pixels_sha256(pixels), **about}
    write_annotation(folder, annotation_of(square_labels(32, 32)), about=facts)


def sidecars(root: Path) -> list[dict[str, Any]]:
    """Of all pairs of a data set, in order of their paths."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(root.glob("*/sidecar/*.json"))]
