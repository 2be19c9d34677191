"""One annotated image: the value that inference makes, the viewer shows, the journal replays to and the store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from ..errors import DataError
from ..pixel_size import PixelSize
from ..schemas import HexDigest, LongText, ShortText, UtcTime
from .finished_areas import FinishedArea
from .frame import Frame
from .label_maps import Labels
from .object_columns import of_task, with_review


@dataclass(frozen=True, kw_only=True)
class ModelRun:
    """What a model was asked, and how it ran. All empty for what was annotated by hand from the start.

    Attributes
    ----------
    model_name, model_sha256 : str
    model_pixel_size_um : float
        What the model reads; 0 where it is not known.
    device, precision, device_reason : str
        Where and how precisely the network ran, and why.
    sensitivity : float
        -1 precision .. +1 recall.
    flips : bool
        Whether confidence includes agreement under flips.
    made_at : str
        ISO 8601.
    seconds : float
    """

    model_name: ShortText = ""
    model_sha256: HexDigest = ""
    model_pixel_size_um: Annotated[float, Field(ge=0)] = 0.0
    device: ShortText = ""
    precision: ShortText = ""
    device_reason: LongText = ""
    sensitivity: Annotated[float, Field(ge=-1, le=1)] = 0.0
    flips: bool = False
    made_at: UtcTime = ""
    seconds: Annotated[float, Field(ge=0)] = 0.0


BY_HAND = ModelRun()


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotatedImage:
    """Labels, table, readout and provenance of an image or of a part of it.

    Attributes
    ----------
    frame : Frame
        Which image, and which part of it; label maps have its shape.
    pixel_size : PixelSize
        Of a pixel of the label maps, and how it is known.
    labels : mapping of task key to (H, W) integer array
        0 = background, any positive ids.
    objects : DataFrame
        All tasks, in the columns of ``object_columns.COLUMNS``; a table of a model alone gets the review's columns.
    model_labels : mapping of task key to (H, W) integer array
        What the model made of a task, in the same ids; a task that is not there is as the model left it.
    tissue : mapping of class to probability
        The readout; empty where the model has none.
    tissue_doubt : str
        Why the readout should not be relied on; "" where it is clear.
    runs : mapping of task key to ModelRun
        A task that is not there was annotated by hand.
    finished : tuple of FinishedArea
        What a person called right, in pixels of the label maps.
    factors : (float, float)
        Full-resolution rows and columns per row and column of the annotated level.
    full_brightness : float
        What somebody said is white in an image that is not 8-bit; 0 where the rule decides.
    image_path : str
        Where the image was; only a hint.
    notes : tuple of str
        Sentences worth telling the user.
    saved_at, saved_by : str
        Set by saving.

    Raises
    ------
    DataError
        If label maps differ in size from the frame, or the table lacks a column.
    """

    frame: Frame
    pixel_size: PixelSize
    labels: Mapping[str, Labels]
    objects: pd.DataFrame
    model_labels: Mapping[str, Labels] = field(default_factory=dict)
    tissue: Mapping[str, float] = field(default_factory=dict)
    tissue_doubt: str = ""
    runs: Mapping[str, ModelRun] = field(default_factory=dict)
    finished: tuple[FinishedArea, ...] = ()
    factors: tuple[float, float] = (1.0, 1.0)
    full_brightness: float = 0.0
    image_path: str = ""
    notes: tuple[str, ...] = ()
    saved_at: str = ""
    saved_by: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", with_review(self.objects))
        for maps in (self.labels, self.model_labels):
            for task, labels in maps.items():
                if labels.shape != self.frame.shape:
                    raise DataError(
                        f"The {task} labels have {labels.shape[0]} × {labels.shape[1]} px, but the annotated image "
                        f"has {self.frame.shape[0]} × {self.frame.shape[1]} px; annotate it again."
                    )

    @property
    def name(self) -> str:
        """What the image is called."""
        return self.frame.image_name

    @property
    def file_name(self) -> str:
        """What the image's file is called; the image's name where it has no file."""
        return PurePosixPath(self.image_path.replace("\\", "/")).name or self.name

    @property
    def counts(self) -> dict[str, int]:
        """Number of objects of each task."""
        of = self.objects["task"].value_counts()
        return {task: int(of.get(task, 0)) for task in self.labels}

    @property
    def run(self) -> ModelRun:
        """The run that most of it comes from: that of the first task that has one."""
        return next(iter(self.runs.values()), BY_HAND)

    @property
    def pixel_size_um(self) -> float:
        """Side of the square pixel of the same area."""
        return self.pixel_size.mean_um

    @property
    def origin_px(self) -> tuple[float, float]:
        """First row and column in pixels of the full image."""
        return self.frame.region[0] * self.factors[0], self.frame.region[1] * self.factors[1]

    def model_labels_of(self, task: str) -> Labels:
        """What the model made of a task."""
        return self.model_labels.get(task, self.labels[task])

    def is_corrected(self, task: str) -> bool:
        """Whether a task's pixels differ from what the model made."""
        made = self.model_labels.get(task)
        return made is not None and not np.array_equal(made, self.labels[task])

    def objects_of(self, task: str) -> pd.DataFrame:
        """The rows of one task."""
        return of_task(self.objects, task)
