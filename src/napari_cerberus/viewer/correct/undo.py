"""What a layer's history is made of: corrections of pixels, of the table alone, and re-runs.

A re-run goes into the layers of one annotation together, so it is one step back, and one forward, for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...annotation.edits import ChangeSet, Features, ProbabilityMap
from ...annotation.tracking import Seen
from ..layer_provenance import LayerRecord


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One re-run; known by identity.

    Attributes
    ----------
    layers : tuple of str
        Keys of the layers it went into.
    """

    layers: tuple[str, ...]


@dataclass(kw_only=True, eq=False)
class RunStep:
    """A re-run as a step of one layer's history.

    Attributes
    ----------
    run : Run
    seen : Seen
        Labels and table on the other side of the step.
    record : LayerRecord
    probability : ProbabilityMap or None
        Provenance, and what the model saw, on the other side of the step.
    """

    run: Run
    seen: Seen
    record: LayerRecord
    probability: ProbabilityMap | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelStep:
    """A step of napari's own history, and the table cells before and after it, as ``{id: {column: value}}``.

    Both are empty where somebody else made the step and it was not looked at in time.
    """

    before: Features = field(default_factory=dict)
    after: Features = field(default_factory=dict)


Step = ChangeSet | PixelStep | RunStep
"""A change set stands for a correction of the table alone, which napari's history does not know."""


def probability_map(
    probabilities: Mapping[str, Any], task: str, shape: tuple[int, ...], origin: tuple[float, float] = (0.0, 0.0)
) -> ProbabilityMap | None:
    """What the model saw of a task, as a map over ``shape`` pixels from ``origin`` on; None where it saw nothing."""
    seen = probabilities.get(task)
    if seen is None:
        return None
    top, left = origin
    return ProbabilityMap(
        probabilities=seen, top_px=top, left_px=left, bottom_px=top + shape[0], right_px=left + shape[1]
    )
