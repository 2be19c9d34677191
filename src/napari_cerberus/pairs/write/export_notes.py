"""What is worth telling the user of an export before it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...tasks import INSTANCE_TASKS
from ..label_arrays import object_ids
from ..layout.dataset import Dataset
from ..layout.patients import lost_key
from ..object_rows import ACCEPTED_STATES, REJECTED_STATES, review_cell
from .export_source import ExportSettings, ExportSource
from .tile_canvas import Canvas
from .tile_windows import Window


def notes_of(dataset: Dataset, canvas: Canvas, digits: str, windows: Sequence[Window]) -> Iterator[str]:
    """Sentences on patient, learning and tiles; ``digits`` stand for the patient in file names."""
    settings = canvas.settings
    if settings.patient_id is None:
        yield "The patient is not known: this file counts as a patient of its own."
    elif digits not in dataset.patients and digits in dataset.patient_digits:
        yield f"The folder already holds pairs of patient {digits}; these are taken to be of the same patient."
    # Of a patient who is not known, and of ids that were kept as they are, the number is not the id.
    numbers = [digits for digits, id_ in dataset.patients.items() if digits == id_]
    if not settings.keep_patient_id and (lost := lost_key(dataset.root, numbers)):
        yield lost
    yield from _untaught(settings, canvas.source)
    yield from _left_out(canvas)
    if settings.cut == "objects" and not windows:
        yield f"No object of {settings.task!r} is accepted yet, so there is nothing to cut tiles around."
    if any(any(window.padding(canvas.shape)) for window in windows):
        yield f"The image is smaller than {settings.tile_px} px, so it is padded with white."


def _untaught(settings: ExportSettings, source: ExportSource) -> Iterator[str]:
    """What no model will learn from these tiles, because nobody said that it is right."""
    names = [task for task in INSTANCE_TASKS if task in source.annotated.labels]
    unchecked = [task for task in names if task not in settings.checked]
    if not settings.checked:
        yield (
            f"Nobody said that all {' or '.join(names)} in these tiles are right, so no outlines would be learned from "
            f"them; tick what is right, or give --checked {settings.task}."
        )
    elif unchecked:
        yield f"Not checked, so kept as information only and never learned: {', '.join(unchecked)}."
    if not settings.category_confirmed:
        yield "The category is the model's own readout, recorded as not confirmed, and is never learned."


def _left_out(canvas: Canvas) -> Iterator[str]:
    """Unreviewed objects that a mask of accepted ones leaves out, though its task is said to be all right."""
    settings = canvas.settings
    if settings.objects != "accepted" or settings.task not in settings.checked:
        return
    ids = object_ids(canvas.labels[settings.task])
    states = [review_cell(canvas.rows.get((settings.task, int(id_)), {})) for id_ in ids]
    number = sum(state not in ACCEPTED_STATES | REJECTED_STATES for state in states)
    if number:
        yield (
            f"{number:,} of the {settings.task} were not reviewed; they are not in the mask, so a model learns that "
            "they are background. Review them, or put all but rejected objects into the mask."
        )
