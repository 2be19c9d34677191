"""Correcting in a real window, with real mouse and key events."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QApplication, QWidget

from correct_window import RIGHT, WAIT_MS, Window
from fake_jobs import he_like
from napari_cerberus.widgets.correct.key_table import KeyTable
from napari_cerberus.widgets.dock import CerberusDock


def test_split_merge_and_undo_with_mouse_and_keys(window: Window) -> None:
    glands = window.layer("glands")
    before = np.array(glands.data)
    window.click(glands, (5, 5))
    assert "object 1 chosen" in window.dock.correct.layer.text()
    window.press(Qt.Key.Key_K)
    assert window.dock.correct.buttons["cut"].isChecked()
    window.drag(glands, (-2, 5.5), (5, 5.5), (14, 5.5))
    assert window.message == "Split object 1 into 2."
    assert set(np.unique(glands.data)) == {0, 1, 2}
    window.press(Qt.Key.Key_J)
    assert not window.dock.correct.buttons["cut"].isChecked()
    window.click(glands, (5, 3))
    window.click(glands, (5, 9))
    assert window.message.startswith("Merged objects")
    assert len(set(np.unique(glands.data)) - {0}) == 1
    window.press(Qt.Key.Key_J)
    for _ in range(2):
        window.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(glands.data, before)
    assert glands.features["state"].tolist() == ["unreviewed"]


def test_a_new_object_by_outline_and_by_corners(window: Window) -> None:
    glands = window.layer("glands")
    window.press(Qt.Key.Key_O)
    window.drag(glands, (20, 20), (20, 30), (30, 30), (30, 20))
    assert glands.data[25, 25] == 2
    for corner in ((20, 40), (20, 50), (30, 50)):
        window.click(glands, corner)
    window.click(glands, (30, 40), RIGHT)
    assert glands.data[22, 47] == 3
    window.press(Qt.Key.Key_O)
    assert glands.mouse_pan
    assert len(glands.features) == 3


def test_the_queue_by_single_keys(window: Window) -> None:
    review = window.dock.controller.correct.review
    window.qtbot.waitUntil(lambda: len(review.queued()) == 4, timeout=WAIT_MS)
    window.layer("glands")
    window.press(Qt.Key.Key_Period)
    for key in (Qt.Key.Key_A, Qt.Key.Key_R, Qt.Key.Key_U):
        window.press(key)
    count = window.dock.review.count
    window.qtbot.waitUntil(lambda: count.text() == "2 of 4 reviewed", timeout=WAIT_MS)
    assert window.dock.review.bar.value() == 2
    assert window.dock.review.reason.text()
    states = sorted(state for one in window.corrections for state in one.tracked.objects["state"])
    assert states == ["accepted", "rejected", "skipped", "unreviewed"]
    window.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert sum(len(one.tracked.objects.query("state == 'skipped'")) for one in window.corrections) == 0


def test_the_key_table_names_every_tool(window: Window) -> None:
    window.dock.correct.keys.click()
    (table,) = window.dock.findChildren(KeyTable)
    assert table.isVisible()
    tips = [button.toolTip() for button in window.dock.correct.buttons.values()]
    assert all("Key: " in tip for tip in tips)


def test_several_objects_under_a_lasso_become_one(window: Window) -> None:
    nuclei = window.layer("nuclei")
    before = np.array(nuclei.data)
    window.press(Qt.Key.Key_O)
    window.drag(nuclei, (20, 20), (20, 24), (24, 24), (24, 20))
    window.press(Qt.Key.Key_J)
    window.drag(nuclei, (-1, -1), (-1, 13), (13, 13), (13, -1))
    assert window.message == "Merged objects 1, 2."
    assert set(np.unique(nuclei.data)) == {0, 1, 3}, "the third lies outside of the lasso"
    window.press(Qt.Key.Key_J)
    for _ in range(2):
        window.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(nuclei.data, before)


def test_a_lasso_around_one_object_or_none_is_a_sentence(window: Window) -> None:
    nuclei = window.layer("nuclei")
    before = np.array(nuclei.data)
    window.press(Qt.Key.Key_J)
    for points in (((20, 20), (20, 30), (30, 30)), ((-1, -1), (-1, 4), (4, 4), (4, -1))):
        window.drag(nuclei, *points)
        assert window.message
        np.testing.assert_array_equal(nuclei.data, before)
        assert window.dock.correct.buttons["merge"].isChecked()


def test_nothing_of_the_dock_is_cut_off_at_its_smallest_width(window: Window) -> None:
    scroll = window.dock.steps.pages["correct"]
    for task in ("glands", "nuclei", "lumina"):
        window.click(window.layer(task), (5, 5))
        assert scroll.widget().minimumSizeHint().width() <= scroll.viewport().width()


class _ShownWindows(QObject):
    """Keeps the kinds of widget that were shown as a window of their own; napari does so with some of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt calls it so
        if event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow():
            kind = type(watched)
            if not kind.__module__.startswith("napari."):
                self.kinds.append(kind.__name__)
        return False


def test_no_part_of_the_dock_is_ever_a_window_of_its_own(window: Window, request: pytest.FixtureRequest) -> None:
    shown = _ShownWindows()
    QApplication.instance().installEventFilter(shown)
    request.addfinalizer(lambda: QApplication.instance().removeEventFilter(shown))
    window.viewer.add_image(he_like(40, 56), rgb=True, name="next")
    session, ids = window.dock.controller.session, [key for key, _ in window.dock.controller.layers.images()]
    for task in ("glands", "nuclei", "lumina"):
        one = next(one for one in window.corrections if one.layer == window.layer(task))
        window.corrections.choose(one, 1)
        for image_id in (*ids, *ids):  # twice at once: what was just added is taken out again
            session.image_id = image_id
        window.dock.controller.correct.corrections.active_changed.emit()
        window.dock.controller.correct.corrections.active_changed.emit()
        window.qtbot.wait(20)
    window.qtbot.addWidget(CerberusDock(window.viewer, window.dock.controller))  # opened on an annotated image
    assert not shown.kinds
