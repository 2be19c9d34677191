"""Which pairs to learn from, and how long: the form above Check."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QPushButton, QVBoxLayout, QWidget

from ...errors import SettingsError
from ...finetune.finetune_settings import FinetuneSettings
from ..base.forms import add_row, combo, new_form
from ..base.section import Section
from ..base.style import SPACING_PX, small_label
from .finetune_advanced import FinetuneAdvanced

_PRESETS = (("Quick", "quick"), ("Standard", "standard"), ("Thorough", "thorough"))
_WORDS = {
    "quick": "Minutes. Try this first.",
    "standard": "More than twice as long: better where there are many tiles.",
    "thorough": "Several times as long; hours without a GPU.",
}
_PURPOSES = (("My laboratory", "laboratory"), ("All laboratories", "everyone"))
_PURPOSE_WORDS = {
    "laboratory": "As good as possible on patients like yours. What it loses on other tissue is shown, not prevented.",
    "everyone": "Learns less from your patients, so that it stays as good as it was on other tissue.",
}


class FinetuneForm(QWidget):
    """Folder and preset, and everything else folded away.

    Attributes
    ----------
    changed : Signal()
        A field is another.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("folder of exported pairs")
        self.browse = QPushButton("…")
        self.browse.setFixedWidth(30)
        self.browse.setToolTip("Choose the folder that pairs were exported into.")
        self.folder.setToolTip("The folder that pairs were exported into")
        self.preset = combo(_PRESETS)
        self.preset.setToolTip("How long it trains")
        self.about = small_label()
        self.purpose, self.aim = combo(_PURPOSES), small_label()
        self.purpose.setToolTip("Whose patients the new model is for")
        self.advanced = FinetuneAdvanced()
        self.more = Section("Advanced", self.advanced, opened=False)
        content, grid = new_form()
        add_row(grid, 0, "Pairs", self.folder, self.browse)
        add_row(grid, 1, "For", self.purpose)
        grid.addWidget(self.aim, 2, 1)
        add_row(grid, 3, "Preset", self.preset)
        grid.addWidget(self.about, 4, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(content)
        layout.addWidget(self.more)
        self.browse.clicked.connect(self._browse)
        self.folder.textChanged.connect(lambda _text: self.changed.emit())
        self.preset.currentIndexChanged.connect(self._show_preset)
        self.advanced.changed.connect(self.changed)
        self.purpose.currentIndexChanged.connect(self._show_purpose)
        self._show_preset()
        self._show_purpose()

    def settings(self) -> FinetuneSettings:
        """What the fields say. Raises ``SettingsError``."""
        text = self.folder.text().strip()
        if not text:
            raise SettingsError("Choose the folder of the pairs to learn from.")
        return FinetuneSettings(
            pairs_folder=Path(text),
            preset=self.preset.currentData(),
            purpose=self.purpose.currentData(),
            **self.advanced.choices(),
        )

    def propose(self, folder: str) -> None:
        """Put the last export in; what the user has typed stays."""
        if folder and (not self.folder.text() or not self.folder.isModified()):
            self.folder.setText(folder)

    def _show_preset(self) -> None:
        preset = self.preset.currentData()
        self.about.setText(_WORDS[preset])
        self.advanced.show_preset(preset)
        self.changed.emit()

    def _show_purpose(self) -> None:
        self.aim.setText(_PURPOSE_WORDS[self.purpose.currentData()])
        self.changed.emit()

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of the pairs", self.folder.text())
        if chosen:
            self.folder.setText(chosen)
            self.folder.setModified(True)
