"""What a key or tool did, said over the image, where one looks; it goes by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QLabel, QWidget

from ..base.style import Tone
from .window_keys import main_window

_SHOWN_MS = 6000
_MARGIN_PX = 12
_WIDEST_SHARE = 0.7
_LOOK = """
background-color: rgba(20, 20, 20, 220); color: white; border-left: 4px solid {edge}; border-radius: 3px;
padding: 6px 10px; font-size: 12px;
"""


class CanvasNote:
    """One sentence at the lower edge of the image.

    Parameters
    ----------
    panel : QWidget
        In the window whose image it lies over; when it is destroyed, the sentence goes.
    """

    def __init__(self, panel: QWidget) -> None:
        self._panel = ref(panel)
        self.label: QLabel | None = None
        self._timer = QTimer(panel)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SHOWN_MS)
        self._timer.timeout.connect(self.hide)
        panel.destroyed.connect(partial(_take_away, ref(self)))

    def say(self, sentence: str, *, problem: bool) -> None:
        """Show a sentence for some seconds; an empty one takes the last away."""
        label = self._ready()
        if label is None or not sentence:
            self.hide()
            return
        label.setStyleSheet(_LOOK.format(edge=(Tone.CAUTION if problem else Tone.INFO).value))
        label.setText(sentence)
        image = label.parentWidget()
        widest = round(_WIDEST_SHARE * image.width())
        label.setFixedWidth(min(label.fontMetrics().horizontalAdvance(sentence) + 40, widest))
        label.adjustSize()
        label.move(_MARGIN_PX, image.height() - label.height() - _MARGIN_PX)
        label.show()
        label.raise_()
        self._timer.start()

    def hide(self) -> None:
        """Take the sentence away."""
        if self.label is not None:
            self.label.hide()

    def _ready(self) -> QLabel | None:
        panel = self._panel()
        window = None if panel is None else main_window(panel)
        image = None if window is None else window.centralWidget()
        if image is None:
            return None
        if self.label is None or self.label.parentWidget() is not image:
            self.label = QLabel(image)
            self.label.setWordWrap(True)
            self.label.setTextFormat(Qt.TextFormat.PlainText)
            self.label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            self.label.destroyed.connect(partial(_forget, ref(self)))
        return self.label


def _forget(note: Callable[[], CanvasNote | None], _destroyed: Any = None) -> None:
    if (there := note()) is not None:
        there.label = None


def _take_away(note: Callable[[], CanvasNote | None], _destroyed: Any = None) -> None:
    there = note()
    if there is not None and there.label is not None:
        there.label.deleteLater()
        there.label = None
