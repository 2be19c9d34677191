"""The finished model goes into the library, and says where it comes from."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...files import write_text
from ...model.library.opening import ModelEntry, add_model
from ...model.spec import SPEC_FILE
from ...strict_json import read_object
from ..pairs_fingerprint import combined
from ..run_state import RunState
from .process import SETTINGS_FILE

_MAX_BYTES = 8 << 20


def register(model_folder: Path, state: RunState, about: Mapping[str, Any], fitted: str = "") -> ModelEntry:
    """Complete the model's provenance and copy it into the library.

    Parameters
    ----------
    model_folder : Path
        Model that the run has made.
    state : RunState
    about : mapping
        ``pairs.json`` of the run.
    fitted : str
        What of thresholds and temperature was fitted anew, and what was kept.

    Raises
    ------
    ModelError, SettingsError, OutputError
    """
    path = model_folder / SPEC_FILE
    record = read_object(path, max_bytes=_MAX_BYTES)
    settings = read_object(state.folder / SETTINGS_FILE, max_bytes=_MAX_BYTES)
    record["provenance"]["finetune"] = {
        "parent": {"name": about["base_name"], "sha256": about["base_sha256"]},
        "settings": settings,
        "pairs_sha256": combined(about["files"]),
        "pairs_files": len(about["files"]),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "run": state.folder.name,
        "calibration": fitted,
    }
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    return add_model(model_folder, state.name)
