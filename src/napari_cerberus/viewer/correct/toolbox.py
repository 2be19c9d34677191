"""Uses the tools: on the object that is meant, on what was drawn, or on a whole layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from ...annotation.edits import ChangeSet, delete_small
from ...annotation.object_table import change_class
from ...annotation.review.queue import CRUMBS_UM2
from ...errors import CerberusError, EditError
from ...tasks import GLAND_CLASSES, GLANDS, NUCLEI, NUCLEI_CLASSES
from .mouse import MouseTools
from .sight.aim import Aim
from .sight.overlay import Overlay
from .tools import CLIP, TOOLS, Needs, Tool, clip
from .tracked_layer import TrackedLayer
from .tracked_layers import Corrections

CLASSES = {NUCLEI: NUCLEI_CLASSES[1:], GLANDS: GLAND_CLASSES[1:]}
"""Classes offered for the objects of a task; those in its table come after them."""
MOST_CLASSES = 9
_FEW_SHARE = 0.02
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
        self.aim = Aim(corrections, overlay)
        self.pointer = MouseTools(corrections, overlay, self.run)
        for name, tool in TOOLS.items():
            corrections.bind(tool.key, partial(self.use, name))
        for number in range(1, MOST_CLASSES + 1):
            corrections.bind(f"Alt-{number}", partial(self.number, number))
        corrections.active_changed.connect(self._show_chosen)
        corrections.changed.connect(self._on_changed)

    def use(self, name: str) -> None:
        """Use a tool, a key of ``TOOLS``: at once, or arm it (and put it away again) where it needs the mouse."""
        tool = TOOLS[name]
        if tool.needs is not Needs.OBJECT:
            self.pointer.finish_or_arm(name)
        elif name == CLIP:
            self.run(self._clipped, name)
        else:
            self.run(lambda one: self._on_object(one, tool), name)

    def number(self, number: int) -> None:
        """Give the object the class with this number, from 1."""

        def work(one: TrackedLayer) -> ChangeSet:
            names = self.classes(one)
            if number > len(names):
                raise EditError(f"There is no class {number} for {one.task}.")
            chosen = [self.aim.target(one)]
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

    def safe_small_um2(self) -> float:
        """A size to propose for the active layer: only crumbs lie under it, and few of its objects."""
        one = self.corrections.active
        if one is None or not len(one.tracked.objects):
            return 1.0
        few = float(one.tracked.objects["area_um2"].quantile(_FEW_SHARE))
        return max(math.floor(min(CRUMBS_UM2[one.task], few)), 1.0)

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
        self.aim.close()
        self.pointer.close()
        self._overlay.close()

    def _on_object(self, one: TrackedLayer, tool: Tool) -> ChangeSet:
        if tool.on_object is None:
            raise EditError(f"{tool.title} works on no single object.")
        return tool.on_object(one, self.aim.target(one))

    def _clipped(self, one: TrackedLayer) -> ChangeSet:
        return clip(one, self.corrections.siblings(one).get(GLANDS), self.aim.target(one))

    def _show_chosen(self) -> None:
        one = self.corrections.active
        if one is None:
            self._overlay.nothing()
        else:
            self._overlay.box(one, one.selected)

    def _on_changed(self, one: TrackedLayer, change: ChangeSet, tool: str) -> None:
        if one is not self.corrections.active:
            return
        if tool in _MAKE_ONE and len(change.new_ids) == 1:
            self.corrections.choose(one, change.new_ids[0])
        else:
            self._overlay.box(one, one.selected)
