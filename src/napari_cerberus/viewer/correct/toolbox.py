"""Uses the tools: on the object under the pointer, on the chosen one, on what was drawn, or on a whole layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...annotation.edits import ChangeSet, delete_small
from ...annotation.object_table import change_class
from ...errors import CerberusError, EditError
from ...tasks import GLAND_CLASSES, GLANDS, NUCLEI, NUCLEI_CLASSES
from .mouse import MouseTools, object_under
from .overlay import Overlay
from .tools import CLIP, TOOLS, Needs, Tool, clip
from .tracked_layer import TrackedLayer
from .tracked_layers import Corrections

CLASSES = {NUCLEI: NUCLEI_CLASSES[1:], GLANDS: GLAND_CLASSES[1:]}
"""Classes offered for the objects of a task; those in its table come after them."""
MOST_CLASSES = 9
_MAKE_ONE = ("outline", "click")
"""Tools whose new object is the chosen one afterwards."""


class ToolBox:
    """The tools of one viewer.

    Attributes
    ----------
    pointer : MouseTools
        The mouse, and the tool that waits for it.

    Parameters
    ----------
    corrections : Corrections
    overlay : Overlay
    """

    def __init__(self, corrections: Corrections, overlay: Overlay) -> None:
        self.corrections, self._overlay = corrections, overlay
        self.pointer = MouseTools(corrections, overlay, self.run)
        for name, tool in TOOLS.items():
            corrections.bind(tool.key, partial(self.use, name, at_pointer=True))
        for number in range(1, MOST_CLASSES + 1):
            corrections.bind(f"Alt-{number}", partial(self.number, number, at_pointer=True))
        corrections.active_changed.connect(self._show_chosen)
        corrections.changed.connect(self._on_changed)

    def use(self, name: str, *, at_pointer: bool = False) -> None:
        """Use a tool: at once, or arm it (and put it away again) where it needs the mouse.

        Parameters
        ----------
        name : str
            Key of ``TOOLS``.
        at_pointer : bool
            Prefer the object under the mouse pointer to the chosen one, as a key does and a button cannot.
        """
        tool = TOOLS[name]
        if tool.needs is not Needs.OBJECT:
            self.pointer.finish_or_arm(name)
        elif name == CLIP:
            self.run(lambda one: self._clipped(one, at_pointer), name)
        else:
            self.run(lambda one: self._on_object(one, tool, at_pointer), name)

    def number(self, number: int, *, at_pointer: bool = False) -> None:
        """Give the object the class with this number, from 1."""

        def work(one: TrackedLayer) -> ChangeSet:
            names = self.classes(one)
            if number > len(names):
                raise EditError(f"There is no class {number} for {one.task}.")
            chosen = [self._target(one, at_pointer)]
            by = self.corrections.session.reviewer
            return change_class(one.tracked.objects, chosen, names[number - 1], by=by)

        self.run(work, "class")

    def classes(self, one: TrackedLayer | None) -> tuple[str, ...]:
        """The classes that objects of a layer can have, in the order of their numbers."""
        if one is None:
            return ()
        known = CLASSES.get(one.task, ())
        own = sorted({str(name) for name in one.tracked.objects["class"]} - {"", *known})
        return (*known, *own)[:MOST_CLASSES]

    def count_small(self, below_um2: float) -> tuple[int, int]:
        """Objects of the active layer under a size, and all of them."""
        one = self.corrections.active
        if one is None:
            return 0, 0
        areas = one.tracked.objects["area_um2"]
        return int((areas < below_um2).sum()), len(areas)

    def delete_small(self, below_um2: float) -> None:
        """Delete the objects of the active layer under a size."""
        self.run(
            lambda one: delete_small(one.tracked.labels, below_um2=below_um2, pixel_size_um=one.tracked.pixel_size_um),
            "delete small",
        )

    def run(self, work: Callable[[TrackedLayer], ChangeSet], name: str) -> None:
        """One correction of the active layer; a problem is said, not raised."""
        try:
            one = self.corrections.need_active()
            self.corrections.apply(one, work(one), name)
        except CerberusError as error:
            self.corrections.said.emit(str(error), True)

    def close(self) -> None:
        """Take our hands off the layers."""
        self.pointer.close()
        self._overlay.clear()

    def _on_object(self, one: TrackedLayer, tool: Tool, at_pointer: bool) -> ChangeSet:
        if tool.on_object is None:
            raise EditError(f"{tool.title} works on no single object.")
        return tool.on_object(one, self._target(one, at_pointer))

    def _clipped(self, one: TrackedLayer, at_pointer: bool) -> ChangeSet:
        index = self._under_pointer(one) if at_pointer else 0
        return clip(one, self.corrections.siblings(one).get(GLANDS), index or one.selected)

    def _target(self, one: TrackedLayer, at_pointer: bool) -> int:
        index = (self._under_pointer(one) if at_pointer else 0) or one.selected
        if not index:
            raise EditError("Choose an object first: click it, or point at it and press the key.")
        return index

    def _under_pointer(self, one: TrackedLayer) -> int:
        return object_under(one, one.to_data(self.corrections.layers.viewer.cursor.position))

    def _show_chosen(self) -> None:
        one = self.corrections.active
        if one is None:
            self._overlay.clear()
        else:
            self._overlay.box(one, one.selected)

    def _on_changed(self, one: TrackedLayer, change: ChangeSet, tool: str) -> None:
        if one is not self.corrections.active:
            return
        if tool in _MAKE_ONE and len(change.new_ids) == 1:
            self.corrections.choose(one, change.new_ids[0])
        else:
            self._overlay.box(one, one.selected)
