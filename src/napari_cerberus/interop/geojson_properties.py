"""What a GeoJSON feature says of its object: which task, which class, which review state. Geometry is elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..annotation.object_columns import EDITED, STATES
from ..pairs.object_rows import MAX_TEXT
from ..tasks import CERBERUS_TASKS, GLANDS, INSTANCE_TASKS, LUMINA, NUCLEI
from .geojson import TASK_CLASSES

_WORDS = {NUCLEI: ("nucle", "cell", "detection"), GLANDS: ("gland", "crypt"), LUMINA: ("lumen", "lumina")}
_NO_OBJECTS = ("tma", "root")
_SMALL_OBJECTS = ("cell", "detection")
_SHARES = {"confidence": "Confidence", "class_probability": "Class probability"}
_NOTED = {"review": "state", "changed_by": "changed_by", "changed_at": "changed_at"}


class Words:
    """The properties of one feature, from QuPath 0.2 or later, or from us.

    Attributes
    ----------
    class_name : str
        Name of the classification; parts of a derived one joined with ``": "``; empty if there is none.
    metadata : mapping
    task : str
        As we exported it; empty where the feature is not ours.

    Parameters
    ----------
    feature : dict
    """

    def __init__(self, feature: Mapping[str, Any]) -> None:
        properties = _mapping(feature.get("properties"))
        self.class_name = _class_name(properties.get("classification"))
        self.metadata = _mapping(properties.get("metadata"))
        own = self.metadata.get("task") if "id" in self.metadata else None
        self.task = str(own) if own in INSTANCE_TASKS else ""
        self._measured = _measured(properties.get("measurements"))
        self._type = _object_type(properties, feature.get("id")).casefold()

    @property
    def reclassified(self) -> bool:
        """Whether another program gave our object another class than we exported."""
        return bool(self.task) and self.class_name != (self._exported_class or TASK_CLASSES[self.task])

    def task_by(self, chosen: Mapping[str, str], default: str) -> str:
        """Which task the object is of; empty if it is of none.

        Parameters
        ----------
        chosen : mapping of classification name to task
            What the user said; case does not matter.
        default : str
            Where nothing tells.
        """
        said = {known.casefold(): task for known, task in chosen.items()}
        if self.class_name.casefold() in said:
            return said[self.class_name.casefold()]
        if any(word in self._type for word in _NO_OBJECTS):
            return ""
        if self.task and not self.reclassified:
            return self.task
        return _task_of_class(self.class_name) or self.task or self._task_of_type(default)

    def row(self, task: str) -> dict[str, Any]:
        """Cells of the object table that the feature gives."""
        name = self._exported_class if self.task and not self.reclassified else self.class_name
        row: dict[str, Any] = {"task": task, "class": "" if name == TASK_CLASSES.get(task) else name[:MAX_TEXT]}
        row |= {
            column: min(max(self._measured[title], 0.0), 1.0)
            for column, title in _SHARES.items()
            if title in self._measured
        }
        row |= {
            column: value[:MAX_TEXT]
            for key, column in _NOTED.items()
            if isinstance(value := self.metadata.get(key), str) and (key != "review" or value in STATES)
        }
        if self.reclassified:
            # The probability was the model's, for its own class; who chose the new one is not known.
            row.pop("class_probability", None)
            row |= {"state": EDITED, "changed_by": "", "changed_at": ""}
        return row

    @property
    def _exported_class(self) -> str:
        value = self.metadata.get("class", "")
        return value if isinstance(value, str) else ""

    def _task_of_type(self, default: str) -> str:
        small = any(word in self._type for word in _SMALL_OBJECTS)
        return NUCLEI if small and not self.class_name else default


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _object_type(properties: Mapping[str, Any], id_: object) -> str:
    """``objectType``, or where older versions have it: ``object_type`` in 0.3, the feature's id in 0.2."""
    for value in (properties.get("objectType"), properties.get("object_type"), properties.get("type"), id_):
        if isinstance(value, str) and value:
            return value
    return ""


def _class_name(classification: object) -> str:
    if isinstance(classification, str):
        return classification
    names = _mapping(classification).get("names")
    if isinstance(names, list):
        return ": ".join(name for name in names if isinstance(name, str))
    name = _mapping(classification).get("name")
    return name if isinstance(name, str) else ""


def _task_of_class(name: str) -> str:
    for spec in CERBERUS_TASKS:
        if spec.kind == "types" and name in spec.classes[1:]:
            return spec.types_of
    for task, words in _WORDS.items():
        if any(word in name.casefold() for word in words):
            return task
    return ""


def _measured(measurements: object) -> dict[str, float]:
    """Measurements as QuPath 0.4 writes them (a map) or older ones (a list of name and value); NaN is none."""
    pairs: Sequence[tuple[object, object]] = ()
    if isinstance(measurements, dict):
        pairs = list(measurements.items())
    elif isinstance(measurements, list):
        pairs = [(one.get("name"), one.get("value")) for one in measurements if isinstance(one, dict)]
    numbers = {name: _number(value) for name, value in pairs if isinstance(name, str)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number of hundreds of digits
        return math.nan
