"""COCO: what we write pycocotools reads, what we write comes back, what is damaged is refused."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from scipy import ndimage

from annotated import annotated_image
from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.interop.coco import write_coco
from napari_cerberus.interop.coco_reading import read_coco
from napari_cerberus.interop.imported_objects import ImportedObjects
from napari_cerberus.interop.run_lengths import decompress_runs
from napari_cerberus.progress import run_to_end
from pairs.make_labels import label_maps, same_objects, table_of

# Its compiled part calls numpy in a way that numpy is giving up; not ours to mend.
by_pycocotools = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def written(path: Path, labels: dict[str, np.ndarray], form: Any = "rle", **columns: Any) -> dict[str, Any]:
    image = annotated_image(labels, table_of(labels, **columns), image_path="tile.png")
    run_to_end(write_coco(path, [image], form))
    return json.loads(path.read_text(encoding="utf-8"))


def read(path: Path) -> list[ImportedObjects]:
    return run_to_end(read_coco(path))


@settings(max_examples=30)
@given(label_maps)
def test_objects_come_back_pixel_for_pixel(tmp_path: Path, labels: np.ndarray) -> None:
    written(tmp_path / "coco.json", {"glands": labels, "nuclei": labels.T[::-1].T})
    (back,) = read(tmp_path / "coco.json")
    for task, plane in (("glands", labels), ("nuclei", labels.T[::-1].T)):
        assert same_objects(back.labels.get(task, np.zeros_like(plane)), plane)


@settings(max_examples=30)
@given(label_maps)
def test_polygons_come_back_but_for_holes(tmp_path: Path, labels: np.ndarray) -> None:
    written(tmp_path / "coco.json", {"glands": labels}, "polygons")
    (back,) = read(tmp_path / "coco.json")
    if len(np.unique(labels[labels > 0])) == 1:
        filled = np.zeros(labels.shape, bool)
        pieces, count = ndimage.label(labels > 0)
        for piece in range(1, count + 1):
            filled |= ndimage.binary_fill_holes(pieces == piece)
        np.testing.assert_array_equal(back.labels["glands"] > 0, filled)


@by_pycocotools
@settings(max_examples=30)
@given(label_maps)
def test_pycocotools_reads_the_same_masks(tmp_path: Path, labels: np.ndarray) -> None:
    coco_module = pytest.importorskip("pycocotools.coco")
    path = tmp_path / "coco.json"
    content = written(path, {"glands": labels}, **{"class": "gland"})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_module.COCO(str(path))
    for annotation in content["annotations"]:
        mask = coco.annToMask(coco.anns[annotation["id"]])
        np.testing.assert_array_equal(mask, labels == annotation["index"])
        assert annotation["area"] == mask.sum()
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert (x, y, x + width, y + height) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@by_pycocotools
@settings(max_examples=30)
@given(label_maps)
def test_compressed_run_lengths_are_read(tmp_path: Path, labels: np.ndarray) -> None:
    mask_module = pytest.importorskip("pycocotools.mask")
    content = written(tmp_path / "coco.json", {"glands": labels})
    for annotation in content["annotations"]:
        counts = annotation["segmentation"]["counts"]
        packed = mask_module.frPyObjects(annotation["segmentation"], *labels.shape)
        assert decompress_runs(packed["counts"].decode()) == counts
        annotation["segmentation"]["counts"] = packed["counts"].decode()
    (tmp_path / "coco.json").write_text(json.dumps(content))
    (back,) = read(tmp_path / "coco.json")
    assert same_objects(back.labels.get("glands", np.zeros_like(labels)), labels)


def test_categories_are_tasks_and_classes(tmp_path: Path) -> None:
    labels = {"nuclei": np.array([[1, 2, 0]]), "glands": np.array([[5, 5, 5]])}
    table = pd.DataFrame(
        [
            {"task": "nuclei", "index": 1, "class": "lymphocyte", "confidence": 0.5, "review": "accepted"},
            {"task": "nuclei", "index": 2, "class": ""},
        ]
    )
    image = annotated_image(labels, table, name="größe.png")
    run_to_end(write_coco(tmp_path / "c.json", [image, image]))
    content = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert [(one["name"], one["supercategory"]) for one in content["categories"]] == [
        ("nuclei: lymphocyte", "nuclei"),
        ("nuclei", "nuclei"),
        ("glands", "glands"),
    ]
    assert content["images"][1] == {"id": 2, "file_name": "größe.png", "height": 1, "width": 3}
    for back in read(tmp_path / "c.json"):
        assert back.objects[["task", "index", "class"]].values.tolist() == [
            ["nuclei", 1, "lymphocyte"],
            ["nuclei", 2, ""],
            ["glands", 1, ""],
        ]
        assert back.objects["confidence"][0] == 0.5
        assert back.objects["state"][0] == "accepted"


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    labels = np.zeros((6, 8), np.int32)
    labels[1:4, 2:5] = 1
    return written(tmp_path / "coco.json", {"glands": labels})


def set_at(content: Any, field: str, value: Any) -> None:
    *parents, last = field.split(".")
    for parent in parents:
        content = content[int(parent)] if parent.isdigit() else content[parent]
    content[last] = value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("images", None),
        ("images.0.height", 0),
        ("images.0.width", 10**9),
        ("images.0.file_name", 3),
        ("categories", []),
        ("annotations.0.image_id", 9),
        ("annotations.0.category_id", "1"),
        ("annotations.0.segmentation", None),
        ("annotations.0.segmentation", 3),
        ("annotations.0.segmentation", {"counts": [48]}),
        ("annotations.0.segmentation", {"size": [8, 6], "counts": [48]}),
        ("annotations.0.segmentation", {"size": [6, 8], "counts": [47]}),
        ("annotations.0.segmentation", {"size": [6, 8], "counts": [50, -2]}),
        ("annotations.0.segmentation", {"size": [6, 8], "counts": "\u00ff"}),
        ("annotations.0.segmentation", {"size": [6, 8], "counts": "o" * 99}),
        ("annotations.0.segmentation", {"size": [6, 8], "counts": [2**62, 2**62]}),
        ("annotations.0.segmentation", [[1, 2, 3]]),
        ("annotations.0.segmentation", [[1, 2, 3, 4]]),
        ("annotations.0.segmentation", [["a", "b"]]),
        ("annotations.0.segmentation", [[1e300, 0, 1, 1, 2, 2]]),
        ("annotations.0.score", 2),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: dict[str, Any], field: str, value: Any) -> None:
    set_at(content, field, value)
    (tmp_path / "bad.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"bad\.json"):
        read(tmp_path / "bad.json")


def test_empty_objects_are_left_out_and_said(tmp_path: Path, content: dict[str, Any]) -> None:
    set_at(content, "annotations.0.segmentation", {"size": [6, 8], "counts": [48]})
    (tmp_path / "coco.json").write_text(json.dumps(content))
    (back,) = read(tmp_path / "coco.json")
    assert back.labels == {}
    assert "1 object(s) are empty" in back.notes[0]


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="form"):
        written(tmp_path / "coco.json", {}, "png")
