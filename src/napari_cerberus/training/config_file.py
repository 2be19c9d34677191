"""A training config as a TOML file: read strictly, and written so that reading gives the same config again."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import tomli_w

from ..decode_errors import reason_of
from ..errors import SettingsError
from ..files import write_text
from ..schemas import Schema, check
from ..tasks import CERBERUS_TASKS, EBHI_CLASSES, TaskSpec, instances
from .config import TrainConfig

_NAMES = {"sources": "source", "batches": "batch"}
"""Fields that the file has as repeated tables, in the singular."""


class _ConfigFile(Schema):
    """What the file holds, once its tasks are known by more than their names."""

    config: TrainConfig


def read_config(path: Path) -> TrainConfig:
    """Read and check a TOML file.

    Raises
    ------
    SettingsError
        Names the file and the field.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise SettingsError(f"{path} cannot be read as TOML: {reason_of(error)}") from error
    classes = data.pop("tissue_classes", None)
    if isinstance(keys := data.get("tasks"), list):
        try:
            data["tasks"] = [asdict(_task(key, classes)) for key in keys]
        except (SettingsError, TypeError, AttributeError) as error:
            raise SettingsError(f"{path}: tasks and tissue_classes must be lists of names: {error}") from error
    return check(_ConfigFile, {"config": data}, str(path), error=SettingsError).config


def write_config(path: Path, config: TrainConfig) -> None:
    """Write a config; what is as it is by itself is left out. Raises ``OutputError``."""
    write_text(path, config_toml(config))


def config_toml(config: TrainConfig) -> str:
    """The same as a text."""
    values = _values(config)
    values["tasks"] = [task.key for task in config.tasks]
    tissue = next((task for task in config.tasks if task.kind == "tissue"), None)
    if tissue is not None:
        values["tissue_classes"] = list(tissue.classes)
    return tomli_w.dumps({_NAMES.get(name, name): value for name, value in values.items()})


def _values(settings: Any) -> dict[str, Any]:
    """Fields of a settings class that differ from what they are by themselves, in TOML's types."""
    found: dict[str, Any] = {}
    for one in fields(settings):
        value = getattr(settings, one.name)
        usual = one.default_factory() if callable(one.default_factory) else one.default
        if value is not None and value != usual:
            found[one.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return _values(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


def _task(key: str, tissue_classes: list[str] | None) -> TaskSpec:
    if key == "tissue":
        return TaskSpec(key=key, kind="tissue", classes=tuple(tissue_classes or EBHI_CLASSES))
    return next((task for task in CERBERUS_TASKS if task.key == key and task.kind == "types"), None) or instances(key)
