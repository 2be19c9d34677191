"""What an export would write, shown before it is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from ...exporting.export_jobs import Preview, PreviewPair
from ..base.forms import add_row, combo, new_form
from ..base.style import SMALL, SPACING_PX, Banner, Tone, clear, small_label

_COLUMNS = 2
_MAX_CARDS = 200
_MAX_LINES = 5
_STATUS = {
    "new": ("new", Tone.GOOD),
    "same": ("there already", Tone.INFO),
    "changed": ("changed since", Tone.CAUTION),
}
_WHEN_CHANGED = (
    ("choose …", "ask"),
    ("Write them under new numbers", "new_number"),
    ("Replace the old ones", "replace"),
    ("Keep the old ones", "keep"),
)


class ExportPreview(QWidget):
    """Counts, notes, and a card with thumbnail, mask and name for each pair.

    Attributes
    ----------
    changed : Signal()
        The user said what happens to tiles that were exported before with other content.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.headline = QLabel()
        self.headline.setStyleSheet("font-weight: 600;")
        self.headline.setWordWrap(True)
        self.details = small_label()
        self.problems, self.notes = Banner(), Banner()
        self.when_changed = combo(_WHEN_CHANGED)
        self.when_changed.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self._asked, grid = new_form()
        add_row(grid, 0, "Changed", self.when_changed)
        self._cards = QGridLayout()
        self._lay_out()
        self.wait_for("")

    def wait_for(self, sentence: str) -> None:
        """Show no pairs, and why."""
        self.show_preview(Preview())
        self.headline.setText(sentence or "Nothing to show yet.")

    def show_preview(self, preview: Preview) -> None:
        """Show what would be written."""
        self.headline.setText(preview.headline)
        self.details.setText(_few(preview.summaries))
        self.problems.say(_few(preview.problems), Tone.BAD)
        self.notes.say(_few(preview.notes), Tone.CAUTION)
        self._asked.setVisible(preview.count("changed") > 0)
        self._show_cards(preview.pairs)

    def _show_cards(self, pairs: tuple[PreviewPair, ...]) -> None:
        clear(self._cards)
        for number, pair in enumerate(pairs[:_MAX_CARDS]):
            self._cards.addWidget(_card(pair), number // _COLUMNS, number % _COLUMNS, Qt.AlignmentFlag.AlignTop)
        if len(pairs) > _MAX_CARDS:
            rest = small_label(f"and {len(pairs) - _MAX_CARDS:,} more")
            self._cards.addWidget(rest, _MAX_CARDS // _COLUMNS + 1, 0, 1, _COLUMNS)

    def _lay_out(self) -> None:
        self._cards.setSpacing(2 * SPACING_PX)
        column = QWidget()
        inner = QVBoxLayout(column)
        inner.setContentsMargins(0, 0, SPACING_PX, 0)
        inner.addLayout(self._cards)
        inner.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(column)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        for widget in (self.headline, self.details, self.problems, self.notes, self._asked):
            layout.addWidget(widget)
        layout.addWidget(scroll, 1)


def _few(lines: Sequence[str]) -> str:
    """The first lines, and how many more there are: a folder of annotations has one for each."""
    more = len(lines) - _MAX_LINES
    return "\n".join(lines if more <= 0 else [*lines[:_MAX_LINES], f"… and {more:,} more"])


def _card(pair: PreviewPair) -> QWidget:
    words, tone = _STATUS[pair.status]
    card = QWidget()
    column = QVBoxLayout(card)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    if pair.thumbnail is not None:
        picture = QLabel()
        picture.setPixmap(_pixmap(pair.thumbnail))
        column.addWidget(picture)
    for text, style in _lines(pair, words, tone):
        label = QLabel(text)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setStyleSheet(style)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(label)
    return card


def _lines(pair: PreviewPair, words: str, tone: Tone) -> Iterable[tuple[str, str]]:
    objects = f"{pair.objects:,} {'object' if pair.objects == 1 else 'objects'}"
    yield f"{pair.name}.png", SMALL
    yield f"{pair.category} · {objects} · {words}", f"{SMALL} border-left: 3px solid {tone.value}; padding-left: 4px;"


def _pixmap(picture: np.ndarray) -> QPixmap:
    """Of an (h, w, 3) uint8 array."""
    data = np.ascontiguousarray(picture)
    height, width, _ = data.shape
    image = QImage(data.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy())  # the copy owns its pixels; ``data`` goes away
