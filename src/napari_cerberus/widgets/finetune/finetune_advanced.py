"""What can be changed about a fine-tune and seldom needs to be. Fields show the preset's values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...finetune.finetune_settings import AUGMENTATIONS, Preset, preset_values
from ...tasks import INSTANCE_TASKS
from ...training.run_settings import AugmentSettings
from ..base.forms import add_row, combo, new_form, whole_number
from ..base.style import SPACING_PX, guard_wheel, small_label

_LAYERS = (
    ("None: decoders only", 5),
    ("Its last layer", 4),
    ("Its last two layers", 3),
    ("Its last three layers", 2),
    ("All of it", 1),
)
_SAMPLING = (("One kind of tile a batch", "fixed"), ("All kinds in every batch", "mixed"))
_TASKS = (*INSTANCE_TASKS, "tissue")
_AUGMENT_WORDS = {"brightness_contrast": "brightness", "resolution": "sharpness"}
_SEEDS = (0, 2**31 - 1)
_EPOCHS, _BATCH = (1, 10_000), (2, 256)


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
        self._preset: dict[str, Any] = {}
        self.name = QLineEdit()
        self.name.setPlaceholderText("made from base model and date")
        self.base = combo((("The one in use", ""),))
        self.tasks = {key: QCheckBox(key) for key in _TASKS}
        self.layer, self.sampling = combo(_LAYERS), combo(_SAMPLING)
        self.epochs, self.batch = whole_number(1, _EPOCHS), whole_number(2, _BATCH, " tiles")
        self.rate, self.seed = _rate(), whole_number(0, _SEEDS)
        usual = AugmentSettings()
        self.augment = {name: whole_number(_percent(getattr(usual, name)), (0, 100), " %") for name in AUGMENTATIONS}
        self.reset = QPushButton("Back to the preset")
        self._explain()
        self._lay_out()
        self._connect()

    def show_preset(self, preset: Preset) -> None:
        """Put the preset's values into the fields it sets."""
        self._preset = preset_values(preset)
        self.layer.setCurrentIndex(self.layer.findData(self._preset["train_from_layer"]))
        self.epochs.setValue(self._preset["epochs"])
        self.batch.setValue(self._preset["batch_size"])
        self.rate.setValue(self._preset["learning_rate"])

    def show_models(self, names: Iterable[str]) -> None:
        """Offer these models as the base."""
        chosen = self.base.currentData()
        self.base.blockSignals(True)
        self.base.clear()
        self.base.addItem("The one in use", "")
        for name in names:
            self.base.addItem(name, name)
        self.base.setCurrentIndex(max(self.base.findData(chosen), 0))
        self.base.blockSignals(False)

    def choices(self) -> dict[str, Any]:
        """Fields of ``FinetuneSettings``; None where the preset's value was left."""
        ticked = tuple(key for key, box in self.tasks.items() if box.isChecked())
        usual = AugmentSettings()
        return {
            "name": self.name.text().strip(),
            "base_model": self.base.currentData() or "",
            "tasks": ticked,
            "train_from_layer": self._unless_preset("train_from_layer", self.layer.currentData()),
            "epochs": self._unless_preset("epochs", self.epochs.value()),
            "batch_size": self._unless_preset("batch_size", self.batch.value()),
            "learning_rate": self._unless_preset("learning_rate", self.rate.value()),
            "augment": {
                name: spin.value() / 100
                for name, spin in self.augment.items()
                if spin.value() != _percent(getattr(usual, name))
            },
            "sampling": self.sampling.currentData(),
            "seed": self.seed.value(),
        }

    def _unless_preset(self, name: str, value: Any) -> Any:
        return None if value == self._preset.get(name) else value

    def _reset(self) -> None:
        self.layer.setCurrentIndex(self.layer.findData(self._preset["train_from_layer"]))
        self.epochs.setValue(self._preset["epochs"])
        self.batch.setValue(self._preset["batch_size"])
        self.rate.setValue(self._preset["learning_rate"])
        usual = AugmentSettings()
        for name, spin in self.augment.items():
            spin.setValue(_percent(getattr(usual, name)))
        for box in self.tasks.values():
            box.setChecked(False)
        self.base.setCurrentIndex(0)
        self.sampling.setCurrentIndex(0)
        self.seed.setValue(0)
        self.name.clear()

    def _explain(self) -> None:
        self.name.setToolTip("How the new model is called in the library")
        self.batch.setToolTip("Tiles in one training step; more need more memory.")
        self.reset.setToolTip("Take the values of the chosen preset again.")
        for key, box in self.tasks.items():
            box.setToolTip(f"Train {key}; without any tick, all that the pairs hold are trained.")
        for name, spin in self.augment.items():
            spin.setToolTip(f"How often a training tile gets this variation ({name.replace('_', ' ')})")
        self.base.setToolTip("The model to start from")
        self.layer.setToolTip("How much of the shared encoder may change; less forgets less.")
        self.epochs.setToolTip("How often every training tile is seen")
        self.rate.setToolTip("Learning rate at its highest; halve it if the curves jump.")
        self.sampling.setToolTip("Which tiles share a training step")
        self.seed.setToolTip("The same seed, data and computer give the same model.")

    def _lay_out(self) -> None:
        content, grid = new_form()
        rows = (
            ("Name", self.name),
            ("Start from", self.base),
            ("Tasks", self._task_boxes()),
            ("Encoder", self.layer),
            ("Epochs", self.epochs),
            ("Batch", self.batch),
            ("Rate", self.rate),
            ("Sampling", self.sampling),
            ("Seed", self.seed),
            ("Augment", self._augment_grid()),
        )
        for row, (title, field) in enumerate(rows):
            add_row(grid, row, title, field, top=title in ("Tasks", "Augment"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING_PX, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(content)
        layout.addWidget(self.reset)

    def _task_boxes(self) -> QWidget:
        holder = QWidget()
        grid = QGridLayout(holder)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        for place, box in enumerate(self.tasks.values()):
            grid.addWidget(box, place // 2, place % 2)
        grid.addWidget(small_label("none ticked: every task that was checked in the pairs"), 2, 0, 1, 2)
        return holder

    def _augment_grid(self) -> QWidget:
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for name, spin in self.augment.items():
            line = QHBoxLayout()
            line.addWidget(small_label(_AUGMENT_WORDS.get(name, name)), 1)
            line.addWidget(spin)
            column.addLayout(line)
        return holder

    def _connect(self) -> None:
        self.reset.clicked.connect(self._reset)
        self.name.textChanged.connect(lambda _text: self.changed.emit())
        for box in self.tasks.values():
            box.toggled.connect(lambda _ticked: self.changed.emit())
        for choice in (self.base, self.layer, self.sampling):
            choice.currentIndexChanged.connect(lambda _index: self.changed.emit())
        spins: tuple[QAbstractSpinBox, ...] = (self.epochs, self.batch, self.rate, self.seed, *self.augment.values())
        for spin in spins:
            spin.valueChanged.connect(lambda _value: self.changed.emit())


def _percent(share: float) -> int:
    return round(100 * share)


def _rate() -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setDecimals(6)
    spin.setRange(1e-6, 1.0)
    spin.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    spin.setKeyboardTracking(False)
    guard_wheel(spin)
    return spin
