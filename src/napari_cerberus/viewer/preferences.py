"""What is remembered between sessions: pixel sizes of images (recognised by content, not by path) and last choices.

Pixel sizes live in a small JSON file of our own beside napari's settings. The last choices live in napari's plugin
settings where there are such (napari 0.9, its own page in Preferences), and in our file otherwise.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..files import write_text
from ..pixel_size import ASSUMED_UM
from ..tasks import INSTANCE_TASKS
from .colours import is_colour
from .session import ColourBy, Display

logger = logging.getLogger(__name__)
PLUGIN = "napari-cerberus"
_FILE = "napari-cerberus.images.json"
_MAX_IMAGES = 5000
_MAX_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """The user's last choices; the fields are those of ``configurations.annotate`` in the manifest."""

    model: str = ""
    device: str = "auto"
    sensitivity: float = 0.0
    flips: bool = False
    assumed_pixel_size_um: float = ASSUMED_UM
    colour_by: str = "class"
    filled: bool = False
    reviewer: str = ""
    pairs_folder: str = ""
    nuclei_colour: str = ""
    glands_colour: str = ""
    lumina_colour: str = ""
    learn_by_itself: bool = True
    tour_seen: bool = False

    @property
    def display(self) -> Display:
        """How result layers look."""
        chosen = {task: str(getattr(self, f"{task}_colour")) for task in INSTANCE_TASKS}
        return Display(
            colour_by=ColourBy.OBJECT if self.colour_by == ColourBy.OBJECT else ColourBy.CLASS,
            filled=self.filled,
            colours={task: colour for task, colour in chosen.items() if is_colour(colour)},
        )


class Memory:
    """Reads and keeps what is remembered.

    Parameters
    ----------
    path : Path or None
        Our file; None keeps everything in this process only.
    settings : object or None
        napari's settings object with the fields of ``Preferences``; None where napari has none.
    """

    def __init__(self, path: Path | None = None, settings: Any = None) -> None:
        self._path = path
        self._settings = settings
        data = _read(path) if path is not None else {}
        self._sizes = _numbers(data.get("pixel_size_um"))
        choices = data.get("preferences")
        self._choices: dict[str, Any] = dict(choices) if isinstance(choices, Mapping) else {}

    @classmethod
    def of_napari(cls) -> Memory:
        """The memory of this napari installation."""
        from napari.settings import get_settings

        config_path = getattr(get_settings(), "config_path", None)
        return cls(Path(config_path).parent / _FILE if config_path else None, _plugin_settings())

    @property
    def lasts(self) -> bool:
        """Whether anything outlives this process."""
        return self._path is not None

    def pixel_size_um(self, fingerprint: str) -> float | None:
        """What the user once said about this image, or about those beside it (``pixel_size_lookup.siblings_key``)."""
        return self._sizes.get(fingerprint)

    def remember_pixel_size(self, fingerprint: str, um: float) -> None:
        """Keep the user's answer; the oldest are forgotten past a few thousand images."""
        self._sizes.pop(fingerprint, None)
        self._sizes[fingerprint] = um
        for oldest in list(self._sizes)[: max(len(self._sizes) - _MAX_IMAGES, 0)]:
            del self._sizes[oldest]
        self._write()

    def preferences(self) -> Preferences:
        """The last choices; what is missing or of the wrong type is at its default."""
        defaults = Preferences()
        found: dict[str, Any] = {}
        for field in fields(Preferences):
            default = getattr(defaults, field.name)
            value = getattr(self._settings, field.name, self._choices.get(field.name, default))
            found[field.name] = value if isinstance(value, type(default)) else default
        return Preferences(**found)

    def remember(self, **choices: Any) -> None:
        """Keep choices, named like the fields of ``Preferences``."""
        known = asdict(self.preferences())
        changed = {name: value for name, value in choices.items() if known[name] != value}
        if self._settings is not None:
            for name, value in changed.items():
                setattr(self._settings, name, value)
        elif changed:
            self._choices.update(changed)
            self._write()

    def _write(self) -> None:
        """A file that cannot be written is logged: what it should say still holds until napari is closed."""
        if self._path is None:
            return
        try:
            data = {"pixel_size_um": self._sizes, "preferences": self._choices}
            write_text(self._path, json.dumps(data, indent=1) + "\n")
        except OutputError:
            logger.warning("%s could not be written.", self._path, exc_info=True)


def _plugin_settings() -> Any:
    """Our page of napari's plugin settings; None before napari 0.9 and where the manifest is not installed."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        return get_plugin_settings(PLUGIN).annotate
    except (KeyError, AttributeError):
        return None


def _read(path: Path) -> Mapping[str, Any]:
    """The file of an earlier session; one that is missing, damaged or foreign is an empty memory."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        logger.warning("%s is damaged and is left out.", path)
        return {}
    return data if isinstance(data, Mapping) else {}


def _numbers(values: Any) -> dict[str, float]:
    if not isinstance(values, Mapping):
        return {}
    return {
        str(key): float(value)
        for key, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
