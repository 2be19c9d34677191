"""Where the parts of an image are saved, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fake_jobs import annotation_of, square_labels
from napari_cerberus.annotation.annotated_image import AnnotatedImage
from napari_cerberus.annotation.frame import Frame
from napari_cerberus.annotation.regions import common_folder, is_part, place_in, region_name, region_of, regions_in
from napari_cerberus.annotation.store import load_annotation, save_annotation
from napari_cerberus.errors import OutputError
from napari_cerberus.progress import run_to_end
from napari_cerberus.viewer.correct.version_comparison import _work


def part(top: int, left: int, key: str = "a" * 64) -> AnnotatedImage:
    frame = Frame(
        image_key=key,
        image_name="slide",
        image_height_px=9000,
        image_width_px=9000,
        region=(top, left, top + 20, left + 30),
    )
    return annotation_of(square_labels(20, 30), frame=frame)


def saved(folder: Path, annotated: AnnotatedImage) -> Path:
    place = place_in(folder, annotated.frame, annotated.factors)
    save_annotation(place, annotated)
    return place


def test_parts_lie_in_one_folder_from_top_to_bottom(tmp_path: Path) -> None:
    folder = tmp_path / "slide.cerberus"
    for top in (4000, 200, 30):
        assert saved(folder, part(top, 100)).parent == folder
    saved(folder, part(200, 100))
    assert [one.name for one in regions_in(folder)] == ["30-100-50-130", "200-100-220-130", "4000-100-4020-130"]
    assert load_annotation(regions_in(folder)[1]).frame.region == (200, 100, 220, 130)
    assert common_folder(regions_in(folder)[0]) == folder
    assert region_of(folder, part(30, 100).frame, (1.0, 1.0)) == regions_in(folder)[0]
    assert region_name(part(30, 100).frame, (4.0, 4.0)) == "30-100-50-130-4x"


def test_a_whole_image_lies_in_the_folder_itself(tmp_path: Path) -> None:
    whole = part(0, 0)
    whole = replace(whole, frame=replace(whole.frame, image_height_px=20, image_width_px=30))
    assert not is_part(whole.frame, (1.0, 1.0))
    assert is_part(whole.frame, (2.0, 2.0)), "a coarser level is not all of its pixels"
    assert saved(tmp_path / "tile.cerberus", whole) == tmp_path / "tile.cerberus"
    assert regions_in(tmp_path / "tile.cerberus") == ()
    with pytest.raises(OutputError, match="of a whole image"):
        saved(tmp_path / "tile.cerberus", part(5, 5))
    saved(tmp_path / "slide.cerberus", part(5, 5))
    with pytest.raises(OutputError, match="not a saved annotation"):
        saved(tmp_path / "slide.cerberus", whole)
    assert load_annotation(regions_in(tmp_path / "slide.cerberus")[0]).frame.region == (5, 5, 25, 35)


def test_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "slide.cerberus", part(5, 5))
    with pytest.raises(OutputError, match="another image, “slide”"):
        saved(tmp_path / "slide.cerberus", part(5, 5, "b" * 64))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(OutputError, match="holds no saved annotation"):
        saved(tmp_path / "mine", part(5, 5))
    assert regions_in(tmp_path / "absent") == ()


def test_a_part_is_compared_with_its_own_version(tmp_path: Path) -> None:
    folder = tmp_path / "slide.cerberus"
    for top in (5, 200):
        saved(folder, part(top, 5))
    now = part(200, 5)
    now = replace(
        now,
        labels={**now.labels, "lumina": np.zeros((20, 30), np.int32)},
        objects=now.objects[now.objects["task"] != "lumina"],
    )
    found = run_to_end(_work(folder, now)).objects
    assert list(found.loc[found["change"] != "same", "task"]) == ["lumina"]
