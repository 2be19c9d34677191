"""Corrections as pure functions: a label map and arguments in, a ``ChangeSet`` out. Nothing is written here.

A tool that finds nothing to do returns an empty change set (false) whose summary says why; one that cannot be used
as asked raises ``EditError``. Other objects than the chosen ones never change.
"""

from .changes import ChangeSet, Features, difference, joined
from .click import CLICK_MAX_AREA_UM2, ClickSettings, ProbabilityMap, object_from_click
from .draw import draw_object
from .join import BRIDGE_PX, merge_objects
from .morphology import close_object, fill_holes, for_each, grow, shrink, smooth
from .pick import object_at, objects_in
from .remove import clip_lumina, delete_objects, delete_small, renumber, small_objects
from .split_objects import split_automatically, split_by_line

__all__ = [
    "BRIDGE_PX",
    "CLICK_MAX_AREA_UM2",
    "ChangeSet",
    "ClickSettings",
    "Features",
    "ProbabilityMap",
    "clip_lumina",
    "close_object",
    "delete_objects",
    "delete_small",
    "difference",
    "draw_object",
    "fill_holes",
    "for_each",
    "grow",
    "joined",
    "merge_objects",
    "object_at",
    "object_from_click",
    "objects_in",
    "renumber",
    "shrink",
    "small_objects",
    "smooth",
    "split_automatically",
    "split_by_line",
]
