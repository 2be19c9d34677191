"""Which models are on this computer, and where. Loads no torch."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ...errors import ModelError
from ...files import folders_in, sha256_of
from ...whole_folders import settle_all
from ..spec import SPEC_FILE, WEIGHTS_FILE, ModelSpec, load_spec

STARTER = "starter"
LIBRARY_VARIABLE = "NAPARI_CERBERUS_MODELS"


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model that can be opened.

    Attributes
    ----------
    name : str
        Of its folder; unique in the library.
    path : Path
    spec : ModelSpec
    sha256 : str
        That its weights must have.
    """

    name: str
    path: Path
    spec: ModelSpec
    sha256: str

    @property
    def shipped(self) -> bool:
        """True for the models that came with the program: they are neither renamed nor deleted."""
        return self.path.parent == shipped_folder()

    def verify(self) -> bool:
        """True where the weights on disk still have the SHA-256 of the description."""
        weights = self.path / WEIGHTS_FILE
        return weights.is_file() and sha256_of(weights) == self.sha256


def library_folder() -> Path:
    """Where the user's models live; ``NAPARI_CERBERUS_MODELS`` overrides the platform's data folder."""
    if chosen := os.environ.get(LIBRARY_VARIABLE):
        return Path(chosen).absolute()
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
    settle_all(library_folder())
    for folder in (shipped_folder(), library_folder()):
        for path in folders_in(folder):
            try:
                if path.name.startswith(".") or not (path / SPEC_FILE).is_file():
                    continue  # a hidden folder is being written or deleted
                spec, sha256 = load_spec(path)
            except (ModelError, OSError):
                continue
            entries.append(ModelEntry(name=path.name, path=path, spec=spec, sha256=sha256))
    return entries


def entry_of(name: str) -> ModelEntry:
    """The library's model of that name. Raises ``ModelError`` where there is none."""
    entries = list_models()
    found = next((entry for entry in entries if entry.name == name), None)
    if found is None:
        known = ", ".join(entry.name for entry in entries) or "none"
        raise ModelError(f"No model {name!r} on this computer; known are: {known}.")
    return found
