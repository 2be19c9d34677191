"""Correction tools as buttons: what each does and its key stand in its tooltip."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFileDialog, QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...annotation.store import SUFFIX
from ...viewer.colours import class_colour
from ...viewer.controller import Controller
from ...viewer.correct.tools import TOOLS, Needs
from ..base.section import Section
from ..base.style import SPACING_PX, Banner, Tone, clear, small_label
from ..base.tab_order import tab_in_reading_order
from .canvas_note import CanvasNote
from .compare_dialog import CompareDialog
from .key_table import KeyTable, shown_key
from .layer_buttons import LayerButtons
from .small_objects import SmallObjects
from .window_keys import WindowKeys

_COLUMNS = 3
_NAMED_CLASSES = 2
"""So many class buttons have room for names; of more, the tooltip says the name."""
_SAVE_TIP = (
    "Save labels, table, review and history as one folder, all annotated parts of a slide in it; it opens again with "
    "File ▸ Open. Asks where once; File ▸ Save Selected Layers saves elsewhere."
)
_ARMED = "QPushButton:checked { background-color: #2d7dd2; color: white; }"


class CorrectPanel(QWidget):
    """Hidden until there is a result layer.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._correct = controller.correct
        self._tools = controller.correct.tools
        self.buttons = {name: self._tool_button(name) for name in TOOLS}
        self.layer = small_label()
        self.classes = QHBoxLayout()
        self.switch = LayerButtons(controller.correct.switch, controller.session)
        self.small = SmallObjects(self._tools)
        self.undo, self.redo = QPushButton("Undo"), QPushButton("Redo")
        self.keys, self.save, self.compare = QPushButton("Keys …"), QPushButton("Save …"), QPushButton("Compare …")
        self.message, self.note = Banner(), CanvasNote(self)
        self._window_keys = WindowKeys(controller.correct, self)
        self._set_up_fields()
        self._lay_out()
        self._connect()
        self._show_active()

    def _tool_button(self, name: str) -> QPushButton:
        tool = TOOLS[name]
        button = QPushButton(tool.title)
        button.setToolTip(f"{tool.tip}  Key: {shown_key(tool.key)}")
        button.setCheckable(tool.needs is not Needs.OBJECT)
        button.setStyleSheet(_ARMED)
        button.clicked.connect(lambda: self._tools.use(name))
        return button

    def _set_up_fields(self) -> None:
        self.undo.setToolTip("Take the last step back  Key: Ctrl+Z")
        self.redo.setToolTip("Make it again  Key: Ctrl+Shift+Z")
        self.keys.setToolTip("All tools and keys in a table")
        self.save.setToolTip(_SAVE_TIP)
        self.compare.setToolTip("What was gained, lost or changed since a saved version, or between two of them")

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(SPACING_PX // 2)
        for place, button in enumerate(self.buttons.values()):
            grid.addWidget(button, *divmod(place, _COLUMNS))
        self.classes.setSpacing(2)
        rows = [_row(self.small), _row(self.undo, self.redo, self.keys), _row(self.save, self.compare)]
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(2, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        inner.addWidget(self.switch)
        inner.addWidget(self.layer)
        inner.addLayout(grid)
        inner.addLayout(self.classes)
        for row in rows:
            inner.addLayout(row)
        inner.addWidget(self.message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Section("Correct", content))

    def _connect(self) -> None:
        corrections = self._correct.corrections
        self.undo.clicked.connect(corrections.undo)
        self.redo.clicked.connect(corrections.redo)
        self.keys.clicked.connect(lambda: KeyTable(self).show())
        self.save.clicked.connect(self._ask_and_save)
        self.compare.clicked.connect(lambda: CompareDialog(self._correct.comparing, self).show())
        corrections.active_changed.connect(self._show_active)
        corrections.said.connect(self._say)
        self._tools.pointer.armed_changed.connect(self._show_armed)

    def _ask_and_save(self) -> None:
        if (known := self._correct.saved_in()) is not None:
            self._correct.save(known)
            return
        one = self._correct.corrections.active
        name = "" if one is None else proposed_path(one.record.image_path, one.record.image_name)
        path, _ = QFileDialog.getSaveFileName(self, "Save the annotation", name, f"Cerberus annotation (*{SUFFIX})")
        if path:
            self._correct.save(Path(path))

    # -- showing ---------------------------------------------------------------------------------

    def _say(self, sentence: str, problem: bool) -> None:
        self.message.say(sentence, Tone.CAUTION if problem else Tone.INFO)
        self.note.say(sentence, problem=problem)

    def _show_armed(self, armed: str) -> None:
        for name, button in self.buttons.items():
            button.setChecked(name == armed)

    def showEvent(self, event: QShowEvent) -> None:
        """Listen to keys in the window that this has come into."""
        super().showEvent(event)
        self._window_keys.follow()

    def _show_active(self) -> None:
        one = self._correct.corrections.active
        self.setVisible(one is not None)
        if one is None:
            return
        chosen = f"object {one.selected} chosen" if one.selected else "click an object to choose it"
        self.layer.setText(f"{one.layer.name}: {chosen}")
        self.buttons["clip"].setEnabled(one.task == "lumina")
        self._show_classes()
        self.small.show_active()

    def _show_classes(self) -> None:
        names = self._tools.classes(self._correct.corrections.active)
        clear(self.classes)
        for number, name in enumerate(names, start=1):
            button = QPushButton(f"{number} {name}" if len(names) <= _NAMED_CLASSES else str(number))
            button.setToolTip(f"Make it {name}  Key: {number} on the number pad, or Alt+{number}")
            button.setStyleSheet(f"border-bottom: 3px solid {class_colour(name)}; padding: 3px;")
            button.clicked.connect(partial(self._tools.number, number))
            self.classes.addWidget(button)
        tab_in_reading_order(self)  # of new buttons


def proposed_path(image_path: str, image_name: str) -> str:
    """Where an annotation is saved unless the user says otherwise: beside its image, under the image's name."""
    folder, name = Path(image_path).parent, f"{image_name}{SUFFIX}"
    return str(folder / name) if image_path and folder.is_dir() else name


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(SPACING_PX // 2)
    for widget in widgets:
        row.addWidget(widget, 1)
    return row
