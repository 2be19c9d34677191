"""The whole program by keyboard: the order of the Tab key, where the focus is, and a key for Annotate."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QWidget

from correct_window import WAIT_MS, Window
from napari_cerberus.viewer.session import JobState
from napari_cerberus.widgets.base.tab_order import reading_order


def activate(window: Window) -> None:
    main = window.viewer.window._qt_window
    main.activateWindow()
    window.qtbot.waitUntil(main.isActiveWindow)


def walked(window: Window, first: QWidget, steps: int) -> list[QWidget]:
    """What the Tab key comes to."""
    first.setFocus()
    found = []
    for _ in range(steps):
        focus = QApplication.focusWidget()
        assert focus is not None
        window.qtbot.keyClick(focus, Qt.Key.Key_Tab)
        found.append(QApplication.focusWidget())
    return found


def test_tab_goes_as_one_reads(window: Window) -> None:
    activate(window)
    panel = window.dock.annotate
    wanted = [panel.pixel_size.spin, panel.pixel_size.presets, panel.region, None, panel.model, panel.card]
    del wanted[3]  # a section's header
    came = walked(window, panel.image, 7)
    assert [one for one in came if one in wanted] == wanted
    places = [one.mapTo(window.dock, one.rect().center()) for one in came]
    rows = [place.y() for place in places]
    assert all(after > before - 12 for before, after in pairwise(rows)), rows


def test_everything_in_sight_can_be_reached(window: Window) -> None:
    activate(window)
    others = [button for button in window.dock.steps.buttons.values() if not button.isChecked()]
    order = (one for one in reading_order(window.dock) if one not in others)  # the arrow keys go to those
    reachable = [one for one in order if one.isVisible() and one.isEnabled()]
    assert len(reachable) > 15
    came = walked(window, reachable[0], len(reachable) - 1)
    assert came == reachable[1:]


def border(widget: QWidget) -> Any:
    """Colours along the upper edge."""
    image = widget.grab().toImage()
    return {image.pixelColor(x, 1).name() for x in range(4, image.width() - 4)}


def test_the_focus_is_seen(window: Window) -> None:
    activate(window)
    dock = window.dock
    for widget in (dock.annotate.annotate, dock.annotate.region, dock.annotate.card, dock.steps.buttons["export"]):
        without = border(widget)
        size = widget.minimumSizeHint()
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        QApplication.processEvents()
        assert "#e8730c" in border(widget), widget
        assert "#e8730c" not in without
        assert widget.minimumSizeHint().width() <= size.width(), "nothing grows"
        widget.clearFocus()


def test_a_key_annotates_from_anywhere(window: Window) -> None:
    activate(window)
    controller = window.dock.controller
    ran: list[JobState] = []
    controller.session.events.job.connect(lambda status: ran.append(status.state))
    window.dock.steps.show_step("export")
    window.canvas.setFocus()
    window.qtbot.keyClick(window.canvas, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    window.qtbot.waitUntil(lambda: JobState.RETURNED in ran, timeout=WAIT_MS)
