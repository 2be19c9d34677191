"""What a model is, apart from its weights: tasks, pixel size, calibration, provenance. Kept as ``model.json``.

Loads no torch, so that models can be listed in no time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..decode_errors import reason_of
from ..errors import ModelError, SettingsError
from ..tasks import TaskSpec
from ..whole_folders import settle

STRIDE_PX = 16
"""Input sides of the network must be multiples of this; it is also the spacing of its deepest features."""

TISSUE_WINDOW_CELLS = 9
"""Published window of the tissue head: 9 cells of 16 px = 144 px = 72 µm at 0.5 µm/px."""

SPEC_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "MODEL_CARD.md"
_MAX_SPEC_BYTES = 8 << 20

FORMAT = "napari-cerberus model"
FORMAT_VERSION = 1
PIXEL_SIZE_RANGE_UM = (0.05, 20.0)
MAX_TASKS, MAX_CLASSES, MAX_TEXT = 32, 1000, 200
"""Of a model: more is a damaged or hostile file, and would cost memory before anybody could see that."""

_MAX_WINDOW_CELLS = 1000


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything but the numbers.

    Attributes
    ----------
    name : str
        Shown to the user; one line.
    tasks : tuple of TaskSpec
        What it predicts.
    pixel_size_um : float
        Side of a pixel, in µm, at which the network was trained and must be run.
    task_pixel_size_um : mapping of task key to float
        Pixel sizes of tasks that are read at another one.
    tissue_window_cells : int
        Window of the tissue head, in cells of 16 px.
    temperatures : mapping of task key to float
        Logits are divided by this before the softmax (Guo et al. 2017); fitted on validation data; 1 where absent.
    thresholds : mapping of task key to float
        Foreground probability thresholds at balanced sensitivity, chosen on validation data; the published ones
        where absent.
    provenance : mapping
        How it was made: data, split, command, seed, figures. JSON types only.
    """

    name: str
    tasks: tuple[TaskSpec, ...]
    pixel_size_um: float
    task_pixel_size_um: Mapping[str, float] = field(default_factory=dict)
    tissue_window_cells: int = TISSUE_WINDOW_CELLS
    temperatures: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        low, high = PIXEL_SIZE_RANGE_UM
        if not self.name.strip() or not self.name.isprintable() or len(self.name) > MAX_TEXT:
            raise SettingsError(f"A model's name must be one line of text of at most {MAX_TEXT} characters.")
        for size in (self.pixel_size_um, *self.task_pixel_size_um.values()):
            if not (low <= size <= high):
                raise SettingsError(f"pixel_size_um must lie in {low}..{high} µm, not {size}.")
        if unknown := sorted(set(self.task_pixel_size_um) - {task.key for task in self.tasks}):
            raise SettingsError(f"task_pixel_size_um names {', '.join(unknown)}, which the model does not predict.")
        if not 1 <= self.tissue_window_cells <= _MAX_WINDOW_CELLS:
            raise SettingsError(f"tissue_window_cells must lie in 1..{_MAX_WINDOW_CELLS}.")
        if not 1 <= len(self.tasks) <= MAX_TASKS or len({task.key for task in self.tasks}) != len(self.tasks):
            raise SettingsError(f"A model has 1 to {MAX_TASKS} tasks, each with a key of its own.")
        for key, value in {**self.temperatures, **self.thresholds}.items():
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"Calibration of {key!r} must be a positive number, not {value}.")

    def task(self, key: str) -> TaskSpec | None:
        """The task named ``key``, if the model has it."""
        return next((task for task in self.tasks if task.key == key), None)

    def pixel_size_of(self, key: str) -> float:
        """Side of a pixel, in µm, at which a task is read; that of types is their objects'."""
        task = self.task(key)
        owner = task.types_of if task is not None and task.types_of else key
        return self.task_pixel_size_um.get(owner, self.pixel_size_um)

    def tasks_by_pixel_size(self) -> dict[float, tuple[TaskSpec, ...]]:
        """Tasks in groups of one pixel size, the model's own first."""
        sizes = dict.fromkeys([self.pixel_size_um, *(self.pixel_size_of(task.key) for task in self.tasks)])
        groups = {size: tuple(task for task in self.tasks if self.pixel_size_of(task.key) == size) for size in sizes}
        return {size: tasks for size, tasks in groups.items() if tasks}

    @property
    def tissue_classes(self) -> tuple[str, ...]:
        """Class names of the tissue head; empty without one."""
        return next((task.classes for task in self.tasks if task.kind == "tissue"), ())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, with the format's name and version."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Any, where: str) -> ModelSpec:
        """Check every field of an untrusted mapping.

        Raises
        ------
        ModelError
            Names ``where`` and the first field that is missing or of the wrong type.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ModelError(f"{where} is not a napari-cerberus model description.")
        if data.get("format_version") != FORMAT_VERSION:
            raise ModelError(
                f"{where} has format version {data.get('format_version')!r}; this program reads {FORMAT_VERSION}. "
                "Update napari-cerberus."
            )
        try:
            return cls(
                name=_typed(data, "name", str),
                tasks=tuple(_task(item) for item in _typed(data, "tasks", list)),
                pixel_size_um=float(_typed(data, "pixel_size_um", (int, float))),
                task_pixel_size_um=_numbers(data, "task_pixel_size_um") if "task_pixel_size_um" in data else {},
                tissue_window_cells=_typed(data, "tissue_window_cells", int),
                temperatures=_numbers(data, "temperatures"),
                thresholds=_numbers(data, "thresholds"),
                provenance=_typed(data, "provenance", dict),
            )
        except (SettingsError, TypeError, KeyError, ValueError, OverflowError) as error:
            reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
            raise ModelError(f"{where} is damaged: {reason}") from error


def load_spec(folder: Path) -> tuple[ModelSpec, str]:
    """Description of a model folder and the SHA-256 its weights must have, without reading the weights."""
    settle(folder)
    spec_path = folder / SPEC_FILE
    try:
        if spec_path.stat().st_size > _MAX_SPEC_BYTES:
            raise ModelError(f"{spec_path} is too large to be a model description.")
        data = _read_json(str(spec_path), spec_path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{folder} is not a napari-cerberus model: {SPEC_FILE} cannot be read.") from error
    spec = ModelSpec.from_json(data, str(spec_path))
    sha256 = data.get("weights_sha256")
    if not isinstance(sha256, str) or len(sha256) != 64:
        raise ModelError(f"{spec_path} is damaged: field 'weights_sha256' is missing.")
    return spec, sha256


def _typed(data: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    value = data[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"field {name!r} holds {type(value).__name__}.")
    return value


def _numbers(data: Mapping[str, Any], name: str) -> dict[str, float]:
    values = _typed(data, name, dict)
    return {str(key): float(_typed(values, key, (int, float))) for key in values}


def _task(item: Any) -> TaskSpec:
    if not isinstance(item, dict):
        raise TypeError("field 'tasks' must hold one mapping per task.")
    classes = _typed(item, "classes", list)
    key = _typed(item, "key", str)
    names = [key, *classes]
    if len(names) > MAX_CLASSES or not all(isinstance(one, str) and _is_short_line(one) for one in names):
        raise TypeError(
            f"fields 'key' and 'classes' must be at most {MAX_CLASSES} names of at most {MAX_TEXT} letters."
        )
    return TaskSpec(
        key=key,
        kind=_typed(item, "kind", str),
        classes=tuple(classes),
        types_of=_typed(item, "types_of", str),
    )


def _is_short_line(text: str) -> bool:
    return text.isprintable() and len(text) <= MAX_TEXT


def _read_json(path_name: str, text: str) -> Any:
    """Parse ``text``; a damaged file is a ``ModelError`` that names ``path_name``."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise ModelError(f"{path_name} is not valid JSON: {reason_of(error)}") from error
