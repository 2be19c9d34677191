"""The finished model goes into the library, and says where it comes from."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from ...files import write_text
from ...model.library.entries import ModelEntry
from ...model.library.manage import add_model
from ...model.spec import SPEC_FILE
from ...strict_json import read_object
from ..pairs_fingerprint import combined
from ..run_state import RunState
from .plan_record import RunPlan

_MAX_BYTES = 8 << 20


def register(model_folder: Path, state: RunState, plan: RunPlan, fitted: str = "") -> ModelEntry:
    """Complete the model's provenance and copy it into the library.

    Parameters
    ----------
    model_folder : Path
        Model that the run has made.
    state : RunState
    plan : RunPlan
    fitted : str
        What of thresholds and temperature was fitted anew, and what was kept.

    Raises
    ------
    ModelError, SettingsError, OutputError
    """
    path = model_folder / SPEC_FILE
    record = read_object(path, max_bytes=_MAX_BYTES)
    record["provenance"]["finetune"] = {
        "parent": {"name": plan.base_name, "sha256": plan.base_sha256},
        "settings": plan.settings.to_json(),
        "pairs_sha256": combined(plan.files),
        "pairs_files": len(plan.files),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "run": state.folder.name,
        "calibration": fitted,
    }
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    return add_model(model_folder, state.name)
