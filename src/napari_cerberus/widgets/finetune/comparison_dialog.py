"""All that a comparison says: the metrics, what was forgotten, and the held-out tiles before and after, worst first."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from ...finetune.comparison.comparison_record import ModelComparison, Pair
from ...finetune.run_state import RunState
from ..base.section import Section
from ..base.style import SPACING_PX, Banner, Tone, small_label
from .comparison_table import ComparisonTable
from .comparison_words import STORY, TONES, exchanged, signed, story
from .pictures import FittedPicture

_SIZE_PX = 900, 780
_WEAK = "* These labels come from a rule; nobody drew them."


class ComparisonDialog(QDialog):
    """Does not block napari.

    Parameters
    ----------
    state : RunState
    comparison : Comparison
    """

    def __init__(self, state: RunState, comparison: ModelComparison, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"“{state.name}” against “{state.base_name}”")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(*_SIZE_PX)
        self.rows, self.forgetting = ComparisonTable(brief=False), ComparisonTable(brief=False)
        self.rows.show_rows(comparison.rows)
        self.forgetting.show_rows(comparison.forgetting)
        column = QWidget()
        inner = QVBoxLayout(column)
        inner.setSpacing(2 * SPACING_PX)
        for widget in _verdict(comparison):
            inner.addWidget(widget)
        for title, content in self._parts(comparison):
            inner.addWidget(Section(title, content))
        inner.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(column)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(scroll, 1)
        layout.addWidget(buttons)

    def _parts(self, comparison: ModelComparison) -> list[tuple[str, QWidget]]:
        parts: list[tuple[str, QWidget]] = []
        if comparison.rows:
            words = [exchanged(comparison), *([_WEAK] if any(row.weak for row in comparison.rows) else [])]
            parts.append(("On held-out patients", _under(self.rows, *words)))
        if comparison.forgetting_sentence or comparison.forgetting:
            parts.append(("What the old model could do", _under(self.forgetting, comparison.forgetting_sentence)))
        if comparison.gallery:
            parts.append(("Held-out tiles, the worst change first", _gallery(comparison.gallery)))
        return parts


def _verdict(comparison: ModelComparison) -> list[QWidget]:
    tone = TONES[comparison.verdict]
    verdict, sentence, notes = QLabel(comparison.verdict.capitalize()), QLabel(comparison.sentence), Banner()
    verdict.setStyleSheet(f"font-size: 22px; font-weight: 700; color: {tone.value};")
    sentence.setStyleSheet("font-size: 14px;")
    sentence.setWordWrap(True)
    told = QLabel(story(comparison))
    told.setStyleSheet(STORY)
    told.setWordWrap(True)
    first = [*([told] if told.text() else []), verdict, sentence]
    said = [*filter(None, [comparison.tries_sentence]), *comparison.notes]
    if not said:
        return first
    # told to say it once it has a parent: a label shown before would open a window of its own
    notes.setText("\n".join(said))
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(notes)
    notes.say(notes.text(), Tone.CAUTION)
    return [*first, holder]


def _under(table: QWidget, *words: str) -> QWidget:
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(2, 0, 0, 0)
    layout.addWidget(table)
    for text in words:
        if text:
            layout.addWidget(small_label(text))
    return holder


def _gallery(pairs: tuple[Pair, ...]) -> QWidget:
    holder = QWidget()
    grid = QGridLayout(holder)
    grid.setContentsMargins(2, 0, 0, 0)
    grid.setSpacing(SPACING_PX)
    for column, words in enumerate(("Old model", "New model")):
        grid.addWidget(small_label(words), 0, column)
        grid.setColumnStretch(column, 1)
    for place, pair in enumerate(pairs):
        for column, path in enumerate((pair.before, pair.after)):
            picture = FittedPicture()
            if not picture.show_file(path):
                picture = small_label(f"{path.name} is missing")
            grid.addWidget(picture, 2 * place + 1, column)
        grid.addWidget(small_label(f"{pair.tile}: {signed(pair.difference)}"), 2 * place + 2, 0, 1, 2)
    return holder
