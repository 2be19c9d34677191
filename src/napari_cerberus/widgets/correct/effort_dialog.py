"""What correcting has cost: a small table, and the same as CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from qtpy.QtWidgets import QDialog, QFileDialog, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...errors import OutputError
from ...files import write_text
from ..base.style import SPACING_PX, Banner, Tone

_ROWS = {
    "model_name": "Model",
    "active_s": "Active time, pauses over 30 s left out (s)",
    "edits": "Edits",
    "decisions": "Accepted, rejected, skipped",
    "changed_px": "Changed pixels",
    "objects": "Objects",
    "edits_per_100_objects": "Edits per 100 objects",
    "changed_px_per_100_objects": "Changed pixels per 100 objects",
    "dice_nuclei": "Dice of the model against the corrected nuclei",
    "dice_glands": "… glands",
    "dice_lumina": "… lumina",
}


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
    if isinstance(value, float):
        return "–" if value != value else f"{value:,.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
