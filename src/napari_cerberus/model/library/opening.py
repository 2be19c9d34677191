"""A model by its name or its folder. Importing this loads no torch; opening a model does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ModelError
from ..spec import SPEC_FILE, WEIGHTS_FILE, load_spec
from .entries import list_models
from .promotion import promoted

if TYPE_CHECKING:
    from ..checkpoint import Model


def open_model(name_or_path: str, sha256: str = "") -> Model:
    """Load a model by library name, by our folder, or by a folder in the authors' published layout.

    Parameters
    ----------
    name_or_path : str
        Empty for the promoted model.
    sha256 : str
        That its weights had when it was named: a model of the library is found again by it after it was renamed.

    Raises
    ------
    ModelError
        If nothing of that name is there, or the model is damaged or of another shape.
    """
    from ..checkpoint import load_model
    from ..published import is_published_folder, load_published

    if not name_or_path:
        return load_model(promoted().path)
    named = [entry.path for entry in list_models() if entry.name == name_or_path]
    folder = named[0] if named else Path(name_or_path).expanduser()
    if sha256 and _weights_of(folder) != sha256:
        folder = next((entry.path for entry in list_models() if entry.sha256 == sha256), folder)
    if folder.is_file() and folder.name in (SPEC_FILE, WEIGHTS_FILE):
        folder = folder.parent
    if is_published_folder(folder):
        return load_published(folder)
    if (folder / SPEC_FILE).is_file():
        return load_model(folder)
    known = ", ".join(entry.name for entry in list_models()) or "none"
    raise ModelError(f"No model {name_or_path!r}: it is neither a model folder nor one of the known models ({known}).")


def _weights_of(folder: Path) -> str:
    """SHA-256 that a model folder of ours names; "" where there is none."""
    try:
        return load_spec(folder)[1]
    except ModelError:
        return ""
