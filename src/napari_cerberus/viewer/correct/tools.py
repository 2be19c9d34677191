"""The correction tools: what each is called, which key it has, what it needs from the mouse, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from ...annotation import edits
from ...annotation.edits import ChangeSet, ClickSettings
from ...errors import EditError
from ...tasks import GLANDS, LUMINA
from .tracked_layer import Point, TrackedLayer

SMOOTH_PX, CLOSE_PX = 2.0, 3


class Needs(StrEnum):
    """What a tool waits for."""

    OBJECT = "object"
    """Nothing: it works at once on the chosen object, or else on the one under the pointer."""
    LINE = "line"
    AREA = "area"
    CLICK = "click"
    OBJECTS = "objects"
    """Two clicked objects, or a lasso around several."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool.

    Attributes
    ----------
    title, tip : str
        Words on the button, and what it does in a sentence.
    key : str
        As napari names keys.
    needs : Needs
    on_object : callable
        ``(layer, id) -> ChangeSet``, where ``needs`` is ``OBJECT``.
    on_points : callable
        ``(layer, points) -> ChangeSet``, points in pixels of the layer, where it draws.
    hint : str
        What to do with the mouse, where it draws.
    """

    title: str
    tip: str
    key: str
    needs: Needs = Needs.OBJECT
    on_object: Callable[[TrackedLayer, int], ChangeSet] | None = None
    on_points: Callable[[TrackedLayer, Sequence[Point]], ChangeSet] | None = None
    hint: str = ""


def _split(one: TrackedLayer, index: int) -> ChangeSet:
    return edits.split_automatically(one.tracked.labels, index, new_id=one.tracked.next_id)


def _cut(one: TrackedLayer, points: Sequence[Point]) -> ChangeSet:
    return edits.split_by_line(one.tracked.labels, points, new_id=one.tracked.next_id)


def _draw(one: TrackedLayer, points: Sequence[Point]) -> ChangeSet:
    return edits.draw_object(one.tracked.labels, points, new_id=one.tracked.next_id)


def _grow_from_click(one: TrackedLayer, points: Sequence[Point]) -> ChangeSet:
    if one.probability is None:
        raise EditError("A click grows on what the model saw; click Annotate first, or draw the outline.")
    settings = ClickSettings.for_task(one.task, one.tracked.pixel_size_um)
    return edits.object_from_click(
        one.tracked.labels, points[-1], one.probability, settings, new_id=one.tracked.next_id
    )


def _lasso(one: TrackedLayer, points: Sequence[Point]) -> ChangeSet:
    return merge(one, edits.objects_in(one.tracked.labels, points))


def merge(one: TrackedLayer, ids: Sequence[int]) -> ChangeSet:
    """Merge objects into the first of them. Raises ``EditError``."""
    return edits.merge_objects(one.tracked.labels, ids)


def clip(lumina: TrackedLayer, glands: TrackedLayer | None, index: int) -> ChangeSet:
    """Cut one lumen, or with 0 all, to the glands. Raises ``EditError``."""
    if lumina.task != LUMINA or glands is None or glands.task != GLANDS:
        raise EditError("Clipping works on a lumen layer that has a gland layer of the same annotation beside it.")
    chosen = (index,) if index else None
    return edits.clip_lumina(lumina.tracked.labels, glands.tracked.labels, chosen)


def _simple(function: Callable[..., ChangeSet], **settings: float) -> Callable[[TrackedLayer, int], ChangeSet]:
    work = partial(function, **settings)
    return lambda one, index: work(one.tracked.labels, index)


CLIP = "clip"
TOOLS: dict[str, Tool] = {
    "cut": Tool(
        title="Split by line",
        tip="Draw a line across an object; it falls into two along the line.",
        key="K",
        needs=Needs.LINE,
        on_points=_cut,
        hint="Pull a line across the object to split.",
    ),
    "split": Tool(
        title="Split at necks",
        tip="Split an object where it is narrow.",
        key="Shift-K",
        on_object=_split,
    ),
    "merge": Tool(
        title="Merge",
        tip="Click two objects, or pull a lasso around several; they become one.",
        key="J",
        needs=Needs.OBJECTS,
        on_points=_lasso,
        hint="Click two objects to merge them, or pull a lasso around several.",
    ),
    "fill": Tool(
        title="Fill holes",
        tip="Fill the holes of an object.",
        key="H",
        on_object=_simple(edits.fill_holes),
    ),
    "smooth": Tool(
        title="Smooth",
        tip="Smooth the outline of an object.",
        key="S",
        on_object=_simple(edits.smooth, radius_px=SMOOTH_PX),
    ),
    "close": Tool(
        title="Close gaps",
        tip="Close notches and gaps of an object, never into a neighbour.",
        key="C",
        on_object=_simple(edits.close_object, radius_px=CLOSE_PX),
    ),
    "grow": Tool(
        title="Grow 1 px",
        tip="Grow an object by one pixel into the background.",
        key="G",
        on_object=_simple(edits.grow),
    ),
    "shrink": Tool(
        title="Shrink 1 px",
        tip="Shrink an object by one pixel.",
        key="Shift-G",
        on_object=_simple(edits.shrink),
    ),
    "outline": Tool(
        title="Draw object",
        tip="Pull an outline, or click its corners; a right click or a click on the first corner closes it.",
        key="O",
        needs=Needs.AREA,
        on_points=_draw,
        hint="Pull an outline, or click its corners and right-click to close it.",
    ),
    "click": Tool(
        title="Add by click",
        tip="Click what the model missed; the object grows on the model's probability map.",
        key="N",
        needs=Needs.CLICK,
        on_points=_grow_from_click,
        hint="Click inside an object that the model missed.",
    ),
    CLIP: Tool(
        title="Clip to gland",
        tip="Cut a lumen to the gland it lies in.",
        key="T",
    ),
    "delete": Tool(
        title="Delete",
        tip="Delete an object.",
        key="D",
        on_object=lambda one, index: edits.delete_objects(one.tracked.labels, [index]),
    ),
}
