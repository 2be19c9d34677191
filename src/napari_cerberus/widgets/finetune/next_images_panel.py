"""Which image next?: a folder is looked through, and the images that would teach the model most are listed."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...tasks import GLANDS, LUMINA, NUCLEI
from ...viewer.controller import Controller
from ...viewer.session import JobStatus
from ..base.forms import add_row, new_form
from ..base.job_bar import JobBar
from ..base.section import Section
from ..base.style import SPACING_PX, small_label

_ABOUT = (
    "The images of a folder that are worth your time most: those where the model is unsure of what you correct, unlike "
    "those that you have exported, and unlike each other."
)
_HOW = "Double-click opens an image; annotate and correct it, and export it with the others."
_TASKS = {GLANDS: "Glands", NUCLEI: "Nuclei", LUMINA: "Lumina", "": "All of them"}
_LIST_HEIGHT_PX = 190


class NextImagesPanel(QWidget):
    """Folded at first.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._next = controller.next_images
        self.folder, self.browse = QLineEdit(), QPushButton("…")
        self.folder.setPlaceholderText("folder of images")
        self.folder.setToolTip("A folder with images that nobody has annotated yet")
        self.browse.setFixedWidth(30)
        self.browse.setToolTip("Choose the folder of images.")
        self.task = QComboBox()
        self.task.setToolTip("The kind of object that you will correct in them")
        for task, words in _TASKS.items():
            self.task.addItem(words, task)
        self.look = QPushButton("Look through them")
        self.look.setToolTip("Reads each image once with the model that is chosen under Annotate; napari can be used.")
        self.job_bar = JobBar(self._next.status, self._next.status_changed, self._next.cancel)
        self.list, self.how = QListWidget(), small_label(_HOW)
        self.list.setToolTip("The best first; double-click, or Enter, opens one.")
        self.list.setWordWrap(True)
        self.list.setSpacing(2)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setMinimumHeight(_LIST_HEIGHT_PX)
        self._lay_out()
        self.browse.clicked.connect(self._browse)
        self.look.clicked.connect(self._look)
        self.folder.returnPressed.connect(self._look)
        self.list.itemActivated.connect(self._open)
        self._next.status_changed.connect(self._show_status)
        self._next.proposal_changed.connect(self._show_proposal)
        self._show_proposal()

    def _lay_out(self) -> None:
        form, grid = new_form()
        add_row(grid, 0, "Images", self.folder, self.browse)
        add_row(grid, 1, "Correct", self.task)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        for widget in (small_label(_ABOUT), form, self.look, self.job_bar, self.list, self.how):
            inner.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.section = Section("Which image next?", content, opened=False)
        layout.addWidget(self.section)

    def _browse(self) -> None:
        if chosen := QFileDialog.getExistingDirectory(self, "Folder of images", self.folder.text()):
            self.folder.setText(chosen)

    def _look(self) -> None:
        self._next.look(self.folder.text(), self.task.currentData())

    def _open(self, item: QListWidgetItem) -> None:
        self._next.open(self.list.row(item))

    def _show_status(self, status: JobStatus) -> None:
        self.look.setEnabled(not status.state.busy)
        self.folder.setEnabled(not status.state.busy)
        self.task.setEnabled(not status.state.busy)

    def _show_proposal(self) -> None:
        proposal = self._next.proposal
        self.list.clear()
        for place, field in enumerate(() if proposal is None else proposal.fields, start=1):
            self.list.addItem(f"{place}. {field.name}\n{field.reason}")
        there = self.list.count() > 0
        self.list.setVisible(there)
        self.how.setVisible(there)
