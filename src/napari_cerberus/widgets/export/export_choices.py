"""What is the same for every exported image: which mask, how tiles are cut."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QVBoxLayout, QWidget

from ...pairs.write.export_source import TILE_SIDE_RANGE_PX, ExportSettings
from ...tasks import GLANDS, INSTANCE_TASKS
from ..base.forms import add_row, combo, new_form, whole_number
from ..base.section import Section
from ..base.style import SPACING_PX, guard_wheel
from .export_checked import ExportChecked

_OBJECTS = (("All but rejected ones", "all"), ("Accepted and edited only", "accepted"))
_CUT = (("Grid over the whole image", "grid"), ("Around accepted objects", "objects"))
_SMALL = (("Pad with white", "pad"), ("Refuse", "refuse"))
_EMPTY = (("Leave out", "leave_out"), ("Write all the same", "write"))
_ANY_CATEGORY = "any"


class ExportChoices(QWidget):
    """The form's lower half.

    Attributes
    ----------
    changed : Signal()
        A field is another.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        usual = ExportSettings(patient_id=None, category=_ANY_CATEGORY)
        self.task, self.objects = combo(), combo(_OBJECTS)
        self.cut, self.small, self.empty = combo(_CUT), combo(_SMALL), combo(_EMPTY)
        self.tile = whole_number(usual.tile_px, TILE_SIDE_RANGE_PX, " px")
        self.overlap = whole_number(usual.overlap_px, (0, usual.tile_px - 1), " px")
        self.tissue = whole_number(round(100 * usual.min_tissue_share), (0, 100), " %")
        self.magnification = whole_number(usual.magnification, (1, 100_000))
        self.pixel_size = _pixel_size()
        self.checked = ExportChecked()
        self._explain()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(Section("What models may learn", self.checked))
        layout.addWidget(Section("Mask", self._mask_form()))
        layout.addWidget(Section("Tiles", self._tile_form()))
        self.show_tasks(INSTANCE_TASKS)
        self._connect()

    def show_tasks(self, tasks: Iterable[str]) -> None:
        """Offer the tasks that some image has labels of; glands where there are any."""
        wanted = self.task.currentData() or GLANDS
        self.task.blockSignals(True)
        self.task.clear()
        for task in tasks:
            self.task.addItem(task, task)
        self.task.setCurrentIndex(max(self.task.findData(wanted), 0))
        self.task.blockSignals(False)

    def settings(self, when_changed: str) -> ExportSettings:
        """What the fields say; patient and category are set image by image. Raises ``SettingsError``."""
        return ExportSettings(
            patient_id=None,
            category=_ANY_CATEGORY,
            magnification=self.magnification.value(),
            task=self.task.currentData() or GLANDS,
            checked=self.checked.checked,
            objects=self.objects.currentData(),
            pixel_size_um=self.pixel_size.value() or None,
            tile_px=self.tile.value(),
            cut=self.cut.currentData(),
            overlap_px=self.overlap.value(),
            min_tissue_share=self.tissue.value() / 100,
            small=self.small.currentData(),
            empty=self.empty.currentData(),
            when_changed=when_changed,  # type: ignore[arg-type]
        )

    def _mask_form(self) -> QWidget:
        content, grid = new_form()
        add_row(grid, 0, "Mask of", self.task)
        add_row(grid, 1, "Objects", self.objects)
        add_row(grid, 2, "If empty", self.empty)
        return content

    def _tile_form(self) -> QWidget:
        content, grid = new_form()
        add_row(grid, 0, "Side", self.tile)
        add_row(grid, 1, "Pixel size", self.pixel_size)
        add_row(grid, 2, "Cut", self.cut)
        add_row(grid, 3, "Overlap", self.overlap)
        add_row(grid, 4, "Tissue ≥", self.tissue)
        add_row(grid, 5, "If smaller", self.small)
        add_row(grid, 6, "Magnif.", self.magnification)
        return content

    def _explain(self) -> None:
        self.task.setToolTip("Whose objects are white in the mask; the sidecar keeps the labels of every task.")
        self.objects.setToolTip("Rejected objects never enter a mask.")
        self.tile.setToolTip("EBHI-SEG has tiles of 224 px.")
        self.pixel_size.setToolTip("0 keeps the image's own pixels; any other size resamples image and labels.")
        self.tissue.setToolTip("Tiles of a larger image that show less tissue than this are left out.")
        self.small.setToolTip("What happens to an image that is smaller than one tile")
        self.magnification.setToolTip("Stands in the file names, as in EBHI-SEG (400 is a 40× objective).")

    def _connect(self) -> None:
        self.checked.changed.connect(self.changed.emit)
        self.tile.valueChanged.connect(lambda side: self.overlap.setMaximum(side - 1))
        self.cut.currentIndexChanged.connect(lambda _index: self.overlap.setEnabled(self.cut.currentData() == "grid"))
        for box in (self.task, self.objects, self.cut, self.small, self.empty):
            box.currentIndexChanged.connect(lambda _index: self.changed.emit())
        for spin in (self.tile, self.overlap, self.tissue, self.magnification, self.pixel_size):
            spin.valueChanged.connect(lambda _value: self.changed.emit())


def _pixel_size() -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(0.0, 20.0)
    spin.setDecimals(3)
    spin.setSingleStep(0.1)
    spin.setSuffix(" µm")
    spin.setSpecialValueText("as the image")
    spin.setKeyboardTracking(False)
    guard_wheel(spin)
    return spin
