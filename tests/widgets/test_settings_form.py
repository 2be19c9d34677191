"""A form made from a settings dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSlider

from napari_cerberus.widgets.base.settings_form import SettingsForm, says


@dataclass(frozen=True, kw_only=True)
class Tea:
    kind: Literal["black", "green"] = "black"
    strength: float = 0.0
    minutes: int | None = None
    milk: bool = False
    cups: int = 1


SAID = {
    "kind": says(
        "Kind",
        "Which leaves",
        choices=(("Black tea", "black"), ("Green tea", "green")),
        told={"black": "Fermented.", "green": "Not fermented."},
    ),
    "strength": says("Strength", "How strong", widget_type="FloatSlider", min=-1, max=1, step=0.1, readout=False),
    "minutes": says("Minutes", "How long", min=1, max=10),
    "milk": says("Extras", "With milk", text="Milk"),
}


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    form = SettingsForm(Tea, SAID, minutes=4)
    qtbot.addWidget(form.native)
    form.native.show()
    return form


def test_it_shows_and_gives_the_values_of_its_fields(form: SettingsForm) -> None:
    assert form.asdict() == {"kind": "black", "strength": 0.0, "minutes": 4, "milk": False}
    heard: list[Any] = []
    form.changed.connect(heard.append)
    form.update({"kind": "green", "milk": True})
    assert len(heard) == 1
    assert Tea(**form.asdict()) == Tea(kind="green", minutes=4, milk=True)


def test_words_stand_beside_and_below(form: SettingsForm) -> None:
    def words() -> list[str]:
        return [label.text() for label in form.native.findChildren(QLabel)]

    assert words() == ["Kind", "Fermented.", "Strength", "Minutes", "Extras"]
    form.kind.value = "green"
    assert words()[1] == "Not fermented."
    assert form.milk.text == "Milk"
    assert form.grid.itemAtPosition(form.below("strength"), 1) is None


def test_a_slider_goes_in_steps_by_mouse_and_key(qtbot: QtBot, form: SettingsForm) -> None:
    slider = form.strength.native.findChild(QSlider)
    slider.setSliderDown(True)
    slider.setSliderPosition(round(0.37 * slider.maximum()))
    slider.setSliderDown(False)
    assert form.strength.value == pytest.approx(0.4)
    slider.setSliderDown(True)
    slider.setSliderPosition(round(0.02 * slider.maximum()))
    slider.setSliderDown(False)
    assert form.strength.value == 0
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    assert form.strength.value == 0.1


def test_a_number_is_told_when_it_is_complete(qtbot: QtBot, form: SettingsForm) -> None:
    heard: list[int] = []
    form.minutes.changed.connect(heard.append)
    edit = form.minutes.native
    edit.setFocus()
    edit.selectAll()
    qtbot.keyClicks(edit, "-10")
    assert heard == []
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert heard == [10]
    edit.selectAll()
    qtbot.keyClick(edit, Qt.Key.Key_Backspace)
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert (form.minutes.value, edit.lineEdit().text()) == (10, "10")
