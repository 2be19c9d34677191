"""Areas that are finished and reopened: kept in layers, journal and saved folders, and never run over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from desk import Desk
from napari_cerberus.annotation.finished_areas import FinishedArea
from napari_cerberus.annotation.journal import find_journals
from napari_cerberus.annotation.store import load_annotation
from napari_cerberus.viewer.adapt.area_outlines import OUTLINES_LAYER
from napari_cerberus.viewer.correct.sight.camera import camera_of
from napari_cerberus.viewer.io.annotation_folder import read_folder
from napari_cerberus.viewer.layer_provenance import finished_of
from napari_cerberus.viewer.placement import Box

CORNER = Box(y0=0, x0=0, y1=20, x1=20)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    desk = make_desk()
    desk.controller.learning.by_itself = False
    desk.viewer.layers.selection.active = desk.layer("glands").layer
    return desk


def test_an_area_counts_for_the_active_layer_or_for_all_and_is_told(desk: Desk) -> None:
    finishing = desk.controller.finishing
    finishing.finish(CORNER)
    assert desk.said[-1] == ("Finished: 1 gland. Shift+Y reopens it.", False)
    assert finishing.areas()[-1].tasks == ("glands",)
    finishing.every_task = True
    finishing.finish(CORNER)
    assert finishing.areas()[-1].tasks == ("glands", "lumina", "nuclei")
    assert desk.said[-1][0].startswith("Finished: 2 nuclei, 1 gland, 1 lumen.")
    parts = finishing.parts()
    assert parts["nuclei"].objects == 2
    assert parts["glands"].share == pytest.approx(400 / (40 * 56)), "overlapping areas count once"


def test_over_the_edge_is_cut_and_outside_is_refused(desk: Desk) -> None:
    finishing = desk.controller.finishing
    finishing.finish(Box(y0=-30, x0=-5, y1=10, x1=500))
    assert finishing.parts()["glands"].share == pytest.approx(10 / 40)
    finishing.finish(Box(y0=100, x0=100, y1=140, x1=140))
    assert desk.said[-1] == ("The area holds no pixel of the image; draw it on the image.", True)
    finishing.finish(Box(y0=5, x0=5, y1=5, x1=9))
    assert "draw it larger" in desk.said[-1][0]
    assert len(finishing.areas()) == 1


def test_areas_are_outlined_as_thin_at_every_zoom_and_reopened_under_the_pointer(desk: Desk) -> None:
    finishing, camera = desk.controller.finishing, camera_of(desk.viewer)
    finishing.finish(CORNER)
    finishing.finish(Box(y0=20, x0=30, y1=40, x1=56))
    outlines = desk.viewer.layers[OUTLINES_LAYER]
    assert len(outlines.data) == 8
    wide = outlines.edge_width
    camera.zoom *= 4
    assert outlines.edge_width == pytest.approx(wide / 4)
    assert desk.viewer.layers.selection.active is desk.layer("glands").layer
    desk.viewer.cursor.position = desk.layer("glands").layer.data_to_world((5, 5))
    finishing.reopen()
    assert [area.box for area in finishing.areas()] == [(20, 30, 40, 56)]
    finishing.reopen()
    assert OUTLINES_LAYER not in desk.viewer.layers
    finishing.reopen()
    assert desk.said[-1][1], "nothing is left to reopen"


def test_a_new_result_beside_or_merged_leaves_a_finished_area_as_it_is(desk: Desk) -> None:
    finishing = desk.controller.finishing
    finishing.finish(CORNER)
    one = desk.layer("glands")
    before = np.array(one.layer.data)
    other = np.zeros((40, 56), np.int32)
    other[2:18, 2:18], other[25:35, 25:35] = 1, 2
    desk.controller._annotate._changes["labels"] = {"glands": other}  # type: ignore[attr-defined]
    desk.annotate()
    assert desk.correct.rerun.offer is not None, "a finished area is the user's work"
    desk.correct.rerun.accept()
    assert np.array_equal(one.layer.data[:20, :20], before[:20, :20])
    assert one.layer.data[30, 30]
    assert finishing.areas(), "and it stays finished"


def test_an_edit_inside_keeps_it_finished(desk: Desk) -> None:
    desk.controller.finishing.finish(CORNER)
    desk.choose("glands", 1)
    desk.correct.tools.use("shrink")
    assert len(desk.controller.finishing.areas()) == 1


def test_a_removed_layer_takes_nothing_with_it(desk: Desk) -> None:
    finishing = desk.controller.finishing
    finishing.every_task = True
    finishing.finish(CORNER)
    desk.viewer.layers.remove(desk.layer("glands").layer)
    assert finishing.areas()
    assert "glands" not in finishing.parts()
    desk.viewer.layers.clear()
    assert finishing.areas() == ()


def test_areas_are_in_the_journal_the_saved_folder_and_what_is_restored(
    make_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_CERBERUS_JOURNALS", str(tmp_path / "journals"))
    desk = make_desk(memory=tmp_path / "memory.json")
    desk.controller.learning.by_itself = False
    desk.viewer.layers.selection.active = desk.layer("glands").layer
    desk.controller.finishing.finish(CORNER)
    desk.controller.finishing.finish(Box(y0=30, x0=0, y1=40, x1=10))
    desk.viewer.cursor.position = (-5, -5)
    desk.controller.finishing.reopen()
    expected = (FinishedArea.rectangle(0, 0, 20, 20, ("glands",)),)
    key = desk.layer("glands").record.image_fingerprint
    (replay,) = find_journals(tmp_path / "journals", key)
    assert replay.finished == expected
    assert set(replay.labels) == {"nuclei", "glands", "lumina"}, "and what it lies on"
    desk.correct.save(tmp_path / "tile.cerberus")
    assert load_annotation(tmp_path / "tile.cerberus").finished == expected
    assert all(
        areas_in(attributes) == expected
        for _, attributes, kind in read_folder(str(tmp_path / "tile.cerberus"))
        if kind == "labels"
    )
    desk.controller.close()
    again = make_desk(memory=tmp_path / "memory.json", annotated=False)
    again.correct.restore.accept()
    assert finished_of(again.layer("nuclei").layer) == expected
    assert again.controller.finishing.areas() == expected


def areas_in(attributes: dict) -> tuple[FinishedArea, ...]:
    return tuple(FinishedArea.from_json(one) for one in attributes["metadata"]["napari-cerberus finished areas"])


def test_export_proposes_as_checked_what_is_finished_all_over(desk: Desk) -> None:
    desk.controller.finishing.finish(CORNER)
    (candidate,) = desk.controller.export.candidates()
    assert not candidate.reviewed["glands"].complete, "a corner is not the tile"
    desk.controller.finishing.finish(Box(y0=0, x0=0, y1=40, x1=56))
    (candidate,) = desk.controller.export.candidates()
    assert candidate.reviewed["glands"].complete
    assert candidate.reviewed["glands"].sentence == "finished, with 1 object"
    assert not candidate.reviewed["nuclei"].complete
