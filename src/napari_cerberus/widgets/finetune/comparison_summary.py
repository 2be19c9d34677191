"""The verdict on a new model, and the word that is asked of the user: promote or discard."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QMessageBox, QPushButton, QVBoxLayout, QWidget

from ...finetune.comparison.comparison_record import ModelComparison
from ...finetune.run_state import RunState
from ...model.library.entries import ModelEntry
from ...viewer.controller import Controller
from ...viewer.runs.decisions import Decision
from ..base.forms import button_row
from ..base.style import PRIMARY_BUTTON, SPACING_PX, Banner, Tone, small_label
from .comparison_dialog import ComparisonDialog
from .comparison_table import ComparisonTable
from .comparison_words import STORY, TONES, exchanged, primary, question_before, story

_SAID = {
    Decision.PROMOTED: "Promoted: Annotate uses it.",
    Decision.KEPT: "The old model stays in use; the new one is in the library.",
    Decision.DISCARDED: "Discarded: the model was deleted.",
}
_NOT_COMPARED = "The new model was not compared with the old one, so nobody knows whether it is better."


class ComparisonSummary(QWidget):
    """Shows ``finetuning.comparison``.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller, self._finetuning = controller, controller.finetuning
        self.story, self.verdict, self.sentence = QLabel(), QLabel(), QLabel()
        self.story.setWordWrap(True)
        self.story.setStyleSheet(STORY)
        self.sentence.setWordWrap(True)
        self.table = ComparisonTable(brief=True)
        self.exchanged, self.tries, self.forgetting, self.said = small_label(), Banner(), Banner(), Banner()
        self.promote, self.keep, self.discard = (
            QPushButton(words) for words in ("Promote", "Keep the old one", "Discard")
        )
        self.details, self.roll_back = QPushButton("Details and pictures …"), QPushButton("Roll back")
        self.details.setToolTip("All metrics, and pictures of the tiles on which the models differ")
        self.roll_back.setToolTip("Use the model that was used before.")
        self.compare_models = QPushButton("Compare with the old model")
        self.compare_models.setToolTip("On the held-out patients, in a process of its own.")
        self.promote.setToolTip("Annotate uses the new model from now on; one click takes it back.")
        self.keep.setToolTip("Annotate goes on with the old model; the new one stays in the library.")
        self.discard.setToolTip("Delete the new model for good.")
        self.dialog: ComparisonDialog | None = None
        self._others = button_row(self.keep, self.discard)
        self._lay_out()
        self.promote.clicked.connect(self._promote)
        self.keep.clicked.connect(lambda: self._finetuning.decide(Decision.KEPT))
        self.discard.clicked.connect(self._discard)
        self.roll_back.clicked.connect(self._roll_back)
        self.details.clicked.connect(self._show_details)
        self.compare_models.clicked.connect(self._finetuning.resume)

    def show_run(self, state: RunState, comparison: ModelComparison | None, decision: Decision | None) -> None:
        """Show what a finished run has come to."""
        tone = Tone.CAUTION if comparison is None else TONES[comparison.verdict]
        self.verdict.setText("Not compared" if comparison is None else comparison.verdict.capitalize())
        self.verdict.setStyleSheet(f"font-size: 20px; font-weight: 700; color: {tone.value};")
        self.sentence.setText(_NOT_COMPARED if comparison is None else comparison.sentence)
        self.story.setText("" if comparison is None else story(comparison))
        self.story.setVisible(bool(self.story.text()))
        self.table.show_rows([] if comparison is None else primary(comparison.rows))
        self.exchanged.setText("" if comparison is None else exchanged(comparison))
        self.exchanged.setVisible(bool(self.exchanged.text()))
        self.tries.say("" if comparison is None else comparison.tries_sentence, Tone.CAUTION)
        self.forgetting.say("" if comparison is None else comparison.forgetting_sentence, Tone.INFO)
        self.details.setVisible(comparison is not None)
        there = self._controller.library.made_by(state) is not None
        self.compare_models.setVisible(comparison is None and there)
        self.said.say("" if decision is None else _SAID[decision], Tone.GOOD)
        speaks_for = comparison is not None and comparison.verdict == "better"
        self.promote.setStyleSheet(PRIMARY_BUTTON if speaks_for else "")
        self.keep.setStyleSheet("" if speaks_for else PRIMARY_BUTTON)
        self.promote.setVisible(there and decision in (None, Decision.KEPT))
        self._others.setVisible(decision is None)
        self.roll_back.setVisible(decision is Decision.PROMOTED and self._is_used(state))

    def _is_used(self, state: RunState) -> bool:
        used = self._controller.library.promoted
        return used is not None and used.entry == self._controller.library.made_by(state)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        shown = (
            self.story,
            self.verdict,
            self.sentence,
            self.tries,
            self.table,
            self.exchanged,
            self.forgetting,
            self.details,
        )
        for widget in shown:
            layout.addWidget(widget)
        for widget in (self.compare_models, self.promote, self._others, self.said, self.roll_back):
            layout.addWidget(widget)

    def _promote(self) -> None:
        comparison, made = self._finetuning.comparison, self._made()
        question = question_before(comparison)
        if made is None or (question and not self._sure(question)):
            return
        if self._controller.library.promote(made.name, "" if comparison is None else comparison.verdict):
            self._finetuning.decide(Decision.PROMOTED)
        else:
            self._say_why_not()

    def _discard(self) -> None:
        made = self._made()
        if made is not None and not self._sure(f"Delete “{made.name}” for good?"):
            return
        if made is None or self._controller.library.delete(made.name):
            self._finetuning.decide(Decision.DISCARDED)
        else:
            self._say_why_not()

    def _made(self) -> ModelEntry | None:
        state = self._finetuning.state
        return None if state is None else self._controller.library.made_by(state)

    def _roll_back(self) -> None:
        if self._controller.library.roll_back():
            self._finetuning.decide(Decision.KEPT)
        else:
            self._say_why_not()

    def _say_why_not(self) -> None:
        self.said.say(self._controller.library.status.message, Tone.BAD)

    def _sure(self, question: str) -> bool:
        buttons = QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No
        answer = QMessageBox.question(self, "The new model", question, buttons, QMessageBox.StandardButton.No)
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _show_details(self) -> None:
        state, comparison = self._finetuning.state, self._finetuning.comparison
        if state is None or comparison is None:
            return
        if self.dialog is not None:
            self.dialog.close()
        self.dialog = ComparisonDialog(state, comparison, self)
        self.dialog.show()
