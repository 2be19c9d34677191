"""Which pairs to learn from, and how long: the form above Check."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...errors import SettingsError
from ...finetune.finetune_settings import FinetuneSettings
from ..base.section import Section
from ..base.settings_form import SettingsForm, says
from ..base.style import SPACING_PX
from .finetune_advanced import FinetuneAdvanced

_PURPOSES = {
    "laboratory": "As good as possible on patients like yours. What it loses on other tissue is shown, not prevented.",
    "everyone": "Learns less from your patients, so that it stays as good as it was on other tissue.",
}
_PRESETS = {
    "quick": "Minutes. Try this first.",
    "standard": "More than twice as long: better where there are many tiles.",
    "thorough": "Several times as long; hours without a GPU.",
}
_SETTINGS = {
    "pairs_folder": says("Pairs", "The folder that pairs were exported into", mode="d", nullable=True),
    "purpose": says(
        "For",
        "Whose patients the new model is for",
        choices=(("My laboratory", "laboratory"), ("All laboratories", "everyone")),
        told=_PURPOSES,
    ),
    "preset": says(
        "Preset",
        "How long it trains",
        choices=[(preset.capitalize(), preset) for preset in _PRESETS],
        told=_PRESETS,
    ),
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
        self.fields = SettingsForm(FinetuneSettings, _SETTINGS, pairs_folder=None)
        self.folder = self.fields.pairs_folder.line_edit.native
        self.folder.setPlaceholderText("folder of exported pairs")
        browse = self.fields.pairs_folder.choose_btn
        browse.text, browse.max_width, browse.tooltip = "…", 30, "Choose the folder that pairs were exported into."
        self._proposed = ""
        self.advanced = FinetuneAdvanced()
        self.more = Section("Advanced", self.advanced, opened=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(self.fields.native)
        layout.addWidget(self.more)
        self.fields.preset.changed.connect(self.advanced.show_preset)
        self.fields.changed.connect(lambda: self.changed.emit())
        self.advanced.changed.connect(self.changed)
        self.advanced.show_preset(self.fields.preset.value)

    def settings(self) -> FinetuneSettings:
        """What the fields say. Raises ``SettingsError``."""
        folder = self.folder.text().strip()
        if not folder:
            raise SettingsError("Choose the folder of the pairs to learn from.")
        return FinetuneSettings(**self.fields.asdict() | {"pairs_folder": Path(folder)}, **self.advanced.choices())

    def propose(self, folder: str) -> None:
        """Put the last export in; what the user has chosen stays."""
        if folder and self.folder.text() in ("", self._proposed):
            self.folder.setText(folder)
            self._proposed = folder
