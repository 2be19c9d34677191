"""The steps of the work as tabs; each page scrolls up and down, and never sideways."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QCoreApplication, QEvent, QObject, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from .style import SPACING_PX, STEP_BUTTON

_SHOWN_HEIGHT_PX = 240
_EDGES_PX = 4
"""napari's style gives the frame an edge that Qt does not count."""
_RESIZING = (QEvent.Type.LayoutRequest, QEvent.Type.StyleChange, QEvent.Type.FontChange)


class Page(QScrollArea):
    """Panels under one another. It is never narrower than they need, whatever theme, font or language they are in.

    Parameters
    ----------
    panels : sequence of QWidget
        From top to bottom.
    """

    def __init__(self, panels: Sequence[QWidget], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QWidget()
        self.column = QVBoxLayout(column)
        self.column.setContentsMargins(SPACING_PX, SPACING_PX, SPACING_PX, SPACING_PX)
        self.column.setSpacing(SPACING_PX)
        for panel in panels:
            self.column.addWidget(panel)
        self.column.addStretch(1)
        self.setWidget(column)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it has the focus, and is scrolled to
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:
        """As wide as the panels need beside the scroll bar; as high as the window likes."""
        needed = self.widget().minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width() + _EDGES_PX
        return QSize(needed, 0)

    def sizeHint(self) -> QSize:
        """The least width is the right width: the image needs the rest."""
        return QSize(self.minimumSizeHint().width(), _SHOWN_HEIGHT_PX)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask for another width when the panels need one: napari restyles them after they were made."""
        handled = bool(super().eventFilter(watched, event))
        if watched is self.widget() and event.type() in _RESIZING:
            self.updateGeometry()
            if watched.height() < watched.minimumSizeHint().height():  # Qt does not always see that it has grown
                QCoreApplication.postEvent(self, QEvent(QEvent.Type.LayoutRequest))
        return handled

    def scrollContentsBy(self, _dx: int, dy: int) -> None:
        """Up and down only: the focus must not shift the column."""
        super().scrollContentsBy(0, dy)

    def show_panel(self, panel: QWidget) -> None:
        """Bring the upper edge of a panel into sight."""
        self.verticalScrollBar().setValue(panel.mapTo(self.widget(), panel.rect().topLeft()).y())


class Steps(QWidget):
    """A row of steps, and the page of the chosen one.

    Attributes
    ----------
    chosen : Signal(str)
        Key of the step that is shown now.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pages: dict[str, Page] = {}
        self.buttons: dict[str, QPushButton] = {}
        # Otherwise napari adds a stretch below them that outgrows them with every dock that is opened in a session.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._group = QButtonGroup(self)
        self.bar = QHBoxLayout()
        self.bar.setSpacing(0)
        self._stack = QStackedWidget()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self.bar)
        layout.addWidget(self._stack, 1)

    def add(self, key: str, title: str, tip: str, *panels: QWidget) -> Page:
        """Add a step; the first one is shown."""
        button = QPushButton(title.replace("&", "&&"))
        button.setCheckable(True)
        button.setToolTip(tip)
        button.setStyleSheet(STEP_BUTTON)
        button.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        button.clicked.connect(lambda: self.show_step(key))
        self._group.addButton(button)
        self.bar.addWidget(button, 1)
        self.buttons[key], self.pages[key] = button, Page(panels)
        self._stack.addWidget(self.pages[key])
        if len(self.pages) == 1:
            button.setChecked(True)
        return self.pages[key]

    @property
    def current(self) -> str:
        """Key of the step that is shown."""
        return next(key for key, page in self.pages.items() if page is self._stack.currentWidget())

    def show_panel(self, panel: QWidget) -> None:
        """Show the step that a panel belongs to, and the panel's upper edge."""
        key = next(key for key, page in self.pages.items() if page.widget().isAncestorOf(panel))
        self.show_step(key)
        self.pages[key].show_panel(panel)

    def show_step(self, key: str) -> None:
        """Show the page of a step."""
        if key == self.current:
            return
        self.buttons[key].setChecked(True)
        self._stack.setCurrentWidget(self.pages[key])
        self.chosen.emit(key)
