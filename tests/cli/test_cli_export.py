"""``napari-cerberus export``: saved annotations become pairs that the loader of training data reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from exporting.make_saved import save_corrected, save_result, sidecars
from fake_jobs import annotation_of, he_like, square_labels
from napari_cerberus.annotation.frame import Frame
from napari_cerberus.annotation.store import load_annotation, save_annotation
from napari_cerberus.cli.main import main
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.tile_pixels import read_mask

TILES = ("--tile-px", "32", "--min-tissue", "0")


@pytest.fixture
def annotated(tmp_path: Path) -> Callable[..., Path]:
    """Makes an image file, and its annotation in ``results/<stem>``."""

    def make(name: str = "tile.png", seed: int = 0, **about: object) -> Path:
        pixels = he_like(32, 32, seed)
        path = tmp_path / "images" / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
        facts = {"frame": Frame.of_image(pixels, path.stem), "image_path": name, **about}
        save_annotation(tmp_path / "results" / path.stem, annotation_of(square_labels(32, 32), **facts))
        return path

    return make


def export(tmp_path: Path, *arguments: object) -> int:
    fixed = ["--results", tmp_path / "results", "--to", tmp_path / "ds", *TILES]
    return main(["export", *map(str, [*arguments, *fixed])])


def test_a_pair_with_its_history(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    image = annotated()
    kept = ["--patient", "2015362", "--keep-patient-ids"]
    assert export(tmp_path, image, *kept, "--category", "Polyp", "--annotator", "Dr. Ä") == 0
    (record,), problems = index_tree(tmp_path / "ds")
    assert (record.id, record.patient, problems) == ("Polyp/NC2015362-1-400-001", "2015362", [])
    np.testing.assert_array_equal(read_mask(record.label_path), square_labels(32, 32)["glands"] > 0)
    text = (tmp_path / "ds" / "Polyp" / "sidecar" / f"{record.name}.json").read_text(encoding="utf-8")
    sidecar = json.loads(text)
    assert (sidecar["annotator"], sidecar["model_name"]) == ("Dr. Ä", "starter")
    assert sidecar["tasks"] == ["nuclei", "glands", "lumina"]
    assert "1 pair written" in capsys.readouterr().out

    assert export(tmp_path, image, *kept, "--category", "Polyp") == 0
    assert "1 there already" in capsys.readouterr().out
    assert len(index_tree(tmp_path / "ds")[0]) == 1


def sidecar_in(root: Path) -> dict[str, Any]:
    (path,) = root.glob("*/sidecar/*.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_what_was_not_said_to_be_checked_is_told(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path, annotated(), "--patient", "17", "--category", "Polyp") == 0
    said = capsys.readouterr().err
    assert "Nobody said that all nuclei or glands or lumina in these tiles are right, so no outlines would be" in said
    assert "--checked glands" in said
    sidecar = sidecar_in(tmp_path / "ds")
    assert (sidecar["checked"], sidecar["category_confirmed"]) == ([], True)


def test_what_was_checked_is_kept_and_saying_more_is_a_change(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = (annotated(), "--patient", "17", "--category", "Polyp")
    assert export(tmp_path, *words, "--checked", "glands, nuclei") == 0
    assert "never learned: lumina" in capsys.readouterr().err
    assert sidecar_in(tmp_path / "ds")["checked"] == ["nuclei", "glands"]
    assert export(tmp_path, *words, "--checked", "nuclei,glands") == 0
    assert "1 there already" in capsys.readouterr().out
    assert export(tmp_path, *words, "--checked", "glands", "--when-changed", "replace") == 0
    assert sidecar_in(tmp_path / "ds")["checked"] == ["glands"]


def test_a_category_of_the_readout_is_recorded_as_not_confirmed(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path, annotated(), "--patient", "17", "--category-from-readout") == 0
    assert "recorded as not confirmed, and is never learned" in capsys.readouterr().err
    assert sidecar_in(tmp_path / "ds")["category_confirmed"] is False


def test_a_task_without_labels_cannot_be_checked(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    image = annotated()
    folder = tmp_path / "results" / image.stem
    whole = load_annotation(folder)
    labels = {task: plane for task, plane in whole.labels.items() if task != "lumina"}
    save_annotation(folder, replace(whole, labels=labels, objects=whole.objects[whole.objects["task"] != "lumina"]))
    assert export(tmp_path, image, "--patient", "17", "--category", "Polyp", "--checked", "lumina") == 1
    assert "tile.png has no labels of lumina, so they cannot be checked" in capsys.readouterr().err


def test_a_dry_run_lists_and_writes_nothing(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path, annotated(), "--patient-unknown", "--category-from-readout", "--dry-run") == 0
    assert "Normal/NC9" in capsys.readouterr().out
    assert not (tmp_path / "ds").exists()


def test_an_index_gives_each_image_its_patient(tmp_path: Path, annotated: Callable[..., Path]) -> None:
    images = [annotated("ein Bild.png"), annotated("zwei.png", seed=1), annotated("drei.png", seed=2)]
    index = tmp_path / "index.csv"
    index.write_text(
        "image,patient,category,block\nsome/ein Bild.png,GT17,Polyp,3\nzwei.png,not known,,\ndrei.png,17,Normal,\n",
        encoding="utf-8",
    )
    words = ["--index", index, "--category", "Serrated adenoma", "--keep-patient-ids"]
    assert export(tmp_path, *images, *words) == 1, "GT17 and 17 are one name"
    records = index_tree(tmp_path / "ds")[0]
    assert {(record.category, record.block) for record in records} == {("Polyp", 3), ("Serrated adenoma", 1)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--patient", "17"], "tile.png has no category"),
        (["--patient", " ", "--category", "Polyp"], "patient id is empty"),
        (["--patient", "17", "--category", "Polyp", "--checked", "glands,stroma"], "checked must be one of"),
        (["--patient", "17", "--category", "a/b"], "must not contain /"),
        (["--patient", "17", "--category", "Polyp", "--tile-px", "4"], "tile_px must lie in"),
        (["--patient", "17", "--category", "Polyp", "--task", "nuclei", "--min-tissue", "2"], "min_tissue_share"),
    ],
)
def test_a_choice_that_makes_no_sense_is_one_line(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    fixed = ["--results", str(tmp_path / "results"), "--to", str(tmp_path / "ds")]
    assert main(["export", str(annotated()), *fixed, *arguments]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "ds").exists()


def test_an_image_that_changed_is_refused(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    image = annotated()
    Image.fromarray(he_like(32, 32, seed=9)).save(image)
    assert export(tmp_path, image, "--patient", "17", "--category", "Polyp") == 1
    assert "has changed since it was annotated" in capsys.readouterr().err
    assert not (tmp_path / "ds").exists()


def test_the_source_folder_is_refused(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    image = annotated()
    fixed = ["--results", str(tmp_path / "results"), "--to", str(image.parent), *TILES]
    assert main(["export", str(image), *fixed, "--patient", "17", "--category", "Polyp"]) == 1
    assert "choose another folder" in capsys.readouterr().err
    assert [path.name for path in image.parent.iterdir()] == ["tile.png"]


def test_an_uncertain_readout_decides_nothing(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    image = annotated(tissue={"Normal": 0.4, "Polyp": 0.39})
    assert export(tmp_path, image, "--patient", "17", "--category-from-readout") == 1
    assert "readout is not clear (Normal 40%, Polyp 39%)" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["image;patient\n", "image,patient\ntile.png,\n", "image,patient\na,1\nb/a,2\n"])
def test_a_bad_index_is_one_line(
    tmp_path: Path, annotated: Callable[..., Path], capsys: pytest.CaptureFixture[str], content: str
) -> None:
    index = tmp_path / "index.csv"
    index.write_text(content, encoding="utf-8")
    assert export(tmp_path, annotated(), "--index", index, "--category", "Polyp") == 1
    assert "index.csv" in capsys.readouterr().err


# -- whole folders of saved annotations ---------------------------------------------------------------------------


def export_saved(tmp_path: Path, *arguments: object) -> int:
    fixed = ["--saved", tmp_path / "work", "--images-in", tmp_path / "images", "--to", tmp_path / "ds", *TILES]
    return main(["export", *map(str, [*arguments, *fixed])])


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Two corrected annotations and a result of ``annotate``, with their images in another folder."""
    for number, name in enumerate(("eins", "zwei Ö")):
        save_corrected(tmp_path / "work" / f"{name}.cerberus", tmp_path / "images" / f"{name}.png", number)
    save_result(tmp_path / "work" / "deeper" / "drei", tmp_path / "images" / "drei.png", 2, tissue={"Normal": 0.9})
    return tmp_path / "work"


def test_a_folder_of_both_kinds_becomes_pairs(tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = tmp_path / "index.csv"
    index.write_text("image,patient,category\neins.png,17,Polyp\nzwei Ö.png,17,\ndrei.png,not known,\n", "utf-8")
    choices = [
        "--index",
        index,
        "--category",
        "Serrated adenoma",
        "--annotator",
        "Ada",
        "--images-in",
        tmp_path / "images",
    ]
    assert export_saved(tmp_path, *choices) == 0
    out = capsys.readouterr().out
    assert "eins.png: 1 pair written" in out
    assert out.endswith(f"3 images: 3 pairs written into {tmp_path / 'ds'}.\n")
    records, problems = index_tree(tmp_path / "ds")
    assert (problems, [record.category for record in records]) == (
        [],
        ["Polyp", "Serrated adenoma", "Serrated adenoma"],
    )
    by_image = {one["source"]["name"]: one for one in sidecars(tmp_path / "ds")}
    assert by_image["eins.png"]["annotator"] == "Grace, Ada"
    assert by_image["eins.png"]["effort"]["edits"] == 2
    assert by_image["drei.png"]["annotator"] == "Ada"
    assert by_image["eins.png"]["number"] == 1
    assert by_image["zwei Ö.png"]["number"] == 2, "numbers of a patient go on from image to image"
    assert {one["review"] for one in by_image["eins.png"]["objects"] if one["task"] == "nuclei"} == {
        "accepted",
        "rejected",
    }
    assert export_saved(tmp_path, *choices) == 0
    assert "0 pairs written" in capsys.readouterr().out


def test_a_dry_run_of_a_folder_counts(tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_corrected(work / "vier.cerberus", tmp_path / "images" / "vier.png", 3)
    (tmp_path / "images" / "vier.png").unlink()
    assert export_saved(tmp_path, "--patient", "17", "--keep-patient-ids", "--category", "Polyp", "--dry-run") == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[-1] == "3 new pairs; nothing was written."
    assert "  eins.png: Polyp/NC17-1-400-002  new, 1 object" in lines, "named as they will be, folder by folder"
    assert "  zwei Ö.png: Polyp/NC17-1-400-003  new, 1 object" in lines
    assert "was not found; put it beside" in said.err
    assert "1 of 4 images failed" in said.err
    assert not (tmp_path / "ds").exists()


def test_one_damaged_annotation_stops_no_other(tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "eins.cerberus" / "annotation.json").write_text("[")
    (work / "zwei Ö.cerberus" / "glands.tif").write_bytes(b"II*\0")
    assert export_saved(tmp_path, "--patient", "17", "--category", "Polyp") == 1
    said = capsys.readouterr()
    assert "annotation.json is not a JSON file" in said.err
    assert "glands.tif cannot be read" in said.err
    assert "2 of 3 images failed" in said.err
    assert "1 image: 1 pair written" in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x.png", "--patient", "17", "--category", "P"], "--saved finds the images itself"),
        (["--patient", "17"], "has no category"),
        (["--patient", "  ", "--category", "P"], "patient id is empty"),
        (["--patient", "17", "--category", "con"], "reserved name"),
    ],
)
def test_choices_are_checked_before_anything_is_read(
    tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert export_saved(tmp_path, *arguments) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "ds").exists()


def test_an_empty_folder_and_no_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "work").mkdir()
    assert export_saved(tmp_path, "--patient", "17", "--category", "P") == 1
    assert "holds no saved annotation" in capsys.readouterr().err
    assert export(tmp_path, "--patient", "17", "--category", "P") == 1
    assert "Name the images" in capsys.readouterr().err
