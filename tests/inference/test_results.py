"""What is written can be read by others, and is whole or absent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cerberus.annotation.store import save_annotation
from napari_cerberus.errors import OutputError
from napari_cerberus.inference.annotate import Annotation, annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.images.image_files import pixel_size_of_file
from napari_cerberus.progress import run_to_end
from tiny import spotted, tiny_model


@pytest.fixture(scope="module")
def annotation() -> Annotation:
    settings = AnnotateSettings(pixel_size_um=0.4, device="cpu")
    return run_to_end(annotate(spotted((70, 90)), tiny_model(sha256="f" * 64), settings))


def test_all_files(tmp_path: Path, annotation: Annotation) -> None:
    folder = tmp_path / "new" / "tile"
    save_annotation(folder, annotation)
    names = {path.name for path in folder.iterdir()}
    assert names == {"nuclei.tif", "glands.tif", "lumina.tif", "objects.csv", "summary.json", "annotation.json"}
    for task, labels in annotation.labels.items():
        with tifffile.TiffFile(folder / f"{task}.tif") as file:
            stored = file.asarray()
            assert file.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert stored.dtype == np.uint32
        np.testing.assert_array_equal(stored, labels)
        size = pixel_size_of_file(folder / f"{task}.tif")
        assert size is not None
        assert size.yx_um == pytest.approx((0.4, 0.4), rel=1e-4)
    table = pd.read_csv(folder / "objects.csv", keep_default_na=False)
    assert list(table.columns) == list(annotation.objects.columns)
    assert len(table) == len(annotation.objects) > 0


def test_summary(tmp_path: Path, annotation: Annotation) -> None:
    save_annotation(tmp_path / "tile", annotation)
    summary = json.loads((tmp_path / "tile" / "summary.json").read_text(encoding="utf-8"))
    assert summary["model"] == {"name": "tiny", "sha256": "f" * 64}
    assert sum(summary["tissue"].values()) == pytest.approx(1.0)
    assert summary["pixel_size_um"] == 0.4
    assert summary["device"] == "cpu"
    assert summary["precision"] == annotation.run.precision
    assert summary["seconds"] > 0
    assert summary["counts"] == annotation.counts


def test_an_old_result_is_replaced_as_a_whole_and_the_users_files_stay(tmp_path: Path, annotation: Annotation) -> None:
    folder = tmp_path / "tile"
    (folder / "a.cerberus").mkdir(parents=True)
    (folder / "a.cerberus" / "annotation.json").write_text("a day's work")
    (folder / "notes.txt").write_text("notes")
    ours = sorted(f"{task}.tif" for task in annotation.labels)
    for name in ("nuclei.tif", "glands.tif", "summary.json", "annotation.json"):
        (folder / name).write_text("old")
    save_annotation(folder, annotation)
    assert (folder / "a.cerberus" / "annotation.json").read_text() == "a day's work"
    assert (folder / "notes.txt").read_text() == "notes"
    left = sorted(path.name for path in folder.iterdir())
    assert left == sorted([*ours, "a.cerberus", "notes.txt", "objects.csv", "summary.json", "annotation.json"])
    assert [path.name for path in tmp_path.iterdir()] == ["tile"]


def test_a_full_disk_leaves_the_old_result(
    tmp_path: Path, annotation: Annotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tile"
    save_annotation(folder, annotation)
    before = (folder / "summary.json").read_bytes()

    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(OutputError, match=r"tile cannot be written: No space left"):
        save_annotation(folder, annotation)
    assert (folder / "summary.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["tile"]


def test_a_file_where_the_folder_should_be(tmp_path: Path, annotation: Annotation) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        save_annotation(tmp_path / "taken" / "tile", annotation)
