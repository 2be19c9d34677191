"""Two versions of an annotation side by side: what is open against a saved folder, or two saved folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from psygnal import Signal

from ...annotation.annotated_image import AnnotatedImage
from ...annotation.annotation_comparison import SAME, Comparison, compare
from ...annotation.regions import region_of
from ...annotation.store import load_annotation
from ...errors import CerberusError
from ...progress import Job, Progress
from ..annotated_layers import annotated_of
from ..worker import End, Failed, JobRunner, Returned
from .sight.camera import look_at, look_at_point
from .tracked_layers import Corrections


class Comparing:
    """Compares beside the window, and shows where versions differ.

    Attributes
    ----------
    result : Comparison or None
        Of the last comparison.
    message : str
        What is being done, or why it could not be done.
    changed : Signal
        Result or message are others.

    Parameters
    ----------
    corrections : Corrections
    """

    changed = Signal()

    def __init__(self, corrections: Corrections) -> None:
        self._corrections = corrections
        self._jobs = JobRunner("Comparing")
        self.result: Comparison | None = None
        self.message = ""
        self._wanted: tuple[Path, Path | None] | None = None

    def start(self, before: Path, after: Path | None = None) -> None:
        """Compare a saved annotation with a later one, or with what is open; a problem is a message."""
        if self._jobs.busy:
            self._wanted = before, after
            return
        try:
            later = self._open_now() if after is None else after
        except CerberusError as error:
            self._say(None, str(error))
            return
        self._say(None, "Comparing …")
        self._jobs.start(lambda: _work(before, later), on_progress=lambda step: None, on_end=self._on_end)

    def differing(self) -> pd.DataFrame:
        """The objects that are not the same in both, or have another class."""
        if self.result is None:
            return pd.DataFrame()
        objects = self.result.objects
        same = (objects["change"] == SAME) & (objects["class_before"] == objects["class_after"])
        return objects[~same].reset_index(drop=True)

    def show(self, row: Any) -> None:
        """Bring an object, a row of ``differing``, into view; its place where it is gone."""
        active = self._corrections.active
        one = None if active is None else self._corrections.siblings(active).get(str(row["task"]))
        if one is None:
            return
        viewer, index = self._corrections.layers.viewer, int(row["index_after"])
        viewer.layers.selection.active = one.layer
        if one.box(index) is None:
            look_at_point(viewer, one, (float(row["y_px"]), float(row["x_px"])))
        else:
            self._corrections.choose(one, index)
            look_at(viewer, one, index)

    def close(self) -> None:
        """Stop the work. Safe to call twice."""
        self._jobs.close()

    def _open_now(self) -> AnnotatedImage:
        """A copy of the annotation of the active layer. Raises ``CerberusError``."""
        active = self._corrections.need_active()
        layers = self._corrections.siblings(active).values()
        tuples = [one.layer.as_layer_data_tuple() for one in layers]
        return annotated_of([(data.copy(), attributes, kind) for data, attributes, kind in tuples])

    def _on_end(self, end: End) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:  # chosen while an earlier comparison was under way
            self.start(*wanted)
        elif isinstance(end, Returned):
            self._say(end.result, "")
        elif isinstance(end, Failed):
            self._say(None, str(end.error))
        else:
            self._say(None, "")

    def _say(self, result: Comparison | None, message: str) -> None:
        self.result, self.message = result, message
        self.changed.emit()


def _work(before: Path, after: Path | AnnotatedImage) -> Job[Comparison]:
    yield Progress("Comparing", 0, 2)
    later = load_annotation(after) if isinstance(after, Path) else after
    yield Progress("Comparing", 1, 2)
    earlier = load_annotation(region_of(before, later.frame, later.factors))
    return compare(earlier, later)
