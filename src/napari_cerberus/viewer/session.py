"""What the dock and the viewer side both know: one evented object without widgets, layers or arrays.

Panels listen to ``Session.events``; the controller alone changes it, on the main thread only. Every field holds an
immutable value, so a listener can keep what it was given.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal

from psygnal import SignalGroupDescriptor

from ..errors import CerberusError
from ..inference.images.brightness import FullBrightness
from ..model.stain_profile import ModelStain
from ..pixel_size import PixelSize, scale_words
from ..progress import Progress

Device = Literal["auto", "cpu", "cuda", "mps"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda", "mps")


class Region(StrEnum):
    """Which part of the image is annotated."""

    WHOLE = "whole"
    VIEW = "view"
    RECTANGLE = "rectangle"


class ColourBy(StrEnum):
    """What the colour of an object says."""

    CLASS = "class"
    OBJECT = "object"


@dataclass(frozen=True, kw_only=True)
class Display:
    """How result layers look."""

    colour_by: ColourBy = ColourBy.CLASS
    filled: bool = False
    colours: Mapping[str, str] = field(default_factory=dict)


class JobState(StrEnum):
    """Where a job stands; ``RETURNED``, ``CANCELLED`` and ``FAILED`` are its three ends."""

    IDLE = "idle"
    RUNNING = "running"
    CANCELLING = "cancelling"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def busy(self) -> bool:
        """Whether a worker is still at it."""
        return self in (JobState.RUNNING, JobState.CANCELLING)


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """What the job bar shows.

    Attributes
    ----------
    state : JobState
    stage : str
        What is being done ("Reading glands").
    fraction : float or None
        Share done of this stage, 0..1; None where it is not known.
    message : str
        The sentence for the user: a note while it runs, the outcome or the error at its end.
    """

    state: JobState = JobState.IDLE
    stage: str = ""
    fraction: float | None = None
    message: str = ""

    @classmethod
    def running(cls, step: Progress) -> JobStatus:
        """What a job says of itself while it works."""
        return cls(state=JobState.RUNNING, stage=step.stage, fraction=step.fraction, message=step.message)

    @classmethod
    def failed(cls, error: CerberusError) -> JobStatus:
        """How a job ended that a problem ended."""
        return cls(state=JobState.FAILED, message=str(error))


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What the last run found, without its arrays.

    Attributes
    ----------
    image_id, image_name : str
        The image it belongs to.
    tissue : mapping of class to probability
        Of the whole region; empty where the model has no tissue head.
    counts : mapping of task key to number of objects
    classes : mapping of task key to (class name → number of objects)
        Only for tasks whose objects are typed.
    model_name, device, precision, device_reason : str
    seconds : float
    tissue_doubt : str
        Why the tissue readout should not be relied on; "" where it is clear.
    notes : tuple of str
        Sentences worth telling the user.
    has_tissue_map : bool
        Whether a coarse map of the tissue can be shown.
    """

    image_id: str
    image_name: str
    tissue: Mapping[str, float]
    counts: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    model_name: str
    device: str
    precision: str
    device_reason: str
    seconds: float
    tissue_doubt: str = ""
    notes: tuple[str, ...] = ()
    has_tissue_map: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """One line of the model list: what a panel may know about a model without reading its weights."""

    name: str
    predicts: tuple[str, ...]
    pixel_size_um: float
    sha256: str
    origin: str = ""
    card: str = ""
    stain: ModelStain | None = None
    adapted_from: str = ""
    task_pixel_size_um: Mapping[str, float] = field(default_factory=dict)

    @property
    def scales(self) -> str:
        """The pixel sizes it works at, in words."""
        return scale_words(self.pixel_size_um, self.task_pixel_size_um)


@dataclass
class Session:
    """The state of one dock.

    Attributes
    ----------
    image_id, image_name : str
        ``unique_id`` and name of the chosen image layer; empty without one.
    image_problem : str
        Why the chosen image cannot be annotated and what to do; empty if it can.
    pixel_size : PixelSize or None
        Of the chosen image.
    full_brightness : FullBrightness or None
        What is white in the chosen image; None where it is 8-bit, or there is none.
    models : tuple of ModelChoice
        What can be chosen; empty until they were looked up.
    model_name, device : str
    sensitivity : float
        -1 leans toward precision, 0 balanced, +1 toward recall.
    flips : bool
        Confidence includes agreement under flips.
    region : Region
    colour_by : ColourBy
    filled : bool
        Objects as filled areas; otherwise outlines.
    task_colours : mapping of task key to hex colour
        Those that the user has chosen.
    job : JobStatus
    export : JobStatus
        Of the export of training pairs.
    readout : Readout or None
        Of the last run on the chosen image.
    model_loading : str
        That the model is being loaded in the background; empty when it is there.
    results_note : str
        That the results shown were made with another pixel size; empty if they were not.
    stain_warning : str
        That the chosen image is stained unlike what the chosen model was trained on; empty if it is not.
    reviewer : str
        The user's name, as it goes into the table of corrected objects.
    pairs_folder : str
        Where pairs were last exported to.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    image_id: str = ""
    image_name: str = ""
    image_problem: str = ""
    pixel_size: PixelSize | None = None
    full_brightness: FullBrightness | None = None
    models: tuple[ModelChoice, ...] = ()
    model_name: str = ""
    device: Device = "auto"
    sensitivity: float = 0.0
    flips: bool = False
    region: Region = Region.WHOLE
    colour_by: ColourBy = ColourBy.CLASS
    filled: bool = False
    task_colours: Mapping[str, str] = field(default_factory=dict)
    job: JobStatus = field(default_factory=JobStatus)
    export: JobStatus = field(default_factory=JobStatus)
    readout: RunSummary | None = None
    model_loading: str = ""
    results_note: str = ""
    stain_warning: str = ""
    reviewer: str = ""
    pairs_folder: str = ""

    def __setattr__(self, name: str, value: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError(f"Session.{name} may only change on the main thread.")
        super().__setattr__(name, value)

    @property
    def model(self) -> ModelChoice | None:
        """The chosen model's entry, if the list has it."""
        return next((model for model in self.models if model.name == self.model_name), None)

    @property
    def display(self) -> Display:
        """How result layers look."""
        return Display(colour_by=self.colour_by, filled=self.filled, colours=self.task_colours)
