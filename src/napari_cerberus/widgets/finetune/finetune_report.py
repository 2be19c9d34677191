"""What a check found, before anything starts: what is wrong, how much there is, what learns, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from ...pairs.words import counted
from ..base.style import SMALL, SPACING_PX, Banner, Tone, clear, small_label

if TYPE_CHECKING:
    from ...finetune.estimate import Estimate
    from ...finetune.finetune_plan import Plan
    from ...viewer.runs.run_jobs import Checked

_SIDES = {
    ("train",): ("Learn from", "The model is changed to fit these."),
    ("validation",): ("Choose with", "How much of what was learned is kept is chosen on these."),
    ("held_out",): ("Compare on", "Never seen while training; the comparison rests on these alone."),
}
_SIDES_OF_FOLDS = {
    ("train", "validation"): ("Learn and choose", "Each of the models learns without some of these, who judge it."),
    ("held_out",): _SIDES[("held_out",)],
}
_MOST_LINES = 8
_HERE = "on this computer, and the comparison afterwards."


class FinetuneReport(QWidget):
    """Hidden until there is something to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.headline = QLabel()
        self.headline.setWordWrap(True)
        self.headline.setStyleSheet("font-weight: 600;")
        self.categories, self.learns = small_label(), small_label()
        self.cost = QLabel()
        self.cost.setWordWrap(True)
        self.stops, self.warnings = Banner(), Banner()
        self._sides = QGridLayout()
        self._sides.setHorizontalSpacing(2 * SPACING_PX)
        self._sides.setVerticalSpacing(1)
        self._sides.setColumnStretch(3, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(self.stops)
        layout.addWidget(self.headline)
        layout.addWidget(self.categories)
        layout.addLayout(self._sides)
        for widget in (self.warnings, self.learns, self.cost):
            layout.addWidget(widget)
        self.show_checked(None)

    def show_checked(self, checked: Checked | None) -> None:
        """Show a check; None shows nothing."""
        self.setVisible(checked is not None)
        clear(self._sides)
        if checked is None:
            return
        plan = checked.plan
        self.stops.say(_listed(plan.stops), Tone.BAD)
        self.warnings.say(_listed(plan.warnings), Tone.CAUTION)
        self.headline.setText(headline(plan))
        self.categories.setText(" · ".join(f"{name} {number}" for name, number in plan.categories.items()))
        self.categories.setVisible(bool(plan.categories))
        if not plan.stops:
            self._show_sides(plan)
        self.learns.setText(" ".join(part for part in (plan.learns, plan.new_head) if part))
        self.learns.setVisible(not plan.stops)
        self.cost.setText("" if checked.estimate is None else cost(checked.estimate))
        self.cost.setVisible(checked.estimate is not None)

    def _show_sides(self, plan: Plan) -> None:
        for row, (sides, (words, why)) in enumerate((_SIDES_OF_FOLDS if plan.folds else _SIDES).items()):
            pairs, patients = (sum(plan.sides.get(side, (0, 0))[place] for side in sides) for place in (0, 1))
            texts = words, counted(pairs, "pair"), counted(patients, "patient")
            for column, text in enumerate(texts):
                label = QLabel(text)
                label.setStyleSheet(SMALL)
                label.setToolTip(why)
                align = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                self._sides.addWidget(label, row, column, align)


def headline(plan: Plan) -> str:
    """ "40 pairs of 12 patients in 3 categories"."""
    return (
        f"{counted(plan.pairs, 'pair')} of {counted(plan.patients, 'patient')} in "
        f"{counted(len(plan.categories), 'category', 'categories')}"
    )


def cost(estimate: Estimate) -> str:
    """ "About 7 minutes (5 to 9) and 900 MB of memory on this computer, and the comparison afterwards."."""
    megabytes = f"{estimate.memory_mb} MB" if estimate.memory_mb < 1000 else f"{estimate.memory_mb / 1000:.1f} GB"
    memory = f" and {megabytes} of memory" if estimate.memory_mb else ""
    if estimate.high < 1:
        return f"Less than a minute{memory} {_HERE}"
    if estimate.minutes >= 120:
        hours, low, high = (f"{minutes / 60:.1f}" for minutes in (estimate.minutes, estimate.low, estimate.high))
        return f"About {hours} hours ({low} to {high}){memory} {_HERE}"
    low, high = (str(max(1, round(minutes))) for minutes in (estimate.low, estimate.high))
    between = f" ({low} to {high})" if low != high else ""
    return f"About {counted(max(1, round(estimate.minutes)), 'minute')}{between}{memory} {_HERE}"


def _listed(sentences: tuple[str, ...]) -> str:
    """Sentences under one another, the first few of many."""
    shown = list(sentences[:_MOST_LINES])
    if len(sentences) > _MOST_LINES:
        shown.append(f"… and {len(sentences) - _MOST_LINES} more")
    return "\n".join(f"• {sentence}" for sentence in shown) if len(shown) > 1 else "".join(shown)
