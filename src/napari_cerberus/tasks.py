"""What can be predicted: one ``TaskSpec`` per decoder or head, and the sets of them that are in use.

Keys are our own short names. The published Cerberus names (``Gland/INST``, ``Nuclei#TYPE/TYPE``, ``Patch-Class``)
live in ``model/published.py`` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import SettingsError

TaskKind = Literal["instances", "types", "tissue"]

NUCLEI = "nuclei"
GLANDS = "glands"
LUMINA = "lumina"
INSTANCE_TASKS = (NUCLEI, GLANDS, LUMINA)
"""The label layers a user sees, in drawing order."""
_SINGULAR = {NUCLEI: "nucleus", GLANDS: "gland", LUMINA: "lumen"}

INSTANCE_CHANNELS = ("background", "inner", "contour")


def singular(task: str) -> str:
    """What one object of a task is called."""
    return _SINGULAR.get(task, task)


def objects_of(task: str, number: int) -> str:
    """ "1 gland", "31 glands"."""
    return f"{number:,} {singular(task) if number == 1 else task}"


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One thing the network predicts.

    Attributes
    ----------
    key : str
        Our name of the task; also the name of its decoder and head in the network.
    kind : {"instances", "types", "tissue"}
        ``instances``: background, inner and contour per pixel; ``types``: a class per pixel of the objects of
        another task; ``tissue``: one class per image or window.
    classes : tuple of str
        Channel names in the order of the head's outputs.
    types_of : str
        For ``types``: the key of the instance task whose objects get these classes.
    """

    key: str
    kind: TaskKind
    classes: tuple[str, ...]
    types_of: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not self.key.replace("_", "").isalnum():
            raise SettingsError(f"Task key {self.key!r} must be letters, digits and underscores.")
        if self.kind not in ("instances", "types", "tissue"):
            raise SettingsError(f"Task {self.key!r}: kind {self.kind!r} is not instances, types or tissue.")
        if self.kind == "instances" and self.classes != INSTANCE_CHANNELS:
            raise SettingsError(f"Task {self.key!r}: instance classes must be {INSTANCE_CHANNELS}.")
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise SettingsError(f"Task {self.key!r}: needs two or more different class names.")
        if (self.kind == "types") != bool(self.types_of):
            raise SettingsError(f"Task {self.key!r}: types_of belongs to, and is needed by, kind 'types'.")

    @property
    def channels(self) -> int:
        """Number of output channels of the head."""
        return len(self.classes)


def instances(key: str) -> TaskSpec:
    """The three-channel instance task ``key``."""
    return TaskSpec(key=key, kind="instances", classes=INSTANCE_CHANNELS)


NUCLEI_CLASSES = (
    "background",
    "neutrophil",
    "epithelial",
    "lymphocyte",
    "plasma",
    "eosinophil",
    "connective",
)
GLAND_CLASSES = ("background", "gland", "surface epithelium")
TISSUE_CLASSES = (
    "background",
    "abnormal epithelium",
    "normal epithelium",
    "inflammatory",
    "muscle",
    "stroma",
    "debris",
    "mucous",
    "adipose",
)
EBHI_CLASSES = ("Normal", "Polyp", "Low-grade IN", "High-grade IN", "Serrated adenoma", "Adenocarcinoma")

CERBERUS_TASKS = (
    instances(LUMINA),
    instances(GLANDS),
    instances(NUCLEI),
    TaskSpec(key="nuclei_types", kind="types", classes=NUCLEI_CLASSES, types_of=NUCLEI),
    TaskSpec(key="gland_types", kind="types", classes=GLAND_CLASSES, types_of=GLANDS),
    TaskSpec(key="tissue", kind="tissue", classes=TISSUE_CLASSES),
)
"""The published model's tasks (Graham et al. 2023)."""

EBHI_TASKS = (
    instances(LUMINA),
    instances(GLANDS),
    instances(NUCLEI),
    TaskSpec(key="tissue", kind="tissue", classes=EBHI_CLASSES),
)
"""The starter model's tasks: the six EBHI-SEG categories as tissue classes."""

TASK_COLOURS: dict[str, str] = {NUCLEI: "#ffff70", GLANDS: "#006000", LUMINA: "#c09030"}
"""Apart from one another and from H&E also for eyes without red or green cones (``tests/viewer/test_colours.py``)."""
CLASS_COLOURS: dict[str, str] = {
    "neutrophil": "#f4a6c0",
    "epithelial": "#d7443e",
    "lymphocyte": "#3f6fd8",
    "plasma": "#8a5cd1",
    "eosinophil": "#f0862d",
    "connective": "#3aa6a0",
    "gland": "#2f9e5b",
    "surface epithelium": "#b7d84b",
    "Normal": "#2f9e5b",
    "Polyp": "#3aa6a0",
    "Low-grade IN": "#e0a526",
    "High-grade IN": "#f0862d",
    "Serrated adenoma": "#8a5cd1",
    "Adenocarcinoma": "#d7443e",
}
