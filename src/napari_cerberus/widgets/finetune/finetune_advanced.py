"""What can be changed about a fine-tune and seldom needs to be. Fields show the preset's values."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...finetune.finetune_settings import AUGMENTATIONS, FinetuneSettings, Preset, preset_values
from ...tasks import INSTANCE_TASKS
from ...training.run_settings import AugmentSettings
from ..base.forms import add_row, whole_number
from ..base.settings_form import SettingsForm, says
from ..base.style import SPACING_PX, small_label

_LAYERS = (
    ("None: decoders only", 5),
    ("Its last layer", 4),
    ("Its last two layers", 3),
    ("Its last three layers", 2),
    ("All of it", 1),
)
_IN_USE = ("The one in use", "")
_SAMPLING = (("One kind of tile a batch", "fixed"), ("All kinds in every batch", "mixed"))
_SETTINGS = {
    "name": says("Name", "How the new model is called in the library"),
    "base_model": says("Start from", "The model to start from", choices=(_IN_USE,)),
    "train_from_layer": says(
        "Encoder", "How much of the shared encoder may change; less forgets less.", choices=_LAYERS
    ),
    "epochs": says("Epochs", "How often every training tile is seen", min=1, max=10_000),
    "batch_size": says("Batch", "Tiles in one training step; more need more memory.", min=2, max=256),
    "learning_rate": says(
        "Rate", "Learning rate at its highest; halve it if the curves jump.", min=1e-6, max=1.0, step=1e-6
    ),
    "sampling": says("Sampling", "Which tiles share a training step", choices=_SAMPLING),
    "seed": says("Seed", "The same seed, data and computer give the same model.", min=0, max=2**32 - 1),
}
_TASKS = (*INSTANCE_TASKS, "tissue")
_AUGMENT_WORDS = {"brightness_contrast": "brightness", "resolution": "sharpness"}


class FinetuneAdvanced(QWidget):
    """Base model, tasks, layers, length, rate, augmentations, sampling and seed.

    Attributes
    ----------
    changed : Signal()
        A field is another.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preset = preset_values("quick")
        self.fields = SettingsForm(FinetuneSettings, _SETTINGS, **self._preset)
        self.fields["name"].native.setPlaceholderText("made from base model and date")
        self.fields.learning_rate.adaptive_step = True
        self.tasks = {key: QCheckBox(key) for key in _TASKS}
        self.augment = {name: whole_number(_usual(name), (0, 100), " %") for name in AUGMENTATIONS}
        self.reset = QPushButton("Back to the preset")
        self.reset.setToolTip("Take the values of the chosen preset again.")
        self._lay_out()
        self._connect()

    def show_preset(self, preset: Preset) -> None:
        """Put the preset's values into the fields it sets."""
        self._preset = preset_values(preset)
        self.fields.update(self._preset)

    def show_models(self, names: Iterable[str]) -> None:
        """Offer these models as the base."""
        offered = (_IN_USE, *((name, name) for name in names))
        self.fields.base_model.choices = lambda _widget: offered

    def choices(self) -> dict[str, Any]:
        """Fields of ``FinetuneSettings``; None where the preset's value was left."""
        values = self.fields.asdict()
        return {
            **{name: None if value == self._preset.get(name) else value for name, value in values.items()},
            "name": values["name"].strip(),
            "tasks": tuple(key for key, box in self.tasks.items() if box.isChecked()),
            "augment": {
                name: spin.value() / 100 for name, spin in self.augment.items() if spin.value() != _usual(name)
            },
        }

    def _reset(self) -> None:
        usual = FinetuneSettings(pairs_folder=Path())
        self.fields.update({name: getattr(usual, name) for name in _SETTINGS} | self._preset)
        for name, spin in self.augment.items():
            spin.setValue(_usual(name))
        for box in self.tasks.values():
            box.setChecked(False)

    def _lay_out(self) -> None:
        grid = self.fields.grid
        add_row(grid, self.fields.below("base_model"), "Tasks", self._task_boxes(), top=True)
        add_row(grid, self.fields.below("seed"), "Augment", self._augment_grid(), top=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING_PX, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(self.fields.native)
        layout.addWidget(self.reset)

    def _task_boxes(self) -> QWidget:
        holder = QWidget()
        grid = QGridLayout(holder)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        for place, (key, box) in enumerate(self.tasks.items()):
            box.setToolTip(f"Train {key}; without any tick, all that the pairs hold are trained.")
            grid.addWidget(box, place // 2, place % 2)
        grid.addWidget(small_label("none ticked: every task that was checked in the pairs"), 2, 0, 1, 2)
        return holder

    def _augment_grid(self) -> QWidget:
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for name, spin in self.augment.items():
            spin.setToolTip(f"How often a training tile gets this variation ({name.replace('_', ' ')})")
            line = QHBoxLayout()
            line.addWidget(small_label(_AUGMENT_WORDS.get(name, name)), 1)
            line.addWidget(spin)
            column.addLayout(line)
        return holder

    def _connect(self) -> None:
        self.reset.clicked.connect(self._reset)
        self.fields.changed.connect(lambda: self.changed.emit())
        for box in self.tasks.values():
            box.toggled.connect(lambda _ticked: self.changed.emit())
        for spin in self.augment.values():
            spin.valueChanged.connect(lambda _value: self.changed.emit())


def _usual(augmentation: str) -> int:
    """Its probability in percent."""
    return round(100 * float(getattr(AugmentSettings(), augmentation)))
