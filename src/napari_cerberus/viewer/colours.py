"""Colours of result layers: by class (or by task, where objects have no class) and by object."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

import pandas as pd
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap, label_colormap
from napari.utils.colormaps.standardize_color import transform_color

from ..tasks import CLASS_COLOURS, GLANDS, LUMINA, NUCLEI, TASK_COLOURS
from .session import ColourBy, Display

OUTLINE_PX = {NUCLEI: 1, GLANDS: 2, LUMINA: 2}
"""Width of outlines, in pixels of the screen: nuclei are only a few pixels wide."""
LARGEST_PLAIN_ID = 1 << 16
FILLED_OPACITY, OUTLINE_OPACITY = 0.45, 0.9
_OTHER = (
    "#8dd3c7",
    "#bebada",
    "#fb8072",
    "#80b1d3",
    "#fdb462",
    "#b3de69",
    "#fccde5",
    "#bc80bd",
    "#ccebc5",
    "#ffed6f",
)


def class_colour(name: str) -> str:
    """Hex colour of a class; a class we do not know gets one that depends on its name alone."""
    return CLASS_COLOURS.get(name) or _OTHER[sum(name.encode()) % len(_OTHER)]


def task_colour(task: str, chosen: Mapping[str, str] | None = None) -> str:
    """Hex colour of a task's objects where they have no class: the user's, if there is one in ``chosen``."""
    return (chosen or {}).get(task) or TASK_COLOURS.get(task) or class_colour(task)


def is_colour(text: str) -> bool:
    """Whether it is a colour as we write them: "#00c8ff"."""
    return bool(re.fullmatch("#[0-9a-fA-F]{6}", text))


def colormap_for(task: str, features: pd.DataFrame, display: Display) -> Any:
    """The colormap of a result layer; ids that are not in ``features`` (drawn by the user) get the task's colour."""
    if display.colour_by is ColourBy.OBJECT:
        return label_colormap(49, 0.5, background_value=0)
    classes = features["class"] if "class" in features else pd.Series("", index=features.index)
    return direct_colormap(task_colour(task, display.colours), zip(features["index"], classes, strict=True))


def largest_coloured_id() -> float:
    """Ids above this have no colour of their own: without numba, napari raises for them, and draws nothing."""
    return math.inf if find_spec("numba") is not None else LARGEST_PLAIN_ID


def direct_colormap(default: str, classes: Iterable[tuple[Any, Any]]) -> DirectLabelColormap:
    """Background clear, each id in its class's colour, every other id in ``default``.

    So are ids above ``largest_coloured_id()``.
    """
    most = largest_coloured_id()
    fallback = _rgba(default)
    table = {"": fallback}
    colours: dict[int | None, Any] = {None: fallback, 0: _rgba("transparent")}
    for index, name in classes:
        if name not in table:
            table[name] = _rgba(class_colour(str(name)))
        if index <= most:
            colours[int(index)] = table[name]
    return DirectLabelColormap(color_dict=colours)


def one_colour(task: str) -> CyclicLabelColormap:
    """Background clear, every object in its task's colour: for any number of objects, without a table of them."""
    colour = _rgba(task_colour(task))
    return CyclicLabelColormap(colors=[_rgba("transparent"), colour, colour], background_value=0)


def _rgba(colour: str) -> Any:
    return transform_color(colour)[0]
