"""A library in a temporary folder, with models whose weights are a few bytes: only opening reads them as a network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from napari_cerberus.model.library import entries
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.tasks import GLANDS, instances


def put(folder: Path, name: str, *, weights: bytes = b"", **provenance: object) -> Path:
    """Write a model folder."""
    path = folder / name
    path.mkdir(parents=True)
    content = weights or name.encode()
    (path / "weights.safetensors").write_bytes(content)
    spec = ModelSpec(name=name, tasks=(instances(GLANDS),), pixel_size_um=0.5, provenance=provenance)
    record = {**spec.to_json(), "weights_sha256": hashlib.sha256(content).hexdigest()}
    (path / "model.json").write_text(json.dumps(record), encoding="utf-8")
    return path


def open_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shipped starter, and an empty library beside it, whose folder is returned."""
    library, shipped = tmp_path / "library", tmp_path / "shipped"
    put(shipped, "starter")
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(library))
    monkeypatch.setattr(entries, "shipped_folder", lambda: shipped)
    return library
