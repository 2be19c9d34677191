"""Why? for the tissue readout: tiles that the image resembles, and bars that move when a part of it is hidden."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...inference.reasons.resemblance import LearnedTile
from ...viewer.controller import Controller
from ...viewer.why.hiding_job import Hidden
from ...viewer.why.tissue_reasons import Why
from ..base.bars import Bars
from ..base.style import SPACING_PX, Banner, Tone, clear, small_label

THUMBNAIL_PX = 88
_FAR = "Far from all that the model learned from: what it resembles, and the percentages, say little here."
_RESEMBLES = "Resembles these tiles of {} that the model learned from:"
_RIVAL = "And, of the next likeliest, {}, these:"
_NO_REASON = "This says what the image is like, not why the model answered so."
_HIDE = (
    "Hide and see: hide a part, and the percentages are read again without it. A change is an effect of what was "
    "hidden, and of the flat patch in its place."
)
_BUTTONS = {
    "object": ("Hide object", "Hide the chosen object (click one first), and read the percentages without it"),
    "rectangle": ("Hide rectangle", "Pull a rectangle over the image; what lies in it is hidden"),
    "undo": ("Undo", "Show again what was hidden last"),
    "clear": ("Clear", "Show everything again"),
}


class Thumbnails(QWidget):
    """A row of tiles, the most alike first; names where no pictures could be kept."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(SPACING_PX)

    def show_tiles(self, tiles: Sequence[LearnedTile]) -> None:
        """Show these instead."""
        clear(self._row)
        for tile in tiles:
            picture, pixmap = small_label(tile.name), QPixmap()
            if tile.thumbnail and pixmap.loadFromData(tile.thumbnail, "JPG"):
                how = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
                shown = pixmap.scaled(THUMBNAIL_PX, THUMBNAIL_PX, *how)
                picture.setPixmap(shown)
                picture.setFixedSize(shown.size())
            picture.setToolTip(f"{tile.name}; unlikeness {tile.distance:.3f} (0: alike)")
            self._row.addWidget(picture)
        self._row.addStretch(1)


class WhyPanel(QWidget):
    """Opened by the button Why? beside the tissue readout.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reasons = controller.why
        self.far, self.problem = Banner(), Banner()
        self.titles = {"said": small_label(), "rival": small_label()}
        self.tiles = {"said": Thumbnails(), "rival": Thumbnails()}
        self.note = small_label()
        self.bars, self.outcome = Bars(), small_label()
        self.buttons = {name: self._button(name) for name in _BUTTONS}
        self._lay_out()
        calls = {
            "object": self._reasons.hide_object,
            "rectangle": self._reasons.hide_rectangle,
            "undo": self._reasons.parts.undo,
            "clear": self._reasons.parts.clear,
        }
        for name, call in calls.items():
            self.buttons[name].clicked.connect(lambda _checked=False, call=call: call())
        self._reasons.changed.connect(self.show_why)
        self.show_why()

    def show_why(self) -> None:
        """Show what is known now."""
        why = self._reasons.why
        self._show_likeness(why)
        self._show_hidden(why.hidden)
        self.problem.say(why.problem or (f"{why.stage} …" if why.stage else ""), _tone(why))
        for name in ("undo", "clear"):
            self.buttons[name].setEnabled(why.parts > 0)

    def _show_likeness(self, why: Why) -> None:
        alike = why.resemblance
        self.far.say(_FAR if alike is not None and alike.is_far else "", Tone.CAUTION)
        shown = (
            {}
            if alike is None
            else {
                "said": (_RESEMBLES.format(alike.said), alike.of_said),
                "rival": (_RIVAL.format(alike.rival), alike.of_rival),
            }
        )
        for name, title in self.titles.items():
            words, tiles = shown.get(name, ("", ()))
            title.setText(words)
            self.tiles[name].show_tiles(tiles)
            title.setVisible(bool(tiles))
            self.tiles[name].setVisible(bool(tiles))
        note = why.no_resemblance
        if alike is not None:
            note = " ".join(filter(None, (alike.nearest_sentence, _NO_REASON, _tiles_of(alike.attribution))))
        self.note.setText(note)
        self.note.setVisible(bool(note))

    def _show_hidden(self, hidden: Hidden | None) -> None:
        self.bars.setVisible(hidden is not None)
        self.outcome.setVisible(hidden is not None)
        if hidden is not None:
            self.bars.show_shares(hidden.after, hidden.before)
            self.outcome.setText(outcome_words(hidden))

    def _button(self, name: str) -> QPushButton:
        words, tip = _BUTTONS[name]
        button = QPushButton(words)
        button.setToolTip(tip)
        return button

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(SPACING_PX // 2)
        for place, button in enumerate(self.buttons.values()):
            grid.addWidget(button, *divmod(place, 2))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(self.far)
        for name, title in self.titles.items():
            layout.addWidget(title)
            layout.addWidget(self.tiles[name])
        layout.addWidget(self.note)
        layout.addWidget(small_label(_HIDE))
        layout.addLayout(grid)
        for widget in (self.problem, self.bars, self.outcome):
            layout.addWidget(widget)


def outcome_words(hidden: Hidden) -> str:
    """What the bars show, and what the same shape elsewhere did, in words."""
    said = max(hidden.before, key=lambda name: hidden.before[name])
    words = f"With {hidden.share:.0%} of the image hidden, {said} goes from {hidden.before[said]:.0%} to "
    words += f"{hidden.after[said]:.0%}. "
    if not hidden.elsewhere:
        return words + "No other place is large enough to hide as much for comparison."
    return words + f"The same shape hidden elsewhere: {hidden.elsewhere[said]:.0%}."


def _tiles_of(attribution: str) -> str:
    return f"Tiles: {attribution.rstrip('.')}." if attribution else ""


def _tone(why: Why) -> Tone:
    return Tone.CAUTION if why.problem else Tone.INFO
