"""A titled part of the dock that folds away."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from .style import SECTION_HEADER, SPACING_PX


class Section(QWidget):
    """A header that folds what is below it.

    Parameters
    ----------
    title : str
    content : QWidget
    opened : bool
        Whether its content is seen at first.
    """

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None, *, opened: bool = True) -> None:
        super().__init__(parent)
        self._title = title
        self.content = content
        self.header = QPushButton()
        self.header.setCheckable(True)
        self.header.setChecked(opened)
        self.header.setToolTip(f"Show or hide “{title}”")
        self.header.setStyleSheet(SECTION_HEADER)
        self.header.toggled.connect(self._fold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addWidget(self.header)
        layout.addWidget(content)
        self._fold(opened)

    def _fold(self, opened: bool) -> None:
        self.header.setText(f"{'▾' if opened else '▸'}  {self._title}")
        self.content.setVisible(opened)
