"""Every correction goes to a journal at once, so that nothing is lost when napari or the computer stops."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...annotation.edits import ChangeSet, difference
from ...annotation.finished_areas import FinishedArea
from ...annotation.frame import Frame
from ...annotation.journal import JOURNAL_FILE, Journal, Replay, open_journal, read_journal, read_journal_of
from ...annotation.journal.record import AREAS, RESULT
from ...annotation.label_maps import Labels
from ...annotation.object_table import cells_of
from ...model.library.entries import library_folder
from ..annotate.image_region import fingerprint, why_not
from ..layer_provenance import HISTORY, finished_of
from ..placement import size_of
from .tracked_layer import TrackedLayer
from .tracked_layers import Corrections

JOURNALS_VARIABLE = "NAPARI_CERBERUS_JOURNALS"
_SO_FAR = "Changes so far"
Place = tuple[Any, ...]


def journals_folder() -> Path:
    """Where journals live: beside the user's models; ``NAPARI_CERBERUS_JOURNALS`` overrides it."""
    chosen = os.environ.get(JOURNALS_VARIABLE)
    return Path(chosen) if chosen else library_folder().parent / "journals"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Waiting:
    """A change that is not written yet; ``model`` is the name and SHA-256 of a result."""

    one: TrackedLayer
    change: ChangeSet
    tool: str
    model: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class _State:
    """Labels, the model's labels and table cells of one task."""

    labels: Labels
    model_labels: Labels
    cells: Mapping[int, Mapping[str, Any]]

    @classmethod
    def before(cls, one: TrackedLayer, changes: Sequence[ChangeSet]) -> _State:
        """What a layer was before its last changes."""
        tracked = one.tracked
        labels, model_labels = tracked.labels.copy(), tracked.model_labels.copy()
        cells: dict[int, Mapping[str, Any]] = dict(cells_of(tracked.objects, tracked.objects["index"]))
        for change in reversed(changes):
            labels[change.indices] = change.previous
            if change.model_change is not None:
                model_labels[change.model_change.indices] = change.model_change.previous
            cells = {i: row for i, row in cells.items() if i not in change.new_ids} | dict(change.previous_features)
        return cls(labels=labels, model_labels=model_labels, cells=cells)

    @classmethod
    def of(cls, replay: Replay, task: str) -> _State:
        """What a journal holds of a task."""
        return cls(labels=replay.labels[task], model_labels=replay.model_labels[task], cells=replay.cells[task])

    def since(self, earlier: _State) -> ChangeSet:
        """What changed between two states."""
        change = difference(earlier.labels, self.labels.astype(earlier.labels.dtype), _SO_FAR)
        model_change = difference(earlier.model_labels, self.model_labels.astype(earlier.model_labels.dtype), _SO_FAR)
        cells = {i: row for i, row in self.cells.items() if repr(row) != repr(earlier.cells.get(i))}
        return replace(change, model_change=model_change if model_change else None, features=cells)


class Autosave:
    """The open journals of one dock, one for each annotation.

    A change waits in memory until ``flush``, which ``Correcting`` calls within moments, so that no correction waits for
    the disk. The first change of an annotation also writes what it started from. A layer that is removed gives its
    task free: the next one that is corrected in its place goes on in the same journal.

    Parameters
    ----------
    corrections : Corrections
    root : Path or None
        Folder of all journals; None keeps nothing.
    """

    def __init__(self, corrections: Corrections, root: Path | None) -> None:
        self._corrections, self.root = corrections, root
        self._journals: dict[Place, Journal] = {}
        self._owners: dict[tuple[Place, str], str] = {}
        self._earlier: dict[Place, Replay] = {}
        self._left: set[tuple[Place, str]] = set()
        self._waiting: list[_Waiting] = []
        self._said: set[str] = set()
        if root is not None:
            corrections.changed.connect(self._on_changed)
            corrections.merged.connect(self._on_merged)
            corrections.detached.connect(self._on_detached)

    @property
    def is_waiting(self) -> bool:
        """Whether a change is not on the disk yet."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Write what is waiting."""
        waiting, self._waiting = self._waiting, []
        for place in dict.fromkeys(item.one.place for item in waiting):
            here = [item for item in waiting if item.one.place == place]
            journal = self._journals.get(place) or self._open(here[0].one, resume=False)
            if new := self._not_kept(here):
                self._begin(journal, new, here)
            for item in here:
                self._write(journal, item)
        self._say_warnings()

    def note_areas(self, one: TrackedLayer, areas: Sequence[FinishedArea], summary: str) -> None:
        """Note at once which areas of a layer's annotation are finished from now on."""
        self.flush()
        if self.root is None:
            return
        journal = self._journals.get(one.place) or self._open(one, resume=False)
        if new := self._not_kept([_Waiting(one=one, change=ChangeSet(summary=summary), tool=AREAS)]):
            self._begin(journal, new, [])
        journal.append_areas(areas, task=one.task, summary=summary, by=self._corrections.session.reviewer)
        self._say_warnings()

    def history(self, one: TrackedLayer) -> Journal:
        """The journal of a layer's annotation, complete, to be saved with it; made for that where there is none."""
        self.flush()
        if (journal := self._journals.get(one.place)) is not None:
            return journal
        journal = Journal(self.frame(one), None)
        self._continue(journal, one)
        self._begin(journal, list(self._corrections.siblings(one).values()), [])
        if finished := finished_of(one.layer):
            journal.append_areas(finished, task=one.task, summary="Finished areas")
        return journal

    def path(self, one: TrackedLayer) -> Path | None:
        """The journal's file of a layer's annotation, complete; None where there is none."""
        self.flush()
        journal = self._journals.get(one.place)
        return None if journal is None else journal.path

    def resume(self, layers: list[TrackedLayer], path: Path | None) -> None:
        """Go on with the journal, a file, from which layers were restored."""
        if not layers or self.root is None:
            return
        place = layers[0].place
        if (old := self._journals.pop(place, None)) is not None:
            old.close()
        self._open(layers[0], resume=True, folder=None if path is None else path.parent)
        self._owners |= {(place, one.task): one.key for one in layers}
        self._say_warnings()

    def close(self) -> None:
        """Write what is left and free the journals for other windows. Safe to call twice."""
        self.flush()
        for journal in self._journals.values():
            journal.close()
        self._journals.clear()
        self._owners.clear()

    def _open(self, one: TrackedLayer, *, resume: bool, folder: Path | None = None) -> Journal:
        root, frame = self.root if self.root is not None else journals_folder(), self.frame(one)
        path = str(root / frame.folder_name / JOURNAL_FILE)
        known = resume or one.layer.metadata.get(HISTORY) == path
        journal, replay = open_journal(root, frame, resume=known, folder=folder)
        self._journals[one.place] = journal
        if resume:
            return journal
        if replay is not None:  # an earlier dock of this window kept it
            self._earlier[one.place] = replay
        else:
            self._continue(journal, one)
        return journal

    def _continue(self, journal: Journal, one: TrackedLayer) -> None:
        """Begin with the history that came with a saved annotation."""
        self._earlier.pop(one.place, None)
        path = Path(str(one.layer.metadata.get(HISTORY, "")))
        replay = read_journal_of(path, journal.frame) if path.name and path != journal.path else None
        if replay is not None and replay.records:
            journal.begin_with(replay)
            self._earlier[one.place] = replay

    def frame(self, one: TrackedLayer) -> Frame:
        """The frame of a layer's annotation; the size of an image that is gone is taken from the region."""
        record = one.record
        top, left, bottom, right = (int(value) for value in record.region)
        height, width = bottom, right
        for image in self._images(record.image_fingerprint):
            rows, columns = size_of(image)
            height, width = round(rows / record.factors[0]), round(columns / record.factors[1])
        return Frame(
            image_key=record.image_fingerprint,
            image_name=record.image_name,
            image_height_px=max(height, bottom),
            image_width_px=max(width, right),
            region=(top, left, bottom, right),
        )

    def _images(self, image_fingerprint: str) -> Iterator[Any]:
        layers = self._corrections.layers
        for unique_id, _ in layers.images():
            image = layers.find(unique_id)
            if image is not None and not why_not(image) and fingerprint(image) == image_fingerprint:
                yield image

    def _not_kept(self, here: Sequence[_Waiting]) -> list[TrackedLayer]:
        """The layers of an annotation that its journal does not know yet; one a task."""
        found = {}
        for item in here:
            for other in self._corrections.siblings(item.one).values():
                if self._takes_over(other):
                    self._owners[other.place, other.task] = other.key
                    found[other.key] = other
        return list(found.values())

    def _takes_over(self, one: TrackedLayer) -> bool:
        """Whether a layer is the first of its task, or follows one that was removed."""
        owner = self._owners.get((one.place, one.task))
        if owner is None:
            return True
        follows = owner != one.key and self._corrections.find(owner) is None
        if follows:
            self._left.add((one.place, one.task))
        return follows

    def _begin(self, journal: Journal, layers: Sequence[TrackedLayer], waiting: Sequence[_Waiting]) -> None:
        """Note what the model gave and what it had become, before the changes that wait."""
        for one in layers:
            state = _State.before(one, [item.change for item in waiting if item.one is one])
            earlier = self._earlier.get(one.place)
            if (one.place, one.task) in self._left:
                self._left.discard((one.place, one.task))
                then = self._append_result(journal, one, state, _State.of(_replay_of(journal), one.task))
            elif earlier is not None and one.task in earlier.labels:
                then = _State.of(earlier, one.task)
            else:
                nothing = np.zeros_like(state.model_labels)
                then = self._append_result(journal, one, state, _State(labels=nothing, model_labels=nothing, cells={}))
            if since := state.since(then):
                self._append(journal, _Waiting(one=one, change=since, tool="paint"))

    def _append_result(self, journal: Journal, one: TrackedLayer, state: _State, kept: _State) -> _State:
        """Note the model's result behind a layer, in the place of what the journal holds of its task."""
        result = _State(labels=state.model_labels, model_labels=state.model_labels, cells=state.cells)
        summary = f"Result of {one.record.model_name}"
        change = difference(kept.labels, result.labels.astype(kept.labels.dtype), summary)
        of_model = difference(kept.model_labels, result.model_labels.astype(kept.model_labels.dtype), summary)
        change = replace(change, model_change=of_model, features=state.cells)
        self._append(journal, _Waiting(one=one, change=change, tool=RESULT, model=_model(one)))
        return result

    def _write(self, journal: Journal, item: _Waiting) -> None:
        one = item.one
        if self._owners[one.place, one.task] == one.key:
            self._append(journal, item)
        else:
            self._say_once(f"Only the first {one.task} layer of an annotation is kept; save “{one.layer.name}”.")

    def _append(self, journal: Journal, item: _Waiting) -> None:
        by = self._corrections.session.reviewer
        record = item.one.record if item.model is not None else None
        journal.append(
            item.change,
            task=item.one.task,
            tool=item.tool,
            by=by,
            model=item.model,
            tissue=record.tissue if record is not None else None,
            tissue_doubt=record.tissue_doubt if record is not None else "",
        )
        path = "" if journal.path is None else str(journal.path)
        if item.one.layer.metadata.get(HISTORY, "") != path:
            item.one.layer.metadata = {**item.one.layer.metadata, HISTORY: path}

    def _say_warnings(self) -> None:
        for journal in self._journals.values():
            for sentence in filter(None, (journal.note, journal.warning)):
                self._say_once(sentence)

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._corrections.said.emit(sentence, True)

    def _on_changed(self, one: TrackedLayer, change: ChangeSet, tool: str) -> None:
        if change:
            self._waiting.append(_Waiting(one=one, change=change, tool=tool))
            self._corrections.edited_externally.emit()

    def _on_detached(self, one: TrackedLayer) -> None:
        """What a layer that was removed still had is written now."""
        if self._owners.get((one.place, one.task)) == one.key:
            self.flush()

    def _on_merged(self, one: TrackedLayer, change: ChangeSet) -> None:
        self._waiting.append(_Waiting(one=one, change=change, tool=RESULT, model=_model(one)))
        self._corrections.edited_externally.emit()


def _replay_of(journal: Journal) -> Replay:
    """What a journal holds, what is only in memory included."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / JOURNAL_FILE
        journal.copy_to(copy)
        return read_journal(copy)


def _model(one: TrackedLayer) -> tuple[str, str]:
    return one.record.model_name, one.record.model_sha256
