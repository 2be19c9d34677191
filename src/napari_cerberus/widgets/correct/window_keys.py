"""Keys that work in the whole window, save in text fields, while a result layer is the active one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import ref

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QMainWindow, QWidget

from ...viewer.correct.toolbox import MOST_CLASSES
from ...viewer.correct.tracked_layers import REDO_KEY, UNDO_KEY
from ...viewer.correct.workbench import Correcting


class WindowKeys:
    """The layers' keys as shortcuts of the main window.

    napari gives a key to the widget that has the focus. Over the layer list, a letter chose another layer by its name,
    and the next one changed that layer. A shortcut comes before that; text fields come before shortcuts. Where
    another kind of layer is active (a brush on Shapes has the same letters), its own keys are left to it. A key that is
    held down acts once.

    Parameters
    ----------
    correct : Correcting
    panel : QWidget
        When it is destroyed, the shortcuts are.
    """

    def __init__(self, correct: Correcting, panel: QWidget) -> None:
        self._corrections = correct.corrections
        self._panel = ref(panel)
        self._shortcuts: list[QShortcut] = []
        self._window: Callable[[], QMainWindow | None] = lambda: None  # weakly: the window must be free to go
        self._corrections.attached.connect(self.follow)
        self._corrections.detached.connect(self.follow)
        self._corrections.layers.viewer.layers.selection.events.active.connect(self.follow)
        panel.destroyed.connect(partial(_take_away, self._shortcuts))

    def follow(self, event: Any = None) -> None:
        """Listen in the main window that the panel is in, or not, as the active layer is one of ours or not."""
        panel = self._panel()
        window = None if panel is None else main_window(panel)
        if window is not None and window is not self._window():
            self._window = ref(window)
            self._listen(window)
        layer = self._corrections.layers.viewer.layers.selection.active
        ours = layer is not None and self._corrections.find(str(layer.unique_id)) is not None
        for shortcut in self._shortcuts:
            shortcut.setEnabled(ours)

    def _listen(self, window: QMainWindow) -> None:
        _take_away(self._shortcuts)
        for name in self._corrections.keys:
            sequence = QKeySequence(name.replace("Control-", "Ctrl+").replace("-", "+"))
            self._add(window, sequence, name, again=name in (UNDO_KEY, REDO_KEY))
        for number in range(1, MOST_CLASSES + 1):  # napari does not tell the number pad from the digits; Qt does
            digit = getattr(Qt.Key, f"Key_{number}")
            keypad = int(_value(Qt.KeyboardModifier.KeypadModifier)) | int(_value(digit))
            self._add(window, QKeySequence(keypad), f"Alt-{number}", again=False)

    def press(self, name: str) -> None:
        """Do what a key does, by the name napari has for it."""
        self._corrections.keys[name]()

    def _add(self, window: QMainWindow, sequence: QKeySequence, name: str, *, again: bool) -> None:
        shortcut = QShortcut(sequence, window)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.setAutoRepeat(again)
        shortcut.activated.connect(partial(_press, ref(self), name))
        self._shortcuts.append(shortcut)


def _press(keys: Callable[[], WindowKeys | None], name: str) -> None:
    if (there := keys()) is not None:
        there.press(name)


def _take_away(shortcuts: list[QShortcut], _destroyed: Any = None) -> None:
    while shortcuts:
        shortcut = shortcuts.pop()
        with suppress(RuntimeError):  # its window has taken it along already
            shortcut.setEnabled(False)
            shortcut.deleteLater()


def main_window(widget: QWidget) -> QMainWindow | None:
    """The main window around a widget, also of one in a dock that floats."""
    around: QWidget | None = widget
    found = None
    while around is not None:
        if isinstance(around, QMainWindow):
            found = around
        around = around.parentWidget()
    return found


def give_focus_back(*fields: Any) -> None:
    """Have fields let go of the focus when a choice is made, so that the next key is not taken for text."""
    for field in fields:
        signal = getattr(field, "activated", None) or field.editingFinished
        signal.connect(partial(_let_go, field))


def _let_go(field: QWidget, *_: Any) -> None:
    if field.hasFocus():
        field.clearFocus()


def _value(member: Any) -> int:
    """The number behind a Qt enum member, which is an ``int`` in some bindings and has a ``value`` in others."""
    return int(getattr(member, "value", member))
