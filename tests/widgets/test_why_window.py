"""Why? in a real window: thumbnails, hidden parts, bars that move, and the line of one object."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from correct_window import WAIT_MS, Window
from cut_off import cut_off, resize
from fake_jobs import FakeAnnotate
from napari_cerberus.inference.reasons.resemblance import LearnedTile, Resemblance
from napari_cerberus.model.library import opening
from napari_cerberus.viewer.layers import HIDDEN_LAYER
from napari_cerberus.widgets.base.bars import change_words
from tiny import tiny_model

SHA = "ab" * 32


def jpeg(colour: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (96, 96), colour).save(stream, "JPEG")
    return stream.getvalue()


def alike(**changes: Any) -> Resemblance:
    tiles = [LearnedTile(name=f"tile {n}", distance=0.01 * n, thumbnail=jpeg((40 * n, 90, 160))) for n in range(1, 7)]
    known = {
        "said": "Normal",
        "rival": "Adenocarcinoma",
        "of_said": tuple(tiles[:3]),
        "of_rival": tuple(tiles[3:]),
        "nearest": {"Normal": 7, "Adenocarcinoma": 3},
        "is_far": False,
        "attribution": "Shi et al. 2023, EBHI-Seg, CC BY 4.0",
    }
    return Resemblance(**{**known, **changes})


@pytest.fixture
def open_window(
    qtbot: QtBot, make_napari_viewer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Window]:
    """Opens an annotated tile; the model behind it is the tiny one."""
    model = tiny_model(sha256=SHA)
    monkeypatch.setattr(opening, "open_model", lambda name, sha256="": model)

    def factory(**changes: Any) -> Window:
        window = Window(qtbot, make_napari_viewer(show=True), FakeAnnotate(**changes))
        window.dock.steps.show_step("annotate")
        return window

    return factory


def wait_for_bars(window: Window) -> Any:
    reasons = window.dock.controller.why
    window.qtbot.waitUntil(lambda: reasons.why.hidden is not None and not reasons.why.stage, timeout=WAIT_MS)
    return reasons.why.hidden


def pictures(row: Any) -> list[Any]:
    labels = [one for one in row.children() if hasattr(one, "pixmap") and not one.pixmap().isNull()]
    return [one for one in labels if min(one.visibleRegion().boundingRect().width(), one.height()) > 40]


def test_why_shows_tiles_of_both_classes_and_whose_they_are(open_window: Callable[..., Window]) -> None:
    window = open_window(resemblance=alike())
    readout = window.dock.readout
    assert not readout.panel.isVisible()
    readout.why.click()
    panel = readout.panel
    assert panel.isVisible()
    assert panel.titles["said"].text() == "Resembles these tiles of Normal that the model learned from:"
    assert "Adenocarcinoma" in panel.titles["rival"].text()
    window.qtbot.waitUntil(lambda: len(pictures(panel.tiles["said"])) == 3, timeout=WAIT_MS)
    window.qtbot.waitUntil(lambda: len(pictures(panel.tiles["rival"])) == 3, timeout=WAIT_MS)
    assert "7 are Normal, 3 Adenocarcinoma" in panel.note.text()
    assert panel.note.text().endswith("Tiles: Shi et al. 2023, EBHI-Seg, CC BY 4.0.")
    assert not panel.far.isVisible()
    assert "because" not in f"{panel.titles['said'].text()} {panel.note.text()}".lower()


def test_far_is_said(open_window: Callable[..., Window]) -> None:
    window = open_window(resemblance=alike(is_far=True))
    window.dock.readout.why.click()
    assert window.dock.readout.panel.far.text().startswith("Far from all that the model learned from")


def test_a_hidden_rectangle_moves_the_bars_and_undo_takes_it_back(open_window: Callable[..., Window]) -> None:
    window = open_window(resemblance=alike())
    glands = window.layer("glands")
    window.dock.readout.why.click()
    panel = window.dock.readout.panel
    panel.buttons["rectangle"].click()
    layer = window.viewer.layers[HIDDEN_LAYER]
    assert str(layer.mode) == "add_rectangle"
    window.drag(layer, (2, 2), (15, 20), (30, 36))
    hidden = wait_for_bars(window)
    assert window.viewer.layers.selection.active is glands, "the mouse and the active layer are given back"
    assert str(layer.mode) == "pan_zoom"
    assert 0.2 < hidden.share < 0.5
    assert panel.bars.rows()[0][1].endswith(")"), "the change is shown"
    assert set(hidden.after) == {"calm", "wild"}
    assert f"{hidden.share:.0%} of the image hidden" in panel.outcome.text()
    np.testing.assert_allclose(np.asarray(layer.face_color)[0, :3] * 255, hidden.colour, atol=1)
    panel.buttons["undo"].click()
    window.qtbot.waitUntil(lambda: not panel.bars.isVisible(), timeout=WAIT_MS)
    assert not panel.buttons["undo"].isEnabled()


def test_a_hidden_object_has_its_own_outline_and_clear_takes_the_layer_away(open_window: Callable[..., Window]) -> None:
    window = open_window(resemblance=alike())
    window.click(window.layer("glands"), (3, 8))
    window.dock.steps.show_step("annotate")
    window.dock.readout.why.click()
    panel = window.dock.readout.panel
    panel.buttons["object"].click()
    hidden = wait_for_bars(window)
    assert hidden.share == pytest.approx(100 / (40 * 56), rel=0.25), "the gland has 10 × 10 px"
    assert hidden.elsewhere, "there is room for the same shape elsewhere"
    panel.buttons["clear"].click()
    assert HIDDEN_LAYER not in window.viewer.layers
    assert not panel.bars.isVisible()


def test_without_a_chosen_object_it_is_said(open_window: Callable[..., Window]) -> None:
    window = open_window(resemblance=alike())
    window.dock.readout.why.click()
    window.dock.readout.panel.buttons["object"].click()
    assert "Choose an object first" in window.dock.readout.panel.problem.text()
    assert HIDDEN_LAYER not in window.viewer.layers


def test_a_new_result_starts_afresh(open_window: Callable[..., Window]) -> None:
    window = open_window(resemblance=alike())
    window.click(window.layer("glands"), (3, 8))
    window.dock.steps.show_step("annotate")
    window.dock.readout.why.click()
    window.dock.readout.panel.buttons["object"].click()
    wait_for_bars(window)
    window.dock.controller.session.readout = None
    assert HIDDEN_LAYER not in window.viewer.layers
    assert not window.dock.readout.why.isChecked()


def test_a_kept_result_is_read_again_and_says_what_is_missing(open_window: Callable[..., Window]) -> None:
    """A fresh answer without likeness is in the same place as one from a file: its image and model are at hand."""
    window = open_window(resemblance=None)
    window.dock.readout.why.click()
    panel = window.dock.readout.panel
    window.qtbot.waitUntil(lambda: panel.note.text() != "", timeout=WAIT_MS)
    assert "keeps no tiles that it learned from" in panel.note.text()


def test_a_result_of_a_model_that_is_gone_says_so(
    open_window: Callable[..., Window], monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window(resemblance=None)
    other = tiny_model(sha256="cd" * 32)
    monkeypatch.setattr(opening, "open_model", lambda name, sha256="": other)
    window.dock.readout.why.click()
    panel = window.dock.readout.panel
    window.qtbot.waitUntil(lambda: "not on this computer" in panel.problem.text(), timeout=WAIT_MS)


def test_the_review_says_what_stands_behind_an_object(open_window: Callable[..., Window]) -> None:
    both = np.zeros((2, 20, 28), np.float16)
    both[0, :6, :6] = 0.95
    window = open_window(probabilities={"glands": both})
    window.click(window.layer("glands"), (3, 8))
    review = window.dock.review
    window.qtbot.waitUntil(lambda: "border sharpness" in review.why.text(), timeout=WAIT_MS)
    assert review.why.text().startswith("Why? margin inside 0.")
    window.click(window.layer("nuclei"), (1, 1))
    window.qtbot.waitUntil(lambda: "annotate again to see them" in review.why.text(), timeout=WAIT_MS)


@pytest.mark.parametrize("size", [(1280, 800), (1600, 1000)])
def test_nothing_of_it_is_cut_off(open_window: Callable[..., Window], size: tuple[int, int]) -> None:
    window = open_window(resemblance=alike(is_far=True))
    resize(window, *size)
    window.click(window.layer("glands"), (3, 8))
    window.dock.steps.show_step("annotate")
    window.dock.readout.why.click()
    window.dock.readout.panel.buttons["object"].click()
    wait_for_bars(window)
    assert cut_off(window.dock) == []


def test_changes_are_in_points_that_agree_with_the_percentages_shown() -> None:
    assert change_words(0.62, 0.914) == " (−29)"
    assert change_words(0.914, 0.62) == " (+29)"
    assert change_words(0.501, 0.499) == " (=)"
