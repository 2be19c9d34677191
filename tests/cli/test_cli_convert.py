"""``napari-cerberus convert``: what goes out comes back, and the folder can be exported from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fake_jobs import annotation_of, he_like, square_labels
from napari_cerberus.annotation.frame import Frame
from napari_cerberus.annotation.store import load_annotation, save_annotation
from napari_cerberus.cli.main import main
from napari_cerberus.pairs.write.transaction import STAGING

FORMATS = ("geojson", "coco", "ome-tiff", "csv", "png", "pdf")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image file, and its annotation in ``results/tile``."""
    pixels = he_like(32, 32)
    path = tmp_path / "tile.png"
    Image.fromarray(pixels).save(path)
    frame = Frame.of_image(pixels, "tile")
    save_annotation(tmp_path / "results" / "tile", annotation_of(square_labels(32, 32), frame=frame))
    return path


def convert(*arguments: object) -> int:
    return main(["convert", *map(str, arguments)])


def test_every_format_is_written(tmp_path: Path, image: Path) -> None:
    out = tmp_path / "out"
    assert convert("write", image, "--results", tmp_path / "results", "--out", out, "--as", *FORMATS) == 0
    suffixes = ("geojson", "coco.json", "ome.tif", "csv", "png", "pdf")
    assert {path.name for path in out.iterdir()} == {f"tile.{suffix}" for suffix in suffixes}


@pytest.mark.parametrize("suffix", ["geojson", "coco.json", "ome.tif"])
def test_what_goes_out_comes_back(tmp_path: Path, image: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    convert("write", image, "--results", tmp_path / "results", "--out", tmp_path, "--as", *FORMATS[:3])
    file, back = tmp_path / f"tile.{suffix}", tmp_path / "back"
    assert convert("read", file, "--image", image, "--results", back, "--pixel-size-um", 0.5) == 0
    assert "0.5 µm, set by you" in capsys.readouterr().out
    before, after = load_annotation(tmp_path / "results" / "tile"), load_annotation(back / "tile")
    assert after.labels.keys() == {task for task, plane in before.labels.items() if plane.any()}
    for task, plane in after.labels.items():
        np.testing.assert_array_equal(plane > 0, before.labels[task] > 0)
        assert len(np.unique(plane)) == len(np.unique(before.labels[task]))
    assert {"area_um2", "centroid_y_px", "x1_px"} <= set(after.objects.columns)
    export = [
        "export",
        image,
        "--results",
        back,
        "--to",
        tmp_path / "ds",
        "--patient",
        "1",
        "--category",
        "Polyp",
    ]
    assert main([*map(str, export), "--tile-px", "32", "--min-tissue", "0"]) == 0


def test_foreign_names_need_a_task(tmp_path: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert("write", image, "--results", tmp_path / "results", "--out", tmp_path, "--as", "coco")
    file = tmp_path / "tile.coco.json"
    file.write_text(file.read_text().replace('"glands"', '"adenoma"'))
    arguments = ("read", file, "--image", image, "--results", tmp_path / "back")
    assert convert(*arguments) == 1
    assert "--class adenoma TASK" in capsys.readouterr().err
    assert not (tmp_path / "back").exists()
    assert convert(*arguments, "--class", "adenoma", "glands") == 0
    assert load_annotation(tmp_path / "back" / "tile").labels["glands"].any()


def test_mistakes_are_one_line(tmp_path: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    (tmp_path / "other" / "tile").mkdir(parents=True)
    (tmp_path / "other" / "tile" / "thesis.doc").write_text("")
    for file, results in (("empty.geojson", "back"), ("no.geojson", "back"), ("empty.geojson", "other")):
        assert convert("read", tmp_path / file, "--image", image, "--results", tmp_path / results) == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert convert("read", tmp_path / "x", "--image", image, "--results", tmp_path, "--class", "a", "b") == 1
    assert "no task" in capsys.readouterr().err
    assert (tmp_path / "other" / "tile" / "thesis.doc").exists()


def test_repair_cleans_an_export_that_was_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / STAGING / "Polyp").mkdir(parents=True)
    assert main(["pairs", "repair", str(tmp_path)]) == 0
    assert "cleaned" in capsys.readouterr().out
    assert not (tmp_path / STAGING).exists()
    assert main(["pairs", "repair", str(tmp_path)]) == 0
    assert "Nothing to repair" in capsys.readouterr().out
