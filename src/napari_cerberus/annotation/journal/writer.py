"""The journal while annotating: every change is on disk before the next one, without rewriting anything."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import DataError, OutputError
from ...files import atomic_path
from ..edits import ChangeSet
from ..finished_areas import FinishedArea
from ..frame import Frame
from ..object_columns import utc_now
from . import pixel_runs
from .appending import AppendFile
from .compact import compacted
from .journal_lock import FolderLock
from .record import AREAS, EDIT, RESULT, Record, encode, line_of
from .replay import Replay, header, read_journal

logger = logging.getLogger(__name__)

MAX_BYTES = 64 << 20
"""A journal that has grown to this size is compacted."""


class Journal:
    """The open journal of one frame; ``open_journal`` makes it.

    Never raises because of the disk: where it cannot be written, changes stay in memory, ``warning`` says so in one
    sentence, and with every change writing is tried again.

    Attributes
    ----------
    frame : Frame
    records : list of Record
        The whole history, without pixels and cells.
    warning : str
        Empty while everything is safe.
    note : str
        Something else that the user should know; may be empty.
    """

    def __init__(
        self,
        frame: Frame,
        file: AppendFile | None,
        lock: FolderLock | None = None,
        *,
        records: Iterable[Record] = (),
        warning: str = "",
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.frame = frame
        self.records = list(records)
        self.warning = warning
        self.note = ""
        self._file = file
        self._lock = lock
        self._first_max_bytes = self._max_bytes = max_bytes
        self._clock = clock
        self._started = clock()
        self._session = secrets.token_hex(4)
        self._unwritten = [] if file is not None else [line_of(header(frame))]

    @property
    def path(self) -> Path | None:
        """The file; None where there is none and everything stays in memory."""
        return None if self._file is None else self._file.path

    def append(
        self,
        change: ChangeSet,
        *,
        task: str,
        tool: str,
        by: str = "",
        model: tuple[str, str] | None = None,
        tissue: Mapping[str, float] | None = None,
        tissue_doubt: str = "",
    ) -> None:
        """Note a change that was made.

        Parameters
        ----------
        change : ChangeSet
            As ``TrackedLabels`` returned it, with every table cell that changed.
        task, tool, by : str
            Which label map, which tool, who.
        model : (name, SHA-256) or None
            For a result of a model.
        tissue : mapping of class to probability, optional
            The readout that came with a result.
        tissue_doubt : str
            Why that should not be relied on.

        Raises
        ------
        DataError
            If the layer holds numbers that cannot be object ids.
        """
        packed_model = b"" if change.model_change is None else self._pack(change.model_change)
        record = Record(
            seq=len(self.records) + 1,
            session=self._session,
            elapsed_s=self._elapsed_s,
            at=utc_now(),
            by=by,
            kind=EDIT if model is None else RESULT,
            task=task,
            tool=tool,
            summary=change.summary,
            new_ids=change.new_ids,
            removed_ids=change.removed_ids,
            changed_ids=change.changed_ids,
            marked_ids=tuple(sorted({*change.features} - {*change.new_ids, *change.changed_ids})),
            changed_px=change.changed_px,
            features=change.features,
            pixels=self._pack(change),
            model_pixels=packed_model,
            model_name=model[0] if model else "",
            model_sha256=model[1] if model else "",
            tissue=dict(tissue or {}),
            tissue_doubt=tissue_doubt,
        )
        self._note(record)

    def append_areas(self, finished: Iterable[FinishedArea], *, task: str, summary: str, by: str = "") -> None:
        """Note which areas are finished from now on, in pixels of the label maps; ``task`` is that of the layer."""
        record = Record(
            seq=len(self.records) + 1,
            session=self._session,
            elapsed_s=self._elapsed_s,
            at=utc_now(),
            by=by,
            kind=AREAS,
            task=task,
            tool=AREAS,
            summary=summary,
            finished=tuple(finished),
        )
        self._note(record)

    def _note(self, record: Record) -> None:
        self._write(record)
        if self._lock is not None:
            self._lock.beat()
        if self._file is not None and self._file.size > self._max_bytes:
            self._compact(self._file)

    def begin_with(self, replay: Replay) -> None:
        """Start a journal in memory with what was restored, so that a copy of it is complete."""
        for record in compacted(replay, self._session, self._elapsed_s):
            self._write(record)

    def flush(self) -> None:
        """Bring everything to the disk now instead of within a second."""
        if self._unwritten:
            self._guarded(self._append_unwritten)
        self._guarded(AppendFile.sync)

    def copy_to(self, target: Path) -> None:
        """Write the whole journal, what is only in memory included, to another file.

        Raises
        ------
        OutputError
            If that cannot be written.
        """
        written = b""
        if self._file is not None:
            try:
                written = self._file.path.read_bytes()[: self._file.size]
            except OSError as error:
                raise OutputError(f"{self._file.path} cannot be read: {error.strerror or error}.") from error
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"".join([written, *self._unwritten]))

    def close(self) -> None:
        """Write what is left and free the image for other windows."""
        if self._unwritten:
            self._guarded(self._append_unwritten)
        self._guarded(AppendFile.close)
        self._file = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _elapsed_s(self) -> float:
        return round(self._clock() - self._started, 3)

    def _pack(self, change: ChangeSet) -> bytes:
        return pixel_runs.pack(change, self.frame.shape)

    def _write(self, record: Record) -> None:
        self.records.append(record.thinned())
        self._unwritten.append(encode(record))
        self._guarded(self._append_unwritten)

    def _append_unwritten(self, file: AppendFile) -> None:
        file.append(b"".join(self._unwritten))
        self._unwritten = []
        self.warning = ""

    def _guarded(self, action: Callable[[AppendFile], None]) -> None:
        if self._file is None:
            return
        try:
            action(self._file)
        except OutputError as error:
            self.warning = f"{error} Changes stay in memory for now; save the annotation to keep them."
            logger.warning(self.warning)

    def _compact(self, file: AppendFile) -> None:
        """Put a shorter journal in the place of the file; in doubt leave it as it is and try again much later."""
        self._max_bytes = max(self._max_bytes, 2 * file.size)
        try:
            replay = read_journal(file.path)
            if replay.problem or len(replay.records) != len(self.records):
                raise DataError(replay.problem or f"{file.path} does not hold every change.")
            records = compacted(replay, self._session, self._elapsed_s)
            with atomic_path(file.path) as temporary:
                temporary.write_bytes(line_of(header(self.frame)) + b"".join(map(encode, records)))
            file.close()
            self._file = AppendFile(file.path)
        except (OutputError, DataError) as error:
            logger.warning("The journal was not compacted: %s", error)
            return
        self.records = [record.thinned() for record in records]
        self._max_bytes = max(self._first_max_bytes, 2 * self._file.size)
