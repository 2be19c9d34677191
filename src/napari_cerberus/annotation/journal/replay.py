"""Reading a journal back: labels, table and history as they were at the last whole record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import DataError
from ...pixel_size import PixelSize
from ..annotated_image import AnnotatedImage, ModelRun
from ..finished_areas import FinishedArea
from ..frame import Frame
from ..object_columns import CELLS, empty_table
from ..object_table import measure, rows_with
from . import pixel_runs
from .record import AREAS, MAX_LINE_BYTES, RESULT, SNAPSHOT, Record, data_of, decode

FORMAT = "napari-cerberus journal"
FORMAT_VERSION = 1
TaskLabels = NDArray[np.int32]


@dataclass(kw_only=True, eq=False)
class Replay:
    """What a journal restores.

    Attributes
    ----------
    frame : Frame
        Image and region that it belongs to.
    labels, model_labels : mapping of task to (h, w) int32 array
        As they were at the last whole record; the model's last result.
    cells : mapping of task to {id: {column: value}}
        Table cells that labels alone do not give.
    finished : tuple of FinishedArea
        In pixels of the label maps.
    records : list of Record
        The history, without pixels and cells.
    good_bytes : int
        Length of the part of the file that was used.
    problem : str
        One sentence where the rest could not be used, else empty.
    torn : bool
        The problem is only an unfinished last line, as a crash leaves it.
    path : Path or None
        The file.
    """

    frame: Frame
    path: Path | None = None
    labels: dict[str, TaskLabels] = field(default_factory=dict)
    model_labels: dict[str, TaskLabels] = field(default_factory=dict)
    cells: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    finished: tuple[FinishedArea, ...] = ()
    records: list[Record] = field(default_factory=list)
    good_bytes: int = 0
    problem: str = ""
    torn: bool = False

    def objects(self, task: str, pixel_size_um: float) -> pd.DataFrame:
        """The object table of one task, measured from its labels."""
        cells = pd.DataFrame.from_dict(self.cells.get(task, {}), orient="index", columns=list(CELLS))
        return rows_with(task, measure(self.labels[task], pixel_size_um), cells)

    def annotated(self, pixel_size: PixelSize) -> AnnotatedImage:
        """What the journal restores, as one value."""
        tables = [self.objects(task, pixel_size.mean_um) for task in self.labels]
        last = {one.task: one for one in self.records if one.kind == RESULT}
        return AnnotatedImage(
            frame=self.frame,
            finished=self.finished,
            pixel_size=pixel_size,
            labels=self.labels,
            model_labels=self.model_labels,
            objects=pd.concat(tables, ignore_index=True) if tables else empty_table(),
            tissue=next((one.tissue for one in reversed(list(last.values())) if one.tissue), {}),
            tissue_doubt=next((one.tissue_doubt for one in reversed(list(last.values())) if one.tissue), ""),
            runs={
                task: ModelRun(model_name=one.model_name, model_sha256=one.model_sha256, made_at=one.at)
                for task, one in last.items()
                if one.model_name
            },
        )

    def sync(self, record: Record) -> None:
        """Do what a record says.

        Raises
        ------
        DataError
            If it is not the next one or does not fit.
        """
        if record.seq != len(self.records) + 1:
            raise DataError(f"record {len(self.records) + 1} is missing")
        if record.kind == AREAS:
            self.finished = record.finished
        elif not record.thin:
            self._change(record)
        self.records.append(record.thinned() if not record.thin else record)

    def _change(self, record: Record) -> None:
        if record.kind == SNAPSHOT or record.task not in self.labels:
            self.labels[record.task] = np.zeros(self.frame.shape, dtype=np.int32)
            self.model_labels[record.task] = np.zeros(self.frame.shape, dtype=np.int32)
            self.cells[record.task] = {}
        maps = (self.labels[record.task], self.model_labels[record.task])
        changes = [
            pixel_runs.unpack(packed, map_)
            for packed, map_ in zip((record.pixels, record.model_pixels), maps, strict=True)
        ]
        for map_, (flat, ids) in zip(maps, changes, strict=True):  # only now, when both are known to be sound
            map_.reshape(-1)[flat] = ids
        cells = self.cells[record.task]
        for object_id in record.removed_ids:
            cells.pop(object_id, None)
        for object_id, changed in record.features.items():
            cells.setdefault(object_id, {}).update(changed)


Callback = Callable[[Replay, Record], None]
"""Called before each record is followed, with everything as it was until then."""


def read_journal(path: Path, watch: Callback | None = None) -> Replay:
    """Replay a journal file as far as it is whole.

    An unfinished last line is dropped; at a damaged record the replay stops, and ``problem`` says so.

    Raises
    ------
    DataError
        If the file cannot be read or is no journal at all.
    """
    try:
        with path.open("rb") as stream:
            head = stream.readline(MAX_LINE_BYTES)
            replay = Replay(frame=_frame(head, path), path=path, good_bytes=len(head))
            for line in iter(lambda: stream.readline(MAX_LINE_BYTES), b""):
                if not _follow_line(replay, line, path, watch):
                    break
            return replay
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _follow_line(replay: Replay, line: bytes, path: Path, watch: Callback | None) -> bool:
    if not line.endswith(b"\n"):
        replay.problem = "The last change was cut off before it was whole; everything before it is restored."
        replay.torn = True
        return False
    try:
        record = decode(data_of(line[:-1]))
        if watch is not None:
            watch(replay, record)
        replay.sync(record)
    except DataError as error:
        count = len(replay.records)
        replay.problem = f"{path.name} is damaged after change {count} ({error}); everything before it is restored."
        return False
    replay.good_bytes += len(line)
    return True


def _frame(head: bytes, path: Path) -> Frame:
    try:
        data = data_of(head.rstrip(b"\n"))
    except DataError as error:
        raise DataError(f"{path} is not a journal of napari-cerberus.") from error
    if data.get("format") != FORMAT:
        raise DataError(f"{path} is not a journal of napari-cerberus.")
    if data.get("format_version") != FORMAT_VERSION:
        raise DataError(f"{path} was written by another version of napari-cerberus; update it.")
    return Frame.from_json(data.get("frame"), str(path))


def header(frame: Frame) -> dict[str, Any]:
    """The first line of a journal."""
    return {"format": FORMAT, "format_version": FORMAT_VERSION, "frame": frame.to_json()}
