"""A report for the maintainers: versions, settings and warnings, and by construction no image, path or name.

Of a log record only what stands in our source is kept (its text before values are put in, and where an error came
from); values may be names of images, folders or people.
"""

from __future__ import annotations

import logging
import platform
import sys
import traceback
from collections import deque
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..files import write_text
from .preferences import Preferences
from .session import Session

_LOGGER = "napari_cerberus"
_KEPT = 300
_PACKAGES = ("napari-cerberus", "napari", "torch", "torchvision", "numpy", "scipy", "scikit-image", "pandas", "qtpy")
_BINDINGS = ("PyQt6", "PyQt5", "PySide6", "PySide2")
_PRIVATE = ("reviewer", "pairs_folder", "model")
"""Preferences that may name people, folders or what somebody works on."""


class SessionLog(logging.Handler):
    """Keeps the last warnings and errors of this session, without the values in them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[str] = deque(maxlen=_KEPT)

    @classmethod
    def of_package(cls) -> SessionLog:
        """The one that listens to our package; several docks share it."""
        logger = logging.getLogger(_LOGGER)
        known = next((one for one in logger.handlers if isinstance(one, cls)), None)
        if known is None:
            known = cls()
            logger.addHandler(known)
        return known

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the template of a message, and the places an error came through."""
        self.lines.append(f"{record.levelname} {record.name}:{record.lineno} {record.msg}")
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            places = [f"{Path(one.filename).name}:{one.lineno}" for one in traceback.extract_tb(error.__traceback__)]
            self.lines.append(f"  {type(error).__name__} at {' > '.join(places) or 'an unknown place'}")
            error = error.__cause__


def report(session: Session, preferences: Preferences, log: SessionLog) -> str:
    """The whole report as text, to be read before it is sent."""
    size = session.pixel_size
    settings = {name: value for name, value in vars(preferences).items() if name not in _PRIVATE}
    blocks = {
        "Versions": [f"{name} {number}" for name, number in _versions()],
        "Computer": [f"{platform.system()} {platform.release()}, {platform.machine()}", f"Python {sys.version}"],
        "Settings": [f"{name} = {value}" for name, value in settings.items()],
        "State": [
            f"region = {session.region}",
            f"pixel size = {'none' if size is None else f'{size.mean_um:g} µm/px, {size.source}'}",
            f"model weights = {'none' if session.model is None else session.model.sha256}",
            f"annotation = {session.job.state}",
            f"export = {session.export.state}",
            f"objects = {'none' if session.readout is None else dict(session.readout.counts)}",
        ],
        "Warnings and errors": list(log.lines) or ["none"],
    }
    parts = [f"## {title}\n" + "\n".join(lines) for title, lines in blocks.items()]
    note = "This file holds no image, no file name and no person's name. Say below what you did and what happened.\n\n"
    return "# napari-cerberus: a problem\n\n" + note + "\n\n".join(parts) + "\n"


def write_report(path: Path, text: str) -> None:
    """Write it. Raises ``OutputError``."""
    write_text(path, text)


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in (*_PACKAGES, *_BINDINGS):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
