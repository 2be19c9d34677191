"""A folder that our export wrote is what ``train`` reads, alone and merged into a published tree, with no step between.

The commands are those of a terminal: ``export``, ``pairs check``, ``pairs split``, ``train``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fake_jobs import annotation_of
from napari_cerberus.annotation.frame import Frame
from napari_cerberus.annotation.store import save_annotation
from napari_cerberus.cli.main import main
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.data.tile_sources import collect
from napari_cerberus.training.engine.training_run import by_subset, make_split

CATEGORIES = ("Normal", "Polyp")
CLEAN = "0 problems that stop, 0 skipped, 1 note."
SIDE = 40
CONFIG = """
name = "tiny"
seed = 1
tasks = ["glands", "lumina", "tissue"]
tissue_classes = ["Normal", "Polyp"]
pixel_size_um = 1.0
steps = 1
validate_every = 1
precision = "fp32"
device = "cpu"
split_file = "split.json"
[[source]]
name = "ebhi"
kind = "ebhi"
path = "pairs"
pixel_size_um = 1.0
tasks = ["glands", "lumina", "tissue"]
[[batch]]
tasks = ["glands", "lumina", "tissue"]
size = 2
crop_px = 32
"""


def tissue_like(seed: int) -> tuple[np.ndarray[Any, Any], dict[str, np.ndarray[Any, Any]]]:
    """A pink picture with a violet gland and two nuclei, unlike any other seed's; and their labels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    y, x = rng.uniform(13, SIDE - 13, 2)
    glands = ((rows - y) ** 2 + (columns - x) ** 2 < rng.uniform(7, 11) ** 2).astype(np.int32)
    nuclei = np.zeros((SIDE, SIDE), np.int32)
    nuclei[2:5, 2:5], nuclei[-5:-2, -5:-2] = 1, 2
    lumina = ((rows - y) ** 2 + (columns - x) ** 2 < 9).astype(np.int32)
    spots = rng.integers(-40, 40, (SIDE // 8, SIDE // 8, 3)).repeat(8, 0).repeat(8, 1)
    image = np.where(glands[..., None] > 0, (120, 80, 170), (220, 150, 190)) + spots
    labels = {"nuclei": nuclei, "glands": glands, "lumina": lumina}
    return image.clip(0, 255).astype(np.uint8), labels


def publish(root: Path, category: str, name: str, seed: int) -> None:
    """A pair as EBHI-SEG has it: no sidecar, soft edges in the mask."""
    image, labels = tissue_like(seed)
    mask = np.where(labels["glands"] > 0, 255, 0).astype(np.uint8)
    mask[0, :3] = (40, 90, 120)
    for part, pixels in (("image", image), ("label", mask)):
        (root / category / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / category / part / f"{name}.png")


def export(folder: Path, root: Path, count: int) -> None:
    """Annotated images of ``count`` patients, half in each category, exported from the terminal."""
    lines = ["image,patient,category,block"]
    for number in range(count):
        image, labels = tissue_like(100 + number)
        name = f"Präparat {number}.png"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "images" / name)
        frame = Frame.of_image(image, Path(name).stem)
        save_annotation(folder / "work" / str(number), annotation_of(labels, 1.0, frame=frame, image_path=name))
        lines.append(f"{name},S23-{number:04d},{CATEGORIES[number % 2]},1")
    (folder / "index.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["--saved", folder / "work", "--images-in", folder / "images", "--index", folder / "index.csv"]
    assert main(["export", *map(str, [*words, "--to", root, "--tile-px", SIDE, "--min-tissue", 0])]) == 0


def checked(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Lines of ``pairs check``; nothing that stops, nothing skipped."""
    capsys.readouterr()
    assert main(["pairs", "check", str(root)]) == 0
    return capsys.readouterr().out.splitlines()


def sidecar_of_tile(image_path: Path) -> dict[str, Any]:
    """What was exported with a tile."""
    path = image_path.parent.parent / "sidecar" / f"{image_path.stem}.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def split(folder: Path) -> None:
    """The split file is taken as ``pairs split`` writes it."""
    words = ["pairs", "split", folder / "pairs", "--out", folder / "split.json", "--fractions", 0.5, 0.25, 0.25]
    assert main([*map(str, words)]) == 0
    (folder / "run.toml").write_text(CONFIG, encoding="utf-8")


@pytest.fixture(autouse=True)
def _data_lie_beside_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CERBERUS_DATA", raising=False)


def test_an_exported_folder_is_a_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(tmp_path, tmp_path / "pairs", 8)
    note, summary, *_ = checked(tmp_path / "pairs", capsys)
    assert "Of none of the 8 exported tiles" in note
    assert summary == f"8 usable tiles of 8 patients in 2 categories; {CLEAN}"
    split(tmp_path)
    config = read_config(tmp_path / "run.toml")
    tiles = collect(config.sources, config.tasks, config.root(tmp_path))
    parts = by_subset(tiles, make_split(config, tmp_path, tiles))
    assert {side: len(members) for side, members in parts.items()} == {"train": 4, "validation": 2, "test": 2}
    for tile in tiles:
        loaded = tile.load()
        number = int(sidecar_of_tile(tile.image_path)["source"]["name"].split()[1].removesuffix(".png"))
        image, labels = tissue_like(100 + number)
        np.testing.assert_array_equal(loaded.image, image)
        np.testing.assert_array_equal(loaded.labels["glands"] > 0, labels["glands"] > 0)
        assert (tile.tissue, tile.stratum) == (number % 2, CATEGORIES[number % 2])


def test_it_is_trained_on_together_with_a_published_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "pairs"
    for number in range(4):
        publish(root, CATEGORIES[number % 2], f"GTXC20{number:05d}-9-400-00{number}", number)
    before = {path: path.read_bytes() for path in root.rglob("*.png")}
    export(tmp_path, root, 8)
    assert {path: path.read_bytes() for path in before} == before, "what was there is as it was"
    *notes, summary, _, _ = checked(root, capsys)
    assert summary.startswith("12 usable tiles of 12 patients in 2 categories; 0 problems that stop, 0 skipped")
    unchecked = [note for note in notes if "exported tiles" in note]
    assert len(unchecked) == 1
    assert all("soft grey edges" in note for note in notes if note not in unchecked), "the published masks have them"

    split(tmp_path)
    assert main(["train", str(tmp_path / "run.toml"), "--out", str(tmp_path / "out")]) == 0
    (model,) = (path.parent for path in (tmp_path / "out").rglob("model.json"))
    record = load_model(model).spec.provenance
    assert sum(record["tiles"].values()) == 12
    assert record["leaks"].startswith("No patient")
    assert set(record["validation"]["dice"]) == {"glands", "lumina"}
    patients = {patient for side in ("train", "validation", "test") for patient in record[f"{side}_patients"]}
    assert {f"ebhi:20{number:05d}" for number in range(4)} < patients
    assert sum(patient.startswith("ebhi:9") for patient in patients) == 8, "ours are digits too"

    export(tmp_path, root, 8)
    assert len(index_tree(root)[0]) == 12, "exporting again writes nothing twice"
