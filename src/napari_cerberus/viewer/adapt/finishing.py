"""Areas that are marked as finished, and reopened: kept in the layers, in the journal and in saved folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from psygnal import Signal

from ...annotation.finished_areas import FinishedArea, Mask, finished_masks
from ...errors import CerberusError, EditError
from ...tasks import objects_of
from ..annotate.annotation_result import ordered
from ..annotate.image_region import view_box
from ..correct.autosave import Autosave
from ..correct.sight.overlay import Overlay
from ..correct.toolbox import ToolBox
from ..correct.tracked_layer import Point, TrackedLayer
from ..correct.tracked_layers import Corrections
from ..layer_provenance import FINISHED, finished_of
from ..placement import Box
from .area_drawing import POLYGON, RECTANGLE, AreaDrawing
from .area_outlines import AreaOutlines

KEYS: Mapping[str, tuple[str, str]] = {
    "rectangle": ("I", "Finish a rectangle: what is in it is right"),
    "polygon": ("Shift-I", "Finish an area of any shape"),
    "view": ("Y", "Finish what is in view"),
    "reopen": ("Shift-Y", "Reopen the finished area under the pointer, or else the last one"),
}
"""What can be done to the key for it, as napari names it, and what it does."""


@dataclass(frozen=True, kw_only=True)
class FinishedPart:
    """How much of one task is finished in an annotation."""

    share: float
    objects: int


class Finishing:
    """The finished areas of one dock.

    Attributes
    ----------
    every_task : bool
        New areas are right for all tasks of the annotation; otherwise for the active layer's.
    changed : Signal
        Other areas, or another annotation is active.
    finished : Signal
        The user has just finished an area.

    Parameters
    ----------
    corrections : Corrections
    autosave : Autosave
    tools : ToolBox
    overlay : Overlay
    """

    changed = Signal()
    finished = Signal()

    def __init__(self, corrections: Corrections, autosave: Autosave, tools: ToolBox, overlay: Overlay) -> None:
        self._corrections, self._autosave = corrections, autosave
        self.every_task = False
        self.drawing = AreaDrawing(corrections, overlay, tools.pointer, self._on_drawn)
        self._outlines = AreaOutlines(corrections.layers)
        actions = {
            "rectangle": lambda: self.drawing.finish_or_arm(RECTANGLE),
            "polygon": lambda: self.drawing.finish_or_arm(POLYGON),
            "view": self.finish_view,
            "reopen": self.reopen,
        }
        for name, action in actions.items():
            corrections.bind(KEYS[name][0], action)
        self.actions = actions
        self._place: tuple[object, ...] = ()
        corrections.active_changed.connect(self._on_active)
        corrections.attached.connect(self._on_layers)
        corrections.detached.connect(self._on_layers)
        self._refresh()

    def areas(self) -> tuple[FinishedArea, ...]:
        """Those of the active annotation, in pixels of its layers."""
        active = self._corrections.active
        return () if active is None else self.areas_of(active)

    def areas_of(self, one: TrackedLayer) -> tuple[FinishedArea, ...]:
        """Those of a layer's annotation, whichever of its layers carries them."""
        found = (finished_of(other.layer) for other in self._corrections.siblings(one).values())
        return next((areas for areas in found if areas), ())

    def parts(self) -> dict[str, FinishedPart]:
        """By task, how much of the active annotation is finished."""
        active = self._corrections.active
        if active is None:
            return {}
        shape = active.tracked.labels.shape
        masks = finished_masks(self.areas(), (shape[0], shape[1]))
        layers = self._corrections.siblings(active)
        return {
            task: FinishedPart(
                share=float(masks[task].mean()),
                objects=_objects(layers[task], masks[task]),
            )
            for task in ordered(masks)
            if task in layers
        }

    def finish(self, box: Box) -> None:
        """Finish a rectangle of pixels of the active annotation's layers."""
        self._guarded(lambda one: FinishedArea.rectangle(*box.as_tuple(), self._tasks(one)))

    def finish_view(self) -> None:
        """Finish what is in view."""
        viewer = self._corrections.layers.viewer
        self._guarded(
            lambda one: FinishedArea.rectangle(*_inside(view_box(viewer, one.layer), one).as_tuple(), self._tasks(one))
        )

    def reopen(self) -> None:
        """Reopen the area under the pointer, or else the one that was finished last."""
        one = self._corrections.active
        areas = () if one is None else self.areas_of(one)
        if one is None or not areas:
            self._corrections.said.emit("No area of this annotation is finished.", True)
            return
        point = one.to_data(self._corrections.layers.viewer.cursor.position)
        under = [area for area in areas if _holds(area, point)]
        gone = (under or areas)[-1]
        self._set(one, [area for area in areas if area is not gone], f"Reopened an area of {_words(gone.tasks)}")
        self._corrections.said.emit(f"Reopened an area of {_words(gone.tasks)}.", False)

    def close(self) -> None:
        """Let go of layers and viewer. Safe to call twice."""
        self.drawing.close()
        self._outlines.close()

    def _tasks(self, one: TrackedLayer) -> tuple[str, ...]:
        return tuple(self._corrections.siblings(one)) if self.every_task else (one.task,)

    def _on_drawn(self, one: TrackedLayer, shape: str, corners: Sequence[Point]) -> None:
        if shape == RECTANGLE:  # its whole pixels
            box = Box.around(np.asarray(corners, dtype=float))
            self._guarded(lambda active: FinishedArea.rectangle(*box.as_tuple(), self._tasks(active)))
        else:
            points = tuple((float(y), float(x)) for y, x in corners)
            self._guarded(lambda active: FinishedArea(corners=points, tasks=self._tasks(active)))

    def _guarded(self, make: Callable[[TrackedLayer], FinishedArea]) -> None:
        """Add the area that ``make`` gives for the active layer; a problem is said, not raised."""
        try:
            one = self._corrections.need_active()
            area = make(one)
            if not _mask(one, area).any():
                raise EditError("The area holds no pixel of the image; draw it on the image.")
        except CerberusError as error:
            self._corrections.said.emit(str(error), True)
            return
        self._set(one, [*self.areas_of(one), area], f"Finished an area of {_words(area.tasks)}")
        self._corrections.said.emit(self._sentence(one, area), False)
        self.finished.emit()

    def _sentence(self, one: TrackedLayer, area: FinishedArea) -> str:
        mask, layers = _mask(one, area), self._corrections.siblings(one)
        found = [objects_of(task, _objects(layers[task], mask)) for task in ordered(dict.fromkeys(area.tasks))]
        return f"Finished: {', '.join(found)}. Shift+Y reopens it."

    def _set(self, one: TrackedLayer, areas: Sequence[FinishedArea], summary: str) -> None:
        kept = [area.to_json() for area in areas]
        for other in self._corrections.siblings(one).values():
            other.layer.metadata = {**other.layer.metadata, FINISHED: kept}
        self._autosave.note_areas(one, areas, summary)
        self._refresh()

    def _on_active(self) -> None:
        active = self._corrections.active
        place = () if active is None else active.place
        if place != self._place:
            self._refresh()

    def _on_layers(self, one: TrackedLayer) -> None:
        self._refresh()

    def _refresh(self) -> None:
        active = self._corrections.active
        self._place = () if active is None else active.place
        self._outlines.show(active, self.areas())
        self.changed.emit()


def _mask(one: TrackedLayer, area: FinishedArea) -> Mask:
    height, width = one.tracked.labels.shape
    return area.mask((height, width))


def _objects(one: TrackedLayer, mask: Mask) -> int:
    return len(np.setdiff1d(one.tracked.labels[mask], [0]))


def _inside(box: Box, one: TrackedLayer) -> Box:
    height, width = one.tracked.labels.shape
    return box.clipped(height, width)


def _holds(area: FinishedArea, point: Point) -> bool:
    y, x = round(point[0]), round(point[1])
    return y >= 0 and x >= 0 and bool(area.mask((y + 1, x + 1))[y, x])


def _words(tasks: Sequence[str]) -> str:
    return " and ".join(tasks) if len(tasks) < 3 else f"{', '.join(tasks[:-1])} and {tasks[-1]}"
