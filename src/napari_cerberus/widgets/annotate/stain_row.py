"""Adapt to this stain: one button, the question what to adapt to, and the way back."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...viewer.adapt.stain_adapting import StainAdapting, StainSource
from ...viewer.session import Session
from ..base.forms import add_row, combo, new_form
from ..base.job_bar import JobBar
from ..base.style import SPACING_PX, small_label

_SOURCES = (
    ("all open images", StainSource.OPEN),
    ("the chosen image alone", StainSource.CHOSEN),
    ("a folder of images …", StainSource.FOLDER),
)
_ABOUT = (
    "A copy of the model takes over how your laboratory's stain looks, from tissue in these images; nobody has to "
    "draw anything. Take several images of one laboratory: from one alone it often gets worse. The model itself stays "
    "as it is."
)


class StainRow(QWidget):
    """Button and progress.

    Parameters
    ----------
    adapting : StainAdapting
    session : Session
    """

    def __init__(self, adapting: StainAdapting, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._adapting, self._session = adapting, session
        self.adapt = QPushButton("Adapt to this stain …")
        self.adapt.setToolTip("A copy of the model for your laboratory's stain, from unlabelled images; can be undone.")
        self.back = QPushButton()
        self.job_bar = JobBar(adapting.status, adapting.status_changed, adapting.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        for widget in (self.adapt, self.back, self.job_bar):
            layout.addWidget(widget)
        self.adapt.clicked.connect(self._ask)
        self.back.clicked.connect(adapting.back)
        for changed in (session.events.models, session.events.model_name, session.events.image_id):
            changed.connect(self._show)
        adapting.status_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        parent = self._adapting.parent
        busy = self._adapting.status.state.busy
        self.adapt.setVisible(not parent)
        self.adapt.setEnabled(bool(self._session.model) and bool(self._session.image_id) and not busy)
        self.back.setVisible(bool(parent))
        self.back.setText(f"Back to “{parent}”")
        self.back.setToolTip(f"Annotate with “{parent}” again; the adapted copy stays in the library (Models …).")

    def _ask(self) -> None:
        dialog = StainDialog(self._session.model_name, self)
        if dialog.exec():
            self._adapting.adapt(dialog.name.text(), dialog.chosen, dialog.folder)


class StainDialog(QDialog):
    """What to adapt to, and what the copy is called.

    Parameters
    ----------
    model_name : str
    """

    def __init__(self, model_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Adapt to this stain")
        self.folder: Path | None = None
        self.name = QLineEdit(f"{model_name}, my laboratory")
        self.source = combo(_SOURCES)
        self.told = small_label()
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setText("Adapt")
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.source.activated.connect(self._choose_source)
        self.name.textChanged.connect(self._check)
        form, grid = new_form()
        add_row(grid, 0, "Stain of", self.source)
        grid.addWidget(self.told, 1, 1)
        add_row(grid, 2, "Call it", self.name)
        layout = QVBoxLayout(self)
        about = small_label(_ABOUT)
        for widget in (about, form, self.buttons):
            layout.addWidget(widget)
        self.setMinimumWidth(380)

    @property
    def chosen(self) -> StainSource:
        """Which images."""
        return StainSource(self.source.currentData())

    def _choose_source(self) -> None:
        self.folder = None
        if self.chosen is StainSource.FOLDER:
            folder = QFileDialog.getExistingDirectory(self, "A folder of H&E images of one laboratory")
            self.folder = Path(folder) if folder else None
        self.told.setText(str(self.folder) if self.folder else "")
        self._check()

    def _check(self) -> None:
        ready = bool(self.name.text().strip()) and (self.chosen is not StainSource.FOLDER or self.folder is not None)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(ready)
