"""Keys in the real window: they work everywhere save in text fields, and hit what is marked, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from correct_window import Window
from napari_cerberus.viewer.correct.sight.overlay import OVERLAY_LAYER

KEY = Qt.Key
SHIFT = Qt.KeyboardModifier.ShiftModifier


def main_window(window: Window) -> QMainWindow:
    return window.viewer.window._qt_window


def layer_list(window: Window) -> QWidget:
    return window.viewer.window._qt_viewer.layers


def press(window: Window, widget: QWidget, key: Any, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
    """A key while a widget has the focus."""
    main_window(window).activateWindow()
    window.qtbot.waitUntil(main_window(window).isActiveWindow)
    widget.setFocus()
    QApplication.processEvents()
    window.qtbot.keyClick(widget, key, modifier)
    QApplication.processEvents()


def point_at(window: Window, layer: Any, point: tuple[float, float]) -> None:
    """Move the pointer there, by way of another place: a move to where it is already is none."""
    for place in (window.at(layer, point) + QPoint(3, 3), window.at(layer, point)):
        window.qtbot.mouseMove(window.canvas, place)
        window.qtbot.wait(30)


def present(layer: Any) -> set[int]:
    return set(np.unique(layer.data).tolist()) - {0}


def marks(window: Window) -> int:
    """Strokes that are drawn over the image; the hidden one of no length is none."""
    if OVERLAY_LAYER not in window.viewer.layers:
        return 0
    vectors = np.asarray(window.viewer.layers[OVERLAY_LAYER].data)
    return int(np.count_nonzero(np.abs(vectors[:, 1]).sum(axis=1)))


@pytest.fixture
def nuclei(window: Window) -> Any:
    """The nuclei layer, active and with nothing chosen or pointed at."""
    layer = window.layer("nuclei")
    window.qtbot.wait(400)  # the first window of a process finds its size late, and points are reckoned from it
    window.viewer.reset_view()
    window.qtbot.wait(50)
    return layer


def test_a_key_over_the_layer_list_works_on_the_active_layer(window: Window, nuclei: Any) -> None:
    others = {layer.name: layer.data.copy() for layer in window.viewer.layers if layer is not nuclei}
    window.click(nuclei, (2, 2))
    press(window, layer_list(window), KEY.Key_D)
    assert window.viewer.layers.selection.active is nuclei, "a letter chooses no other layer by its name"
    assert present(nuclei) == {2}, window.message
    for name, before in others.items():
        if name != OVERLAY_LAYER:
            np.testing.assert_array_equal(window.viewer.layers[name].data, before)


def test_a_key_works_with_the_focus_on_a_button(window: Window, nuclei: Any) -> None:
    window.click(nuclei, (9, 9))
    press(window, window.dock.correct.undo, KEY.Key_D)
    assert present(nuclei) == {1}


def test_a_letter_in_a_text_field_is_a_letter(window: Window, nuclei: Any) -> None:
    window.click(nuclei, (2, 2))
    window.dock.steps.show_step("correct")
    name = window.dock.review.name
    name.clear()
    for letter in (KEY.Key_D, KEY.Key_A, KEY.Key_1):
        press(window, name, letter)
    assert name.text().lower() == "da1"
    assert present(nuclei) == {1, 2}, "nothing was deleted"
    assert window.viewer.layers.selection.active is nuclei, "no other layer was chosen"


def test_nothing_is_hit_that_is_not_marked(window: Window, nuclei: Any) -> None:
    window.click(nuclei, (2, 2))
    window.click(nuclei, (30, 40))
    press(window, layer_list(window), KEY.Key_D)
    assert present(nuclei) == {1, 2}, "on background nothing is meant"
    assert "Choose an object first" in window.message


def test_what_a_key_will_hit_is_marked_before_it_is_hit(window: Window, nuclei: Any) -> None:
    point_at(window, nuclei, (30, 40))
    empty = marks(window)
    point_at(window, nuclei, (9, 9))
    window.qtbot.waitUntil(lambda: marks(window) > empty)  # the object under the pointer has corners
    press(window, window.canvas, KEY.Key_D)
    assert present(nuclei) == {1}
    assert marks(window) == empty, "what is gone is not marked any more"


def test_the_chosen_object_comes_before_the_one_under_the_pointer(window: Window, nuclei: Any) -> None:
    window.click(nuclei, (2, 2))
    point_at(window, nuclei, (9, 9))
    press(window, window.canvas, KEY.Key_D)
    assert present(nuclei) == {2}


def test_a_key_changes_no_hidden_layer(window: Window, nuclei: Any) -> None:
    window.click(nuclei, (2, 2))
    nuclei.visible = False
    press(window, window.canvas, KEY.Key_D)
    assert present(nuclei) == {1, 2}
    assert "hidden" in window.message


def test_keys_are_naparis_where_another_layer_is_active(window: Window, nuclei: Any) -> None:
    window.click(nuclei, (2, 2))
    window.viewer.layers.selection.active = window.viewer.layers["tile"]
    for widget in (layer_list(window), window.canvas):
        press(window, widget, KEY.Key_D)
    assert present(nuclei) == {1, 2}


def test_layers_by_number_from_anywhere(window: Window, nuclei: Any) -> None:
    for number, task in ((KEY.Key_2, "glands"), (KEY.Key_3, "lumina"), (KEY.Key_1, "nuclei")):
        press(window, layer_list(window), number)
        assert window.viewer.layers.selection.active is window.viewer.layers[f"tile {task}"]
        assert [name for name, one in window.dock.correct.switch.buttons.items() if one.isChecked()] == [task]
    press(window, window.canvas, KEY.Key_2, SHIFT)
    assert not window.viewer.layers["tile glands"].visible
    assert "hidden" in window.dock.correct.switch.buttons["glands"].text()
    press(window, window.canvas, KEY.Key_2)
    assert window.viewer.layers["tile glands"].visible, "a layer one works in is shown"


def test_a_filter_gives_the_focus_back(window: Window, nuclei: Any) -> None:
    window.dock.steps.show_step("correct")
    main_window(window).activateWindow()
    tasks = window.dock.review.filters["tasks"]
    tasks.setFocus()
    tasks.activated.emit(0)
    assert not tasks.hasFocus()
