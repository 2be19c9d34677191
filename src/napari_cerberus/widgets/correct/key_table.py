"""All tools and keys in one table."""

from __future__ import annotations

from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QWidget

from ...viewer.adapt.finishing import KEYS as FINISH_KEYS
from ...viewer.correct.review_session import KEYS
from ...viewer.correct.tools import TOOLS
from ..base.style import SPACING_PX

_OTHER = (
    ("Ctrl+Enter", "Annotate; also while no result layer is active"),
    ("1, 2, 3", "Work on nuclei, glands, lumina"),
    ("Shift+1, 2, 3", "Hide nuclei, glands, lumina, or show them again"),
    ("1 … 9 on the number pad, or Alt+1 … 9", "Change the class of the object"),
    ("Ctrl+Z, Ctrl+Shift+Z", "Take a step back; make it again"),
)
_TITLE = "Keys while a result layer is active"
_NOTE = (
    "Every key works on the chosen object (a box), or else on the one under the pointer (four corners). "
    "They work in the whole window, save in text fields."
)


def shown_key(key: str) -> str:
    """A key as users read it: "Shift+K"."""
    return key.replace("-", "+")


def key_rows() -> list[tuple[str, str]]:
    """Key and what it does, tools first."""
    tools = [(shown_key(tool.key), f"{tool.title}: {tool.tip}") for tool in TOOLS.values()]
    steps = [*KEYS.values(), *FINISH_KEYS.values()]
    return [*tools, *((shown_key(key), tip) for key, tip in steps), *_OTHER]


class KeyTable(QDialog):
    """Shows ``key_rows``; not modal, so that it can stay open beside the image."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(_TITLE)
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(3 * SPACING_PX)
        for row, (key, words) in enumerate(key_rows()):
            name = QLabel(key)
            name.setStyleSheet("font-weight: 600;")
            grid.addWidget(name, row, 0)
            grid.addWidget(QLabel(words), row, 1)
        note = QLabel(_NOTE)
        note.setWordWrap(True)
        grid.addWidget(note, grid.rowCount(), 0, 1, 2)
