"""One picture from a list of files, as wide as there is room, with buttons to walk through the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QPainter, QPixmap, QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from ..base.style import SPACING_PX, small_label

_ARROW_WIDTH_PX = 26
_MOST_PX = 420
_LONG_ROW = 3
_GAP_PX = 4  # between the tiles of a row, as in finetune/run/validation_pictures.py


class FittedPicture(QLabel):
    """A picture that shrinks and grows with the column it stands in, its shape kept."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = QPixmap()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)

    def show_file(self, path: Path) -> bool:
        """Show a picture file; False where it cannot be read."""
        self._whole = _folded(QPixmap(str(path)))
        self._fit()
        return not self._whole.isNull()

    def sizeHint(self) -> QSize:
        """No wider than the column."""
        return QSize(80, self.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        width = min(self.width(), _MOST_PX)
        if self._whole.isNull() or width < 1:
            self.clear()
            self.setFixedHeight(0)
            return
        scaled = self._whole.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
        self.setFixedHeight(scaled.height())
        self.setPixmap(scaled)


def _folded(picture: QPixmap) -> QPixmap:
    """A long row of tiles becomes two rows: a dock is narrow."""
    pitch = picture.height() + _GAP_PX
    tiles = (picture.width() + _GAP_PX) // pitch
    if picture.isNull() or tiles <= _LONG_ROW:
        return picture
    first = (tiles + 1) // 2 * pitch
    folded = QPixmap(first - _GAP_PX, 2 * pitch - _GAP_PX)
    folded.fill(Qt.GlobalColor.white)
    painter = QPainter(folded)
    painter.drawPixmap(0, 0, picture, 0, 0, first - _GAP_PX, picture.height())
    painter.drawPixmap(0, pitch, picture, first, 0, picture.width() - first, picture.height())
    painter.end()
    return folded


class Pictures(QWidget):
    """The newest of a growing list, until the user walks back.

    Parameters
    ----------
    title : str
        Stands above, with step and number of the picture.
    legend : str
        What its colours mean.
    """

    def __init__(self, title: str, legend: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._legend = title, legend
        self._paths: tuple[Path, ...] = ()
        self._place = 0
        self.caption = small_label()
        self.back, self.forth = QPushButton("◂"), QPushButton("▸")
        self.back.setToolTip("Earlier picture")
        self.forth.setToolTip("Later picture")
        self.picture = FittedPicture()
        line = QHBoxLayout()
        line.addWidget(self.caption, 1)
        for button, by in ((self.back, -1), (self.forth, 1)):
            button.setFixedWidth(_ARROW_WIDTH_PX)
            button.clicked.connect(lambda _checked=False, by=by: self._walk(by))
            line.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addLayout(line)
        layout.addWidget(self.picture)
        layout.addWidget(small_label(legend))
        self.hide()

    def show_paths(self, paths: Sequence[Path]) -> None:
        """Show these, newest last."""
        paths = tuple(paths)
        if paths == self._paths:
            return
        followed = self._place >= len(self._paths) - 1
        self._paths = paths
        self.setVisible(bool(paths))
        self._place = len(paths) - 1 if followed else min(self._place, len(paths) - 1)
        self._show()

    def _walk(self, by: int) -> None:
        self._place = min(max(self._place + by, 0), len(self._paths) - 1)
        self._show()

    def _show(self) -> None:
        if not self._paths:
            return
        last = len(self._paths) - 1
        path = self._paths[self._place]
        readable = self.picture.show_file(path)
        step = path.stem.rpartition("-")[2].lstrip("0")
        what = f"{self._title}, step {step or 0}" if readable else f"{path.name} cannot be read"
        self.caption.setText(f"{what} ({self._place + 1} of {last + 1})")
        self.picture.setToolTip(self._legend)
        self.back.setEnabled(self._place > 0)
        self.forth.setEnabled(self._place < last)
