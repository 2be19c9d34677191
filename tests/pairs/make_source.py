"""An annotated image for export tests: violet disks on pink, nuclei inside, a table with classes and review states."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd

from annotated import STARTER_RUN, annotated_image, object_rows
from napari_cerberus.pairs.write.export_source import ExportSettings, ExportSource


def make_source(height: int = 64, width: int = 64, seed: int = 0, **changes: Any) -> ExportSource:
    """Disks of radius 9 every 24 px are glands, a 4 px square in each is a nucleus; ids are large and sparse."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    glands = np.zeros((height, width), np.int32)
    nuclei = np.zeros((height, width), np.int32)
    table = []
    for number, (y, x) in enumerate((y, x) for y in range(12, height, 24) for x in range(12, width, 24)):
        glands[(rows - y) ** 2 + (columns - x) ** 2 < 81] = 70_000 + number
        nuclei[y - 2 : y + 2, x - 2 : x + 2] = 5 + 7 * number
        state = ("accepted", "unreviewed", "rejected")[number % 3]
        table.append({"task": "glands", "index": 70_000 + number, "class": "gland", "confidence": 0.5, "review": state})
        table.append({"task": "nuclei", "index": 5 + 7 * number, "class": "epithelial", "class_probability": 0.9})
    image = np.where(glands[..., None] > 0, (120, 80, 170), (230, 150, 190)) + rng.integers(-9, 10, (height, width, 3))
    pixels = image.astype(np.uint8)
    known: dict[str, Any] = {
        "labels": {"glands": glands, "nuclei": nuclei},
        "cells": pd.DataFrame(table),
        "name": "slide Ä.png",
        "runs": {"glands": STARTER_RUN},
        "tissue": {"Normal": 0.75, "Polyp": 0.25},
    }
    own = {"annotator": "Dr. Müller", "effort": {"active_seconds": 12.5, "edits": 3.0}, "name": "slide Ä.png"}
    names = {one.name for one in fields(ExportSource) if one.init}
    own |= {name: value for name, value in changes.items() if name in names}
    known |= {name: value for name, value in changes.items() if name not in own}
    return ExportSource(image=own.pop("image", pixels), annotated=annotated_image(**known), **own)


def with_annotation(source: ExportSource, **changes: Any) -> ExportSource:
    """The same image with other labels, cells or other fields of its annotation; the table follows the labels."""
    old = source.annotated
    labels = changes.pop("labels", old.labels)
    cells = changes.pop("cells", old.objects)
    objects = object_rows(labels, old.pixel_size_um, cells)
    return replace(source, annotated=replace(old, labels=labels, objects=objects, model_labels={}, **changes))


def make_settings(**changes: Any) -> ExportSettings:
    """Tiles of 32 px for patient 17, category Polyp, glands checked; ids as they are, so that names can be told."""
    usual = {"patient_id": "17", "keep_patient_id": True, "category": "Polyp", "tile_px": 32, "checked": ("glands",)}
    return ExportSettings(**(usual | changes))
