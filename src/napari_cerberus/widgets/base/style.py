"""Looks shared by the panels. Colours are chosen to read well on napari's dark and light themes alike."""

from __future__ import annotations

from enum import StrEnum

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QLabel, QLayout, QWidget

SPACING_PX = 6
LABEL_WIDTH_PX = 74
_TRACK = "rgba(128, 128, 128, 70)"

PRIMARY_BUTTON = """
QPushButton { background-color: #2d7dd2; color: white; border-radius: 4px; padding: 8px; font-weight: 600; }
QPushButton:hover { background-color: #3d8de2; }
QPushButton:pressed { background-color: #2569b3; }
QPushButton:focus { border: 2px solid #e8730c; padding: 6px; }
QPushButton:disabled { background-color: rgba(128, 128, 128, 60); color: rgba(128, 128, 128, 230); border: 0px; }
"""
PROGRESS_BAR = f"""
QProgressBar {{ border: 0px; border-radius: 4px; background-color: {_TRACK}; min-height: 8px; max-height: 8px; }}
QProgressBar::chunk {{ background-color: #2d7dd2; border-radius: 4px; }}
"""
SECTION_HEADER = """
QPushButton { text-align: left; font-weight: 600; background: transparent; border: 0px; padding: 4px 2px; }
QPushButton:hover { background-color: rgba(128, 128, 128, 50); }
QPushButton:focus { border: 2px solid #e8730c; padding: 2px 0px; }
"""
STEP_BUTTON = """
QPushButton { background: transparent; border: 0px; border-radius: 0px; padding: 6px 5px;
    border-bottom: 2px solid rgba(128, 128, 128, 90); }
QPushButton:hover { background-color: rgba(128, 128, 128, 50); }
QPushButton:focus { border: 2px solid #e8730c; padding: 4px 3px; }
QPushButton:checked { border-bottom: 2px solid #2d7dd2; background-color: rgba(45, 125, 210, 60); }
"""
SMALL = "font-size: 11px;"
FOCUS = """
QPushButton:focus { border: 2px solid #e8730c; padding: 2px; }
QComboBox:focus, QAbstractSpinBox:focus, QLineEdit:focus, QSlider:focus, QCheckBox:focus, QListWidget:focus {
    border: 2px solid #e8730c; }
"""
"""Where the focus is; nothing grows by it."""


class Tone(StrEnum):
    """What a banner says; its value is the colour of its edge."""

    INFO = "#2d7dd2"
    GOOD = "#2f9e5b"
    CAUTION = "#e0a526"
    BAD = "#d7443e"


class Banner(QLabel):
    """One sentence with a coloured edge; hidden while it has nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tone: Tone | None = None
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.hide()

    def say(self, text: str, tone: Tone = Tone.INFO) -> None:
        """Show ``text``; empty text hides the banner."""
        if tone is not self._tone:  # styling anew takes long, and a run is told of every second
            self._tone = tone
            self.setStyleSheet(
                f"border-left: 3px solid {tone.value}; background-color: rgba(128, 128, 128, 40); "
                f"padding: 4px 6px; border-radius: 2px; {SMALL}"
            )
        self.setText(text)
        self.setVisible(bool(text))


def small_label(text: str = "") -> QLabel:
    """A wrapping label in small type."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setStyleSheet(SMALL)
    return label


def field_label(text: str, buddy: QWidget) -> QLabel:
    """The label left of a field; all are equally wide, so that the fields of several sections line up."""
    label = QLabel(text)
    label.setMinimumWidth(LABEL_WIDTH_PX)
    label.setBuddy(buddy)
    return label


def clear(layout: QLayout) -> None:
    """Take every widget out of ``layout``, at once: one that is only deleted later would still be drawn.

    It keeps its parent: what Qt shows late, as it does with a widget just added, would else be a window of its own.
    """
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()


class _WheelGuard(QObject):
    """Lets the wheel scroll the dock instead of changing the field that happens to lie under the mouse."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def guard_wheel(*fields: QWidget) -> None:
    """Make ``fields`` listen to the mouse wheel only while they have the focus."""
    for field in fields:
        field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        field.installEventFilter(_WheelGuard(field))
