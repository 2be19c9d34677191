"""Two questions the dock may ask: restore earlier corrections, and merge a new result into corrected layers."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ...errors import CerberusError
from ...viewer.controller import Controller
from ..base.forms import button_row
from ..base.style import SPACING_PX, Banner, Tone


class Offers(QWidget):
    """Hidden while there is nothing to ask.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._restore, self._rerun = controller.correct.restore, controller.correct.rerun
        self.earlier, self.preview = Banner(), Banner()
        self.restore, self.not_now = QPushButton("Restore"), QPushButton("Not now")
        self.merge, self.add_beside, self.discard = (
            QPushButton("Merge"),
            QPushButton("Add beside"),
            QPushButton("Discard"),
        )
        self.restore.setToolTip("Bring back the layers with your earlier corrections.")
        self.not_now.setToolTip("Leave the earlier corrections on disk; they are offered again next time.")
        self.merge.setToolTip("Untouched objects take the new result, yours stay; Ctrl+Z takes it back.")
        self.add_beside.setToolTip("Add the new result as layers of its own")
        self.discard.setToolTip("Forget the new result")
        self._earlier_row = button_row(self.restore, self.not_now)
        self._merge_row = button_row(self.merge, self.add_beside, self.discard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        for widget in (self.earlier, self._earlier_row, self.preview, self._merge_row):
            layout.addWidget(widget)
        self._connect()
        self.show_offers()

    def show_offers(self) -> None:
        """Show what there is to decide."""
        earlier, offer = self._restore.sentence, self._rerun.offer
        self.earlier.say(earlier, Tone.INFO)
        self._earlier_row.setVisible(bool(earlier))
        self.preview.say("" if offer is None else "\n".join(offer.lines), Tone.INFO)
        self._merge_row.setVisible(offer is not None)
        self.setVisible(bool(earlier) or offer is not None)

    def _connect(self) -> None:
        self._restore.offer_changed.connect(self.show_offers)
        self._rerun.offer_changed.connect(self.show_offers)
        self.restore.clicked.connect(self._restore_earlier)
        self.not_now.clicked.connect(self._restore.decline)
        self.merge.clicked.connect(self._rerun.accept)
        self.add_beside.clicked.connect(self._put_beside)
        self.discard.clicked.connect(self._rerun.drop)

    def _restore_earlier(self) -> None:
        self._guard(self._restore.accept)

    def _put_beside(self) -> None:
        self._guard(self._rerun.put_beside)

    def _guard(self, action: Callable[[], None]) -> None:
        try:
            action()
        except CerberusError as error:
            self.setVisible(True)
            self.preview.say(str(error), Tone.BAD)
