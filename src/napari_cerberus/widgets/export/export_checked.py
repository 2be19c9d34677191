"""What of the exported tiles is right, task by task: only that is learned from."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from ...exporting.review_counts import ReviewCount
from ...tasks import INSTANCE_TASKS
from ..base.style import SPACING_PX, small_label


class ExportChecked(QWidget):
    """One question a task, with how many of its objects were reviewed.

    The answer "yes" is proposed only where every object was decided on. What the user says stays until other images
    are ticked.

    Attributes
    ----------
    changed : Signal()
        An answer is another.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.boxes = {task: QCheckBox(f"All {task} in these tiles are right") for task in INSTANCE_TASKS}
        self.counts: dict[str, QLabel] = {task: small_label() for task in INSTANCE_TASKS}
        self._images: frozenset[str] = frozenset()
        self._said: dict[str, bool] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        for task, box in self.boxes.items():
            box.setToolTip(
                f"None of the {task} is missing, none is wrong, or there are none. Models learn {task} from these "
                "tiles, and are compared on them, only if you say so."
            )
            box.clicked.connect(lambda ticked, task=task: self._say(task, ticked))
            layout.addWidget(box)
            layout.addWidget(self.counts[task])

    @property
    def checked(self) -> tuple[str, ...]:
        """Tasks that are right."""
        return tuple(task for task, box in self.boxes.items() if box.isChecked() and not box.isHidden())

    def show_reviewed(self, images: frozenset[str], counts: Mapping[str, ReviewCount]) -> None:
        """Ask about the tasks of ``counts``; ``images`` tells whether what was said still holds."""
        if images != self._images:
            self._images, self._said = images, {}
        for task, box in self.boxes.items():
            count = counts.get(task, ReviewCount())
            box.setVisible(task in counts)
            box.setChecked(task in counts and self._said.get(task, count.complete))
            self.counts[task].setText(count.sentence)
            self.counts[task].setVisible(task in counts)

    def _say(self, task: str, ticked: bool) -> None:
        self._said[task] = ticked
        self.changed.emit()
