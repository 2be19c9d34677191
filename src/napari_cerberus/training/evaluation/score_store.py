"""Scores on disk, tile by tile, so that an evaluation that was cut off goes on where it stopped.

``scores.jsonl`` is only ever appended to; ``labels/`` keeps what was found on each tile, for the pictures of the
report; ``evaluation.json`` says what is being evaluated, so that scores of another model or other data cannot mix in.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, OutputError
from ...files import atomic_path, write_text
from ...strict_json import loads, read_object
from .scoring import Scored, TileScore

IDENTITY_FILE = "evaluation.json"
SCORES_FILE = "scores.jsonl"
LABELS_FOLDER = "labels"
_MAX_IDENTITY_BYTES = 1 << 20


class ScoreStore:
    """The scores of one evaluation.

    Parameters
    ----------
    folder : Path
    identity : mapping
        What is being evaluated: JSON types only.
    resume : bool
        Go on with the scores in ``folder``, if any.

    Raises
    ------
    OutputError
        If the folder holds scores and ``resume`` is False, or cannot be written.
    DataError
        If the scores in it belong to another model, other data or other settings; the field is named.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], *, resume: bool = False) -> None:
        self._folder = folder
        if (folder / IDENTITY_FILE).exists():
            if not resume:
                raise OutputError(
                    f"{folder} already holds an evaluation; add --resume to go on with it, or name another folder."
                )
            _require_same(folder / IDENTITY_FILE, identity)
        else:
            write_text(folder / IDENTITY_FILE, json.dumps(identity, indent=2, ensure_ascii=False) + "\n")
        self._scores = _read_scores(folder / SCORES_FILE)
        # Rewritten, so that a line cut off by a kill does not spoil the next one.
        write_text(folder / SCORES_FILE, "".join(map(_line, self._scores.values())))

    @property
    def scores(self) -> Mapping[str, TileScore]:
        """Scores so far, by tile id."""
        return self._scores

    def add(self, scored: Scored) -> None:
        """Keep a tile's labels and score. Raises ``OutputError``."""
        score = scored.score
        path = self._labels_path(score.id)
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **scored.labels)  # type: ignore[arg-type]
        try:
            with (self._folder / SCORES_FILE).open("a", encoding="utf-8") as stream:
                stream.write(_line(score))
        except OSError as error:
            raise OutputError(f"{self._folder / SCORES_FILE} cannot be written: {error.strerror or error}.") from error
        self._scores[score.id] = score

    def labels(self, tile_id: str) -> dict[str, NDArray[np.int32]]:
        """What was found on a tile; empty where the file is gone or damaged (only pictures need it)."""
        try:
            with np.load(self._labels_path(tile_id), allow_pickle=False) as stored:
                return {key: stored[key] for key in stored.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return {}

    def _labels_path(self, tile_id: str) -> Path:
        # Ids hold slashes and whatever file names hold: a digest is safe on every file system.
        name = hashlib.sha256(tile_id.encode(errors="backslashreplace")).hexdigest()[:20]
        return self._folder / LABELS_FOLDER / f"{name}.npz"


def _require_same(path: Path, identity: Mapping[str, Any]) -> None:
    known = read_object(path, max_bytes=_MAX_IDENTITY_BYTES)
    other = sorted(key for key in {*known, *identity} if known.get(key) != identity.get(key))
    if other:
        raise DataError(
            f"{path.parent} holds an evaluation with another {other[0]} ({known.get(other[0])!r}, "
            f"not {identity.get(other[0])!r}); name another folder."
        )


def _read_scores(path: Path) -> dict[str, TileScore]:
    """Scores written so far; a line that was cut off is left out, and its tile is scored again."""
    scores: dict[str, TileScore] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            score = TileScore.from_json(loads(line, str(path)))
            scores[score.id] = score
        except (DataError, ValueError, TypeError, KeyError):
            continue
    return scores


def _line(score: TileScore) -> str:
    return json.dumps(score.to_json()) + "\n"
