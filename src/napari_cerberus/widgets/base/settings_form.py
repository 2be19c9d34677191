"""A form that magicgui makes from a settings dataclass: the type of a field says which widget it gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from magicgui.widgets import Container, SpinBox, create_widget
from qtpy.QtCore import QRegularExpression
from qtpy.QtGui import QRegularExpressionValidator
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QSlider, QWidget

from .forms import add_row, narrow, new_form
from .style import guard_wheel, small_label

_PAGE = 5
_DIGITS = QRegularExpression("[0-9]*")


def says(label: str, tooltip: str, **options: Any) -> Mapping[str, Any]:
    """What a form says about a field.

    Parameters
    ----------
    label : str
        Left of the field.
    tooltip : str
    told : mapping of value to sentence, optional
        What the chosen value means; below the field.
    **options
        magicgui's, for its widget: choices, min, max, step, ...
    """
    return {"label": label, "tooltip": tooltip, **options}


class SettingsForm(Container):
    """Some fields of a dataclass under one another: ``form.epochs.value``, ``form.asdict()``, ``form.changed``.

    Parameters
    ----------
    kind : type
        The dataclass.
    said : mapping of field name to ``says(...)``
        What is shown, from top to bottom.
    first_row : int
        Rows of ``grid`` above it are the caller's.
    **values
        What is shown at first; otherwise the dataclass's own.
    """

    def __init__(self, kind: type, said: Mapping[str, Mapping[str, Any]], first_row: int = 0, **values: Any) -> None:
        hints, usual = get_type_hints(kind), {one.name: one.default for one in fields(kind)} | values
        made = [_field(name, hints[name], usual[name], **options) for name, options in said.items()]
        super().__init__(widgets=made, labels=False)
        self.margins = 0, 0, 0, 0
        content, self.grid = new_form()
        self.native.layout().addWidget(content)
        self._rows = {name: first_row + 2 * place for place, name in enumerate(said)}
        for field, options in zip(made, said.values(), strict=True):
            slider = field.native.findChild(QSlider) is not None
            add_row(self.grid, self._rows[field.name], options["label"], field.native, top=slider)
            if "told" in options:
                self._tell(field, options["told"])

    def below(self, name: str) -> int:
        """The row below a field; it is free where nothing is ``told``."""
        return self._rows[name] + 1

    def _tell(self, field: Any, told: Mapping[Any, str]) -> None:
        words = small_label(told[field.value])
        field.changed.connect(lambda value: words.setText(told[value]))
        self.grid.addWidget(words, self.below(field.name), 1)


def _field(name: str, hint: Any, value: Any, *, label: str, told: Any = None, **options: Any) -> Any:
    """One of magicgui's widgets: narrow, deaf to the wheel, and silent until a number is complete."""
    field = create_widget(value, hint, name, options={"nullable": False, **options})
    for part in field.native.findChildren(QWidget):
        part.setToolTip(field.tooltip)
    native = field.native.findChild(QSlider) or field.native
    if isinstance(native, QComboBox):
        narrow(native)
    elif isinstance(native, QAbstractSpinBox):
        native.setKeyboardTracking(False)
    elif isinstance(native, QSlider):
        _go_in_steps(native)
    if isinstance(field, SpinBox):  # a lone "-" would raise where the field is left
        native.lineEdit().setValidator(QRegularExpressionValidator(_DIGITS, native))
    if isinstance(native, (QComboBox, QAbstractSpinBox, QSlider)):
        guard_wheel(native)
    return field


def _go_in_steps(slider: QSlider) -> None:
    """Also when the mouse pulls it; Qt does so by keys only."""
    step = slider.singleStep()
    slider.setPageStep(_PAGE * step)
    slider.setTickPosition(QSlider.TickPosition.TicksBelow)
    slider.setTickInterval(slider.maximum())
    slider.sliderMoved.connect(lambda place: slider.setSliderPosition(round(place / step) * step))
