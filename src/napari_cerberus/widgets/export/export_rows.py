"""Two lines for each image to export: which it is, whose it is, what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLineEdit, QSpinBox, QWidget

from ...tasks import EBHI_CLASSES
from ...viewer.export.exporter import ImageDetails
from ...viewer.export.open_images import ExportCandidate
from ..base.forms import combo
from ..base.style import SPACING_PX, clear, guard_wheel, small_label

_TITLES = ("Patient id", "", "Category", "Block")
_LARGEST_BLOCK = 9999
_BLOCK_WIDTH_PX = 44


class ExportRow:
    """The fields of one image; they are laid out by ``ExportRows``.

    Parameters
    ----------
    candidate : ExportCandidate
    earlier : ImageAnswer or None
        What the user said about it before.
    chosen : bool
        Whether it is ticked at first.
    changed : callable
        Called whenever a field changes.
    """

    def __init__(
        self, candidate: ExportCandidate, earlier: ImageDetails | None, chosen: bool, changed: Callable[[], None]
    ) -> None:
        self.candidate = candidate
        self.chosen = QCheckBox(candidate.name)
        self.chosen.setChecked(chosen)
        self.chosen.setToolTip(candidate.folder or f"Labels: {', '.join(candidate.layer_names)}")
        self.chosen.setEnabled(not candidate.missing)
        self.patient, self.unknown = _patient_fields(candidate, earlier)
        self.category = _category_field(_proposed_category(candidate, earlier))
        self.block = _block_field(candidate, earlier)
        self.hint = small_label(_hint(candidate))
        self._show_unknown(self.unknown.isChecked())
        self.unknown.toggled.connect(self._show_unknown)
        for signal in (
            self.chosen.toggled,
            self.unknown.toggled,
            self.patient.textChanged,
            self.category.editTextChanged,
            self.block.valueChanged,
        ):
            signal.connect(lambda _value: changed())

    @property
    def fields(self) -> tuple[QWidget, ...]:
        """Below the name, from left to right."""
        return self.patient, self.unknown, self.category, self.block

    def answer(self) -> ImageDetails:
        """What the fields say."""
        return ImageDetails(
            candidate=self.candidate,
            patient_id=self.patient.text(),
            patient_unknown=self.unknown.isChecked(),
            category=self.category.currentText(),
            block=self.block.value(),
        )

    def fill(self, answer: ImageDetails) -> None:
        """Take over what was said of another image."""
        self.patient.setText(answer.patient_id)
        self.unknown.setChecked(answer.patient_unknown)
        self.category.setEditText(answer.category)
        self.block.setValue(answer.block)

    def offer(self, categories: Iterable[str]) -> None:
        """Offer these categories, and leave what is typed."""
        text = self.category.currentText()
        self.category.blockSignals(True)
        self.category.clear()
        self.category.addItems(list(dict.fromkeys(categories)))
        self.category.setEditText(text)
        self.category.blockSignals(False)

    def _show_unknown(self, unknown: bool) -> None:
        self.patient.setEnabled(not unknown)


class ExportRows(QWidget):
    """All images that can be exported.

    Attributes
    ----------
    changed : Signal()
        A field is another.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[ExportRow] = []
        self._answers: dict[str, ImageDetails] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setHorizontalSpacing(SPACING_PX)
        self._grid.setColumnStretch(0, 2)
        self._grid.setColumnStretch(2, 3)

    def show_candidates(self, candidates: Sequence[ExportCandidate], image_id: str) -> None:
        """List ``subjects``; what was said about one before stays.

        At first those of ``image_id`` are ticked, and saved annotations, which were added to be exported.
        """
        if tuple(row.candidate for row in self.rows) == tuple(candidates):
            return
        ticked = {row.candidate.key: row.chosen.isChecked() for row in self.rows}
        self.keep_answers()
        clear(self._grid)
        self.rows = [
            ExportRow(
                candidate,
                self._answers.get(candidate.key),
                ticked.get(candidate.key, _is_meant(candidate, image_id) or len(candidates) == 1)
                and not candidate.missing,
                self.changed.emit,
            )
            for candidate in candidates
        ]
        for number, row in enumerate(self.rows):
            self._add(row, 4 * number)
        self.changed.emit()

    def offer(self, categories: Iterable[str]) -> None:
        """Offer categories of the data set, and those of EBHI."""
        offered = [*categories, *EBHI_CLASSES]
        for row in self.rows:
            row.offer([*offered, *([row.candidate.suggestion] if row.candidate.suggestion else [])])

    def answers(self) -> tuple[ImageDetails, ...]:
        """Of the ticked images."""
        return tuple(row.answer() for row in self.rows if row.chosen.isChecked())

    def tick_all(self) -> None:
        """Export every image that was found."""
        for row in self.rows:
            row.chosen.setChecked(not row.candidate.missing)

    def fill_like_first(self) -> None:
        """Say of all ticked images what is said of the first of them."""
        ticked = [row for row in self.rows if row.chosen.isChecked()]
        for row in ticked[1:]:
            row.fill(ticked[0].answer())

    def _add(self, row: ExportRow, line: int) -> None:
        self._grid.addWidget(row.chosen, line, 0, 1, len(_TITLES))
        self._grid.addWidget(row.hint, line + 1, 0, 1, len(_TITLES))
        for column, (title, field) in enumerate(zip(_TITLES, row.fields, strict=True)):
            self._grid.addWidget(small_label(title), line + 2, column)
            self._grid.addWidget(field, line + 3, column)

    def keep_answers(self) -> None:
        """Remember what was said, until napari is closed; patient ids are written nowhere but into the data set."""
        self._answers |= {row.candidate.key: row.answer() for row in self.rows}


def _is_meant(candidate: ExportCandidate, image_id: str) -> bool:
    return bool(candidate.folder) or candidate.image_id == image_id


def _proposed_category(candidate: ExportCandidate, earlier: ImageDetails | None) -> str:
    if earlier is not None:
        return earlier.category
    return candidate.stated.category if candidate.stated is not None else ""


def _patient_fields(candidate: ExportCandidate, earlier: ImageDetails | None) -> tuple[QLineEdit, QCheckBox]:
    patient, unknown = QLineEdit(), QCheckBox("not known")
    patient.setPlaceholderText("required")
    patient.setMinimumWidth(90)
    patient.setToolTip("Whose tissue this is: tiles of one patient must never stand on both sides of a split.")
    unknown.setToolTip("The file or slide counts as a patient of its own.")
    if earlier is not None:
        patient.setText(earlier.patient_id)
        unknown.setChecked(earlier.patient_unknown)
    elif (stated := candidate.stated) is not None and (stated.patient_id or stated.patient_unknown):
        patient.setText(stated.patient_id)
        unknown.setChecked(stated.patient_unknown)
    elif candidate.file_name is not None:
        patient.setText(f"{candidate.file_name.letters}{candidate.file_name.patient}")
    return patient, unknown


def _category_field(text: str) -> QComboBox:
    field = combo()
    field.setEditable(True)
    field.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    field.lineEdit().setPlaceholderText("required")
    field.setToolTip("The folder that the pairs go into. A name that does not exist yet is made.")
    field.addItems(EBHI_CLASSES)
    field.setEditText(text)
    return field


def _block_field(candidate: ExportCandidate, earlier: ImageDetails | None) -> QSpinBox:
    field = QSpinBox()
    field.setRange(0, _LARGEST_BLOCK)
    field.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
    field.setFixedWidth(_BLOCK_WIDTH_PX)
    field.setToolTip("Number of the tissue block, for the file names")
    guard_wheel(field)
    named = candidate.file_name.block if candidate.file_name is not None else 1
    stated = candidate.stated.block if candidate.stated is not None else None
    field.setValue(earlier.block if earlier is not None else named if stated is None else stated)
    return field


def _hint(candidate: ExportCandidate) -> str:
    """Where the proposals come from; the readout is shown here and never proposed: a person must say what it is."""
    height, width = candidate.size_px
    parts = ["its image was not found"] if candidate.missing else ["saved annotation"] if candidate.folder else []
    parts.append(f"{width} × {height} px, {candidate.pixel_size_um:.3g} µm/px")
    if candidate.readout:
        parts.append(f"readout: {candidate.readout}" + ("" if candidate.suggestion else " (uncertain)"))
    if candidate.stated is not None:
        parts.append("patient from the index")
    elif candidate.file_name is not None:
        parts.append("patient from the file's name")
    return "; ".join(parts)
