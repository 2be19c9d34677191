"""An annotated image of the viewer, copied: what an export works on while the user goes on painting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...exporting.annotator_work import work_of
from ...inference.images.rgb import as_rgb8
from ...pairs.write.export_source import ExportSource


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A subject's pixels, labels and tables, copied: what an export works on while the user goes on painting.

    Attributes
    ----------
    read : callable
        Gives the image's pixels.
    labels : mapping of task to (H, W) integer array
    objects : pandas.DataFrame
    journal : Path or None
        The history of the corrections, complete.
    annotator : str
        Who stands for it where no change names anybody.
    """

    name: str
    path: Path | None
    read: Callable[[], np.ndarray[Any, Any]]
    labels: Mapping[str, np.ndarray[Any, Any]]
    objects: pd.DataFrame
    pixel_size_um: float
    model_name: str = ""
    model_sha256: str = ""
    tissue: Mapping[str, float] = field(default_factory=dict)
    journal: Path | None = None
    annotator: str = ""

    def source(self) -> ExportSource:
        """For the export; slow, so call it beside the window. Raises ``ImageError`` or ``DataError``."""
        work = work_of(self.objects, self.journal, self.annotator)
        return ExportSource(
            image=as_rgb8(self.read()),
            labels=self.labels,
            objects=self.objects,
            pixel_size_um=self.pixel_size_um,
            name=self.name,
            path=self.path,
            model_name=self.model_name,
            model_sha256=self.model_sha256,
            annotator=work.annotator,
            effort=work.effort,
            tissue=self.tissue,
        )
