"""Annotations on disk are found with their images, read as they were corrected, and refused where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exporting.make_saved import save_corrected, save_result, write_image
from fake_jobs import he_like, square_labels
from napari_cerberus.errors import CerberusError, DataError
from napari_cerberus.exporting.saved_annotations import Found, SavedImage, find_saved
from napari_cerberus.progress import run_to_end


def find(root: Path, *images: Path) -> Found:
    return run_to_end(find_saved(root, images))


def only(root: Path, *images: Path) -> SavedImage:
    (saved,) = find(root, *images).images
    return saved


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder that holds both kinds, one of them deeper, and what is none."""
    root = tmp_path / "work"
    save_corrected(root / "Köln 1.cerberus", tmp_path / "images" / "Köln 1.png")
    save_result(root / "deep" / "tile", root / "deep" / "tile.png", seed=1, tissue={"Normal": 0.9})
    (root / ".hidden").mkdir()
    save_result(root / ".hidden" / "old", tmp_path / "images" / "old.png", seed=2)
    (root / "summary.json").write_text("{}")
    return root


def test_both_kinds_are_found_with_their_images(work: Path, tmp_path: Path) -> None:
    found = find(work)
    assert found.problems == ()
    first, second = found.images
    assert (first.name, first.about.saved_by, first.about.tasks) == ("Köln 1.png", "Ada", ("nuclei", "glands"))
    assert (second.name, second.about.saved_by, second.about.tissue) == ("tile.png", "", {"Normal": 0.9})
    assert {saved.about.frame.shape for saved in found.images} == {(32, 32)}
    assert first.image_path == tmp_path / "images" / "Köln 1.png"
    assert second.image_path == work / "deep" / "tile.png"
    assert only(first.folder).folder == first.folder, "an annotation itself may be named"


def test_a_corrected_annotation_is_read_as_it_was_left(work: Path) -> None:
    source = find(work).images[0].read("who exports")
    np.testing.assert_array_equal(source.image, he_like(32, 32, 0))
    np.testing.assert_array_equal(source.annotated.labels["glands"], square_labels(32, 32)["glands"])
    nuclei = source.annotated.objects[source.annotated.objects["task"] == "nuclei"]
    assert list(nuclei["state"]) == ["accepted", "rejected"]
    assert (source.annotated.run.model_name, source.annotated.pixel_size_um, source.name) == (
        "starter",
        0.5,
        "Köln 1.png",
    )
    assert source.annotator == "Grace, Ada"
    assert source.effort == {"active_seconds": 5.0, "edits": 2.0, "decisions": 0.0, "changed_px": 20.0}


def test_a_result_is_read_with_what_the_caller_says(work: Path) -> None:
    source = find(work).images[1].read("who exports")
    assert (source.annotator, source.effort, source.annotated.tissue) == ("who exports", {}, {"Normal": 0.9})
    np.testing.assert_array_equal(source.annotated.labels["nuclei"], square_labels(32, 32)["nuclei"])


def test_a_region_of_an_image(tmp_path: Path) -> None:
    image = tmp_path / "large.png"
    save_corrected(tmp_path / "part.cerberus", image, size=(60, 70), region=(8, 20, 40, 52))
    source = only(tmp_path).read()
    np.testing.assert_array_equal(source.image, he_like(60, 70, 0)[8:40, 20:52])
    write_image(image, size=(60, 70), seed=3)
    with pytest.raises(DataError, match=r"large\.png has changed since"):
        only(tmp_path).read()


@pytest.mark.parametrize("where", ["work", "", "elsewhere", "work/inner"])
@pytest.mark.parametrize("hint", ["", "C:\\pictures\\a tile.png", "/nowhere/a tile.png", "../../a tile.png"])
def test_an_image_that_was_moved_is_found_by_its_name(tmp_path: Path, where: str, hint: str) -> None:
    root = tmp_path / "work"
    save_corrected(root / "inner" / "x.cerberus", tmp_path / where / "a tile.png", hint=hint)
    assert only(root, tmp_path / "elsewhere").image_path == tmp_path / where / "a tile.png"


def test_an_image_of_which_only_the_stem_is_known(tmp_path: Path) -> None:
    save_corrected(tmp_path / "x.cerberus", tmp_path / "tile.png", hint="")
    (tmp_path / "tile.png").rename(tmp_path / "tile.webp")
    assert only(tmp_path).image_path == tmp_path / "tile.webp"


def test_an_image_that_is_gone_is_said_when_it_is_needed(tmp_path: Path) -> None:
    save_corrected(tmp_path / "x.cerberus", tmp_path / "tile.png")
    (tmp_path / "tile.png").unlink()
    saved = only(tmp_path)
    assert (saved.image_path, saved.name) == (None, "tile")
    with pytest.raises(DataError, match=r"image “tile” of .*x\.cerberus was not found; put it beside"):
        saved.read()


def test_images_that_changed_are_refused(work: Path, tmp_path: Path) -> None:
    corrected, result = find(work).images
    write_image(tmp_path / "images" / "Köln 1.png", seed=8)
    write_image(work / "deep" / "tile.png", seed=9)
    for saved in (corrected, result):
        with pytest.raises(DataError, match="changed since it was annotated"):
            saved.read()
    (tmp_path / "images" / "Köln 1.png").write_bytes(b"no image")
    with pytest.raises(CerberusError, match=r"Köln 1\.png"):
        corrected.read()


def test_a_coarser_level_is_exported_from_the_window_only(tmp_path: Path) -> None:
    save_corrected(tmp_path / "x.cerberus", tmp_path / "tile.png", factors=(4.0, 4.0))
    with pytest.raises(DataError, match="coarser level"):
        only(tmp_path).read()


def test_damaged_annotations_are_named_and_the_others_found(work: Path) -> None:
    (work / "Köln 1.cerberus" / "annotation.json").write_text("{")
    (work / "deep" / "tile" / "annotation.json").write_text("[]")
    save_result(work / "good", work / "good.png", seed=4)
    found = find(work)
    assert [saved.name for saved in found.images] == ["good.png"]
    assert len(found.problems) == 2
    assert "annotation.json" in found.problems[0]
    assert "holds no JSON object" in found.problems[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tasks": ["livers"]}, "'tasks[0]'"),
        ({"tasks": "glands"}, "'tasks'"),
        ({"frame": None}, "'frame'"),
        ({"pixel_size": "half"}, "'pixel_size' must be a mapping"),
        ({"format_version": 99}, "says version 99"),
        ({"tissue": []}, "'tissue'"),
    ],
)
def test_a_damaged_description_is_one_sentence(work: Path, change: dict[str, object], says: str) -> None:
    path = work / "Köln 1.cerberus" / "annotation.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    (problem,) = find(work).problems
    assert says in problem
    assert "\n" not in problem


def test_a_folder_without_annotations_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no saved annotation"):
        find(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        find(tmp_path / "nothing")


def test_an_image_that_napari_showed_as_it_is_stored_is_the_same_image(tmp_path: Path) -> None:
    """Its file says that it is to be turned; the dock's labels lie on the pixels as they are stored."""
    image = tmp_path / "scan.png"
    annotation = save_corrected(tmp_path / "scan.cerberus", image)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(image) as picture:
        stored = np.asarray(picture)
        picture.save(image, exif=exif)
    source = only(tmp_path, tmp_path).read("Ada")
    assert np.array_equal(source.image, stored)
    assert np.array_equal(source.annotated.labels["nuclei"], annotation.labels["nuclei"])
