"""What a key did is said over the image, and goes by itself."""

from __future__ import annotations

from qtpy.QtCore import Qt

from correct_window import Window


def test_the_sentence_lies_over_the_image_and_goes(window: Window) -> None:
    nuclei = window.layer("nuclei")
    window.qtbot.wait(400)  # the first window of a process finds its size late, and points are reckoned from it
    window.viewer.reset_view()
    window.qtbot.wait(50)
    note = window.dock.correct.note
    note._timer.setInterval(300)
    window.click(nuclei, (2, 2))
    window.press(Qt.Key.Key_D)
    label = note.label
    assert label is not None
    assert label.isVisible()
    assert label.text() == window.message == "Deleted object 1."
    image = window.viewer.window._qt_window.centralWidget()
    assert label.parentWidget() is image
    assert image.rect().contains(label.geometry()), "inside of the image"
    assert label.geometry().bottom() > 0.8 * image.height()
    window.click(nuclei, (9, 9))
    assert window.corrections.active.selected == 2, "clicks go through to the image"
    window.qtbot.waitUntil(lambda: not label.isVisible(), timeout=5000)
    window.press(Qt.Key.Key_K)
    assert label.isVisible(), "what a tool waits for"
    assert "Pull a line" in label.text()
