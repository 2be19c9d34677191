"""What correcting has cost: a small table, and the same as CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from qtpy.QtWidgets import QDialog, QFileDialog, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...errors import OutputError
from ...files import write_text
from ..base.style import SPACING_PX, Banner, Tone, small_label

_ROWS = {
    "model_name": "Model",
    "active_s": "Active time, pauses over 30 s left out (s)",
    "edits": "Edits",
    "decisions": "Accepted, rejected, skipped",
    "changed_px": "Changed pixels, of all edits together",
    "objects": "Objects",
    "edits_per_100_objects": "Edits per 100 objects",
    "changed_px_per_100_objects": "Changed pixels per 100 objects",
    "dice_nuclei": "Area of nuclei, model against corrected (Dice)",
    "dice_glands": "Area of glands, model against corrected (Dice)",
    "dice_lumina": "Area of lumina, model against corrected (Dice)",
}
_DICE_NOTE = (
    "Dice 1: together the objects cover the same pixels before and after correction; 0: none of the same. Cutting or "
    "merging objects changes many pixels and little of the area."
)


class EffortDialog(QDialog):
    """Shows a table from ``annotation.effort``; None says that nothing was corrected yet.

    Parameters
    ----------
    effort : DataFrame or None
    """

    def __init__(self, effort: pd.DataFrame | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Correction effort")
        self._effort = effort
        self.message = Banner()
        self.save = QPushButton("Save as CSV …")
        self.save.setEnabled(effort is not None)
        self.save.clicked.connect(self._ask_and_save)
        grid = QGridLayout()
        grid.setHorizontalSpacing(3 * SPACING_PX)
        if effort is None:
            self.message.say("Nothing was corrected yet.", Tone.INFO)
        else:
            _fill(grid, effort)
        layout = QVBoxLayout(self)
        layout.addLayout(grid)
        if effort is not None:
            layout.addWidget(small_label(_DICE_NOTE))
        layout.addWidget(self.message)
        layout.addWidget(self.save)

    def write(self, path: Path) -> None:
        """Write the table as CSV; a problem is shown."""
        if self._effort is None:
            return
        try:
            write_text(path, self._effort.to_csv(index=False, lineterminator="\n"))
            self.message.say(f"Saved {path}.", Tone.GOOD)
        except OutputError as error:
            self.message.say(str(error), Tone.BAD)

    def _ask_and_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the effort", "effort.csv", "Table (*.csv)")
        if path:
            self.write(Path(path))


def _fill(grid: QGridLayout, effort: pd.DataFrame) -> None:
    for row, (column, words) in enumerate(_ROWS.items()):
        grid.addWidget(QLabel(words), row, 0)
        for place, value in enumerate(effort[column], start=1):
            grid.addWidget(QLabel(_shown(value)), row, place)


def _shown(value: object) -> str:
    """ "11,473", "0.59", "–"; what is not quite 1 is not shown as 1."""
    if isinstance(value, float):
        if value != value:
            return "–"
        if 0.99 < value < 1:
            return f"{min(value, 0.9999):.4f}"
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)
