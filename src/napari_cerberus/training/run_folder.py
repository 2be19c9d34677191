"""What a run leaves on disk: checkpoint, metrics, environment. Everything is written so that a kill cannot break it."""

from __future__ import annotations

import hashlib
import json
import pickle
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..decode_errors import DECODE_ERRORS, reason_of
from ..errors import DataError, OutputError
from ..files import atomic_path, sha256_of, write_text
from ..locks import lock, open_lock_file
from ..strict_json import loads
from .data.tile_sources import Tile

CHECKPOINT_FILE = "checkpoint.pt"
CHECKPOINT_HASH_FILE = "checkpoint.sha256"
METRICS_FILE = "metrics.jsonl"
CURVES_FILE = "curves.png"
CONFIG_FILE = "config.toml"
RUN_FILE = "run.json"
SPLIT_FILE = "split.json"
CHECK_FILE = "data_check.txt"
MODEL_FOLDER = "model"
FEATURES_FOLDER = "features"
LOCK_FILE = "train.lock"


def fold_folder(folder: Path, number: int) -> Path:
    """Where a fold of a grouped cross-validation trains."""
    return folder / f"fold-{number}"


def training_folders(folder: Path) -> list[Path]:
    """A run's own folder and those of its folds."""
    return [folder, *sorted(folder.glob("fold-*"))]


def has_checkpoint(folder: Path) -> bool:
    """Whether there is something to go on from."""
    return any((one / CHECKPOINT_FILE).is_file() for one in training_folders(folder))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a run folder to this process; it is let go of at the end, however that comes.

    Raises
    ------
    OutputError
        If another process trains there, or the folder cannot be written.
    """
    with open_lock_file(folder / LOCK_FILE) as stream:
        if not lock(stream.fileno()):
            raise OutputError(f"Another process trains in {folder}; wait for its end, or name another folder.")
        yield


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Replace the run's checkpoint in one step, and note its SHA-256. Raises ``OutputError``."""
    with atomic_path(folder / CHECKPOINT_FILE) as temporary:
        torch.save(dict(state), temporary)
        # Noted before it takes its place, beside those that may lie there now: a kill at any moment harms nothing.
        sha256 = sha256_of(temporary)
        _note_hashes(folder, [*_noted_hashes(folder), sha256])
    _note_hashes(folder, [sha256])


def _note_hashes(folder: Path, hashes: Iterable[str]) -> None:
    write_text(folder / CHECKPOINT_HASH_FILE, "".join(f"{sha256}\n" for sha256 in hashes))


def _noted_hashes(folder: Path) -> list[str]:
    path = folder / CHECKPOINT_HASH_FILE
    return path.read_text(encoding="ascii", errors="replace").split() if path.is_file() else []


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """The last checkpoint of a run.

    Raises
    ------
    DataError
        If there is none, or it is damaged, or not the one that the run has written.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        raise DataError(f"{folder} holds no {CHECKPOINT_FILE} to resume from; start the run without --resume.")
    noted = _noted_hashes(folder)
    if noted and sha256_of(path) not in noted:
        raise DataError(f"{path} is not what this run has written: its SHA-256 differs. Start the run anew.")
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (*DECODE_ERRORS, pickle.UnpicklingError) as error:
        raise DataError(f"{path} is damaged and cannot be resumed from: {reason_of(error)}") from error


def append_metrics(folder: Path, row: Mapping[str, Any]) -> None:
    """Add one JSON line. Raises ``OutputError``."""
    path = folder / METRICS_FILE
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Rows written so far; a line cut off by a kill is left out."""
    path = folder / METRICS_FILE
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            rows.append(loads(line, str(path)))
        except DataError:
            continue
    return rows


def trim_metrics(folder: Path, step: int) -> None:
    """Forget rows after ``step``, so that a resumed run does not repeat them."""
    kept = [row for row in read_metrics(folder) if row["step"] <= step]
    write_text(folder / METRICS_FILE, "".join(json.dumps(row) + "\n" for row in kept))


def environment() -> dict[str, Any]:
    """Versions and processor, for the record."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def data_hash(tiles: Iterable[Tile]) -> str:
    """SHA-256 over the tiles' ids, images and labels: the same data gives the same hash on any machine."""
    digest = hashlib.sha256()
    for tile in sorted(tiles, key=lambda tile: tile.id):
        digest.update(tile.id.encode(errors="backslashreplace"))
        for path in (tile.image_path, *tile.label_paths):
            digest.update(path.read_bytes())
    return digest.hexdigest()
