"""Small data folders, and a model that answers with what it is told, for tests of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from annotated import annotated_image
from napari_cerberus.annotation.annotated_image import ModelRun
from napari_cerberus.inference.annotate import Annotation
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import Progress
from napari_cerberus.tasks import EBHI_CLASSES, EBHI_TASKS
from napari_cerberus.training.data.tile_sources import LoadedTile, Tile
from tiny import tiny_model

SIDE = 32


def model(**changes) -> Model:
    """A tiny network with the starter's tasks."""
    return tiny_model(EBHI_TASKS, pixel_size_um=1.0, sha256="a" * 64, **changes)


def square(top: int, left: int, side: int, index: int = 1) -> NDArray[np.int32]:
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[top : top + side, left : left + side] = index
    return labels


def picture(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def ebhi_tree(root: Path, patients: Mapping[str, list[str]]) -> Path:
    """``patients``: category → patients; each patient has one tile with an 8 px gland."""
    seed = 0
    for category, members in patients.items():
        for patient in members:
            for part in ("image", "label"):
                (root / category / part).mkdir(parents=True, exist_ok=True)
            name = f"GT{patient}-1-400-001.png"
            Image.fromarray(picture(seed)).save(root / category / "image" / name)
            mask = (square(4, 4, 8) * 255).astype(np.uint8)
            Image.fromarray(mask).save(root / category / "label" / name)
            seed += 1
    return root


def instance_folder(root: Path, names: list[str]) -> Path:
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    for seed, name in enumerate(names):
        Image.fromarray(picture(seed)).save(root / "images" / f"{name}.png")
        Image.fromarray(square(2, 2, 9).astype(np.uint16)).save(root / "labels" / f"{name}.png")
    rows = [f"{name},{name.split('_')[0]}" for name in names]
    (root / "index.csv").write_text("\n".join(["id,patient", *rows]) + "\n", encoding="utf-8")
    return root


def tile(name: str, *, patient: str | None = None, stratum: str = "Polyp", labels=None, tmp_path: Path | None = None):
    """A record in memory; its image file, for hashes, holds its name."""
    image_path = (tmp_path or Path()) / f"{name}.bin"
    if tmp_path is not None:
        image_path.write_bytes(name.encode())
    drawn = {"glands": square(4, 4, 8)} if labels is None else labels
    return Tile(
        id=f"s/{stratum}/{name}",
        patient=f"s:{patient or name}",
        stratum=stratum,
        tasks=frozenset({"glands", "tissue"}),
        load=lambda: LoadedTile(image=picture(len(name)), labels=drawn, pixel_size=PixelSize.square(1.3)),
        image_path=image_path,
        tissue=EBHI_CLASSES.index(stratum),
    )


def annotation(labels: Mapping[str, NDArray[np.int32]], tissue: Mapping[str, float] | None = None) -> Annotation:
    run = ModelRun(model_name="told", model_sha256="a" * 64, device="cpu", precision="float32", seconds=0.5)
    runs = dict.fromkeys(labels, run)
    made: Annotation = annotated_image(labels, pixel_size_um=1.3, kind=Annotation, tissue=tissue or {}, runs=runs)
    return made


def always(answer: Annotation, asked: list | None = None):
    """A stand-in for ``annotate`` that gives ``answer`` and notes what it was asked."""

    def annotate(image, model, settings):
        if asked is not None:
            asked.append((image, settings))
        yield Progress("Told")
        return answer

    return annotate
