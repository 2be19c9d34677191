"""Models on this computer: the shipped starter and those the user added or trained.

A library is a folder with one model folder per entry. Listing it loads no torch; opening a model does.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..files import sha256_of
from .spec import SPEC_FILE, WEIGHTS_FILE, ModelSpec, load_spec

if TYPE_CHECKING:
    from .checkpoint import Model

STARTER = "starter"
LIBRARY_VARIABLE = "NAPARI_CERBERUS_MODELS"


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model that can be opened: its name, folder, description and the SHA-256 its weights must have."""

    name: str
    path: Path
    spec: ModelSpec
    sha256: str

    def verify(self) -> bool:
        """True where the weights on disk still have the SHA-256 of the description."""
        weights = self.path / WEIGHTS_FILE
        return weights.is_file() and sha256_of(weights) == self.sha256


def library_folder() -> Path:
    """Where the user's models live; ``NAPARI_CERBERUS_MODELS`` overrides the platform's data folder."""
    if chosen := os.environ.get(LIBRARY_VARIABLE):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "napari-cerberus" / "models"


def shipped_folder() -> Path:
    """Folder of the models inside the package."""
    return Path(str(resources.files("napari_cerberus"))) / "models"


def list_models() -> list[ModelEntry]:
    """Every readable model, the shipped ones first; a damaged folder is left out (``open_model`` says why)."""
    entries: list[ModelEntry] = []
    for folder in (shipped_folder(), library_folder()):
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if not (path / SPEC_FILE).is_file():
                continue
            try:
                spec, sha256 = load_spec(path)
            except ModelError:
                continue
            entries.append(ModelEntry(name=path.name, path=path, spec=spec, sha256=sha256))
    return entries


def open_model(name_or_path: str) -> Model:
    """Load a model by library name, by our folder, or by a folder in the authors' published layout.

    Raises
    ------
    ModelError
        If nothing of that name is there, or the model is damaged or of another shape.
    """
    from .checkpoint import load_model
    from .official import is_published_folder, load_published

    named = [entry.path for entry in list_models() if entry.name == name_or_path]
    folder = named[0] if named else Path(name_or_path).expanduser()
    if folder.is_file() and folder.name in (SPEC_FILE, WEIGHTS_FILE):
        folder = folder.parent
    if is_published_folder(folder):
        return load_published(folder)
    if (folder / SPEC_FILE).is_file():
        return load_model(folder)
    known = ", ".join(entry.name for entry in list_models()) or "none"
    raise ModelError(f"No model {name_or_path!r}: it is neither a model folder nor one of the known models ({known}).")
