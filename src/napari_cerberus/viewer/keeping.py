"""Every correction goes to a journal at once, so that nothing is lost when napari or the computer stops."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..annotation.edits import ChangeSet, difference
from ..annotation.frame import Frame
from ..annotation.journal import Journal, open_journal
from ..annotation.journal.record import RESULT
from ..annotation.table import cells_of
from ..model.library import library_folder
from .corrections import Corrections
from .picture import fingerprint, why_not
from .tracked import TrackedLayer

JOURNALS_VARIABLE = "NAPARI_CERBERUS_JOURNALS"
Place = tuple[Any, ...]


def journals_folder() -> Path:
    """Where journals live: beside the user's models; ``NAPARI_CERBERUS_JOURNALS`` overrides it."""
    chosen = os.environ.get(JOURNALS_VARIABLE)
    return Path(chosen) if chosen else library_folder().parent / "journals"


def journal_key(image_fingerprint: str) -> str:
    """The 64 digits by which journals of an image are found, from ``picture.fingerprint``."""
    return hashlib.sha256(f"napari-cerberus layer {image_fingerprint}".encode()).hexdigest()


class Keeping:
    """The open journals of one dock, one for each annotation.

    A change waits in memory until ``flush``, which the dock calls within moments, so that no correction waits for
    the disk. The first change of an annotation also writes what it started from.

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
        self._waiting: list[tuple[TrackedLayer, ChangeSet, str]] = []
        self._said: set[str] = set()
        if root is not None:
            corrections.changed.connect(self._on_changed)
            corrections.merged.connect(self._on_merged)

    def flush(self) -> None:
        """Write what is waiting."""
        waiting, self._waiting = self._waiting, []
        based: set[str] = set()
        for one, change, tool in waiting:
            journal = self._journals.get(one.place)
            if journal is None:
                journal = self._open(one, resume=False)
            if (one.place, one.task) not in self._owners:
                # the layers as they are now hold every change that waits
                based |= {other.key for other in self._write_bases(journal, one)}
            if one.key in based:
                continue
            if self._owners[one.place, one.task] != one.key:
                self._say_once(f"Only the first {one.task} layer of an annotation is kept; save “{one.layer.name}”.")
                continue
            self._append(journal, one, change, tool)
        for journal in self._journals.values():
            if journal.warning:
                self._say_once(journal.warning)

    def path(self, one: TrackedLayer) -> Path | None:
        """The journal's file of a layer's annotation, complete; None where there is none."""
        self.flush()
        journal = self._journals.get(one.place)
        return None if journal is None else journal.path

    def resume(self, layers: list[TrackedLayer]) -> None:
        """Go on with the journal from which layers were restored."""
        if not layers or self.root is None:
            return
        place = layers[0].place
        if (old := self._journals.pop(place, None)) is not None:
            old.close()
        self._open(layers[0], resume=True)
        self._owners |= {(place, one.task): one.key for one in layers}

    def close(self) -> None:
        """Write what is left and free the journals for other windows. Safe to call twice."""
        self.flush()
        for journal in self._journals.values():
            journal.close()
        self._journals.clear()
        self._owners.clear()

    def _open(self, one: TrackedLayer, *, resume: bool) -> Journal:
        root = self.root if self.root is not None else journals_folder()
        journal, _ = open_journal(root, self._frame(one), resume=resume)
        self._journals[one.place] = journal
        return journal

    def _frame(self, one: TrackedLayer) -> Frame:
        """The frame of a layer's annotation; the size of an image that is gone is taken from the region."""
        record = one.record
        top, left, bottom, right = (int(value) for value in record.region)
        height, width = bottom, right
        for image in self._images(record.image_fingerprint):
            rows, columns = (image.data[0] if image.multiscale else image.data).shape[:2]
            height, width = round(rows / record.factors[0]), round(columns / record.factors[1])
        return Frame(
            image_key=journal_key(record.image_fingerprint),
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

    def _write_bases(self, journal: Journal, one: TrackedLayer) -> list[TrackedLayer]:
        """Note what the model gave and what it has become, for every layer of an annotation that is not kept yet."""
        written = []
        for other in self._corrections.beside(one).values():
            if (other.place, other.task) in self._owners:
                continue
            self._owners[other.place, other.task] = other.key
            tracked = other.tracked
            nothing = np.zeros_like(tracked.model_labels)
            first = difference(nothing, tracked.model_labels, f"Result of {other.record.model_name}")
            cells = cells_of(tracked.objects, tracked.objects["index"])
            self._append(journal, other, replace(first, model_change=first, features=cells), RESULT)
            since = difference(tracked.model_labels, tracked.labels, "Changes so far")
            if since:
                self._append(journal, other, since, "paint")
            written.append(other)
        return written

    def _append(self, journal: Journal, one: TrackedLayer, change: ChangeSet, tool: str) -> None:
        model = (one.record.model_name, one.record.model_sha256) if tool == RESULT else None
        journal.append(change, task=one.task, tool=tool, by=self._corrections.session.reviewer, model=model)

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._corrections.said.emit(sentence, True)

    def _on_changed(self, one: TrackedLayer, change: ChangeSet, tool: str) -> None:
        if change:
            self._waiting.append((one, change, tool))
            self._corrections.stirred.emit()

    def _on_merged(self, one: TrackedLayer, change: ChangeSet) -> None:
        self._waiting.append((one, change, RESULT))
        self._corrections.stirred.emit()
