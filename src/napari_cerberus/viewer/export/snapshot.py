"""An annotated image of the viewer, copied: what an export works on while the user goes on painting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...annotation.annotated_image import AnnotatedImage
from ...exporting.annotator_work import work_of
from ...inference.images.rgb import as_rgb8
from ...pairs.write.export_source import ExportSource


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A candidate's content, copied, and how its pixels are read.

    Attributes
    ----------
    annotated : AnnotatedImage
    read : callable
        Gives the image's pixels.
    name : str
        Of the image, for people.
    path : Path or None
    journal : Path or None
        The history of the corrections, complete.
    annotator : str
        Who stands for it where no change names anybody.
    """

    annotated: AnnotatedImage
    read: Callable[[], np.ndarray[Any, Any]]
    name: str
    path: Path | None = None
    journal: Path | None = None
    annotator: str = ""

    def source(self) -> ExportSource:
        """For the export; slow, so call it beside the window. Raises ``ImageError`` or ``DataError``."""
        work = work_of(self.annotated.objects, self.journal, self.annotator)
        return ExportSource(
            image=as_rgb8(self.read()),
            annotated=self.annotated,
            name=self.name,
            path=self.path,
            annotator=work.annotator,
            effort=work.effort,
        )
