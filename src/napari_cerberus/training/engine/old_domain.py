"""What forgetting is measured on: the base model's own validation tiles where they are here, else drawn tissue."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CerberusError
from ...model.checkpoint import Model
from ...model.spec import ModelSpec
from ...pixel_size import EBHI_SEG, PixelSize
from ...synthetic import TileSettings, make_tile
from ..config import DATA_ROOT_VARIABLE
from ..data.tile_sources import LoadedTile, Tile, collect
from ..evaluation.selection import kind_of, weak_tasks
from ..run_settings import SourceSettings
from ..training_patients import bare_patient, recorded

MOST_TILES = 24
"""Of the base model's validation tiles, spread evenly."""
DRAWN_TILES = 12
_DRAWN_SIDE_PX, _DRAWN_PIXEL_SIZE_UM, _FIRST_SEED = 320, 0.5, 9000
DRAWN = "drawn"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Tiles of the base model's old domain.

    Attributes
    ----------
    tiles : tuple of Tile
    words : str
        What they are, to go into a sentence.
    weak : frozenset of str
        Tasks whose labels come from a rule.
    """

    tiles: tuple[Tile, ...]
    words: str
    weak: frozenset[str] = frozenset()


def reference_set(base: Model, training_patients: Collection[str]) -> Reference:
    """The base model's validation tiles if their data are on this computer, else the drawn set.

    Parameters
    ----------
    base : Model
    training_patients : collection of str
        Patients the candidate has learnt from, without their source: left out.
    """
    own = _own_validation(base.spec, frozenset(training_patients))
    if own is not None:
        return own
    instance_tasks = frozenset(task.key for task in base.spec.tasks if task.kind == "instances")
    settings = [
        TileSettings(
            height_px=_DRAWN_SIDE_PX,
            width_px=_DRAWN_SIDE_PX,
            pixel_size_um=_DRAWN_PIXEL_SIZE_UM,
            seed=_FIRST_SEED + number,
        )
        for number in range(DRAWN_TILES)
    ]
    tiles = tuple(_drawn_tile(one, instance_tasks) for one in settings)
    return Reference(
        tiles=tiles,
        words=f"{len(tiles)} drawn tiles (not tissue; the base model's own data are not here, and training "
        "held the new model to the old one on drawn tissue)",
    )


def _own_validation(spec: ModelSpec, training_patients: frozenset[str]) -> Reference | None:
    patients = {name for name in recorded(spec, "validation") if bare_patient(name) not in training_patients}
    sources = [found for source in _sources(spec) if (found := _on_this_computer(source)) is not None]
    if not patients or not sources:
        return None
    tiles: list[Tile] = []
    used = []
    for source in sources:
        try:
            members = collect([source], spec.tasks, Path(source.path))
        except CerberusError:  # damaged or changed since: the drawn set stands in
            continue
        mine = [tile for tile in members if tile.patient in patients]
        tiles += mine
        used += [source] if mine else []
    if not tiles:
        return None
    places = np.linspace(0, len(tiles) - 1, min(MOST_TILES, len(tiles))).round().astype(int)
    shown = tuple(tiles[place] for place in places)
    count = len({tile.patient for tile in shown})
    words = f"{len(shown)} of the base model's own validation tiles ({count} patient{'s' * (count != 1)})"
    return Reference(tiles=shown, words=words, weak=weak_tasks(used))


def _sources(spec: ModelSpec) -> list[SourceSettings]:
    """Sources of a model's record: as they stand there, or guessed from the folder for older models."""
    stored = spec.provenance.get("sources")
    known = {field.name for field in fields(SourceSettings)}
    found = [
        _settings({**item, "tasks": tuple(item.get("tasks", ()))})
        for item in (stored if isinstance(stored, list) else [])
        if isinstance(item, Mapping) and set(item) <= known
    ]
    data = spec.provenance.get("data")
    if not found and isinstance(data, Mapping):
        found = [_guessed(str(name), str(path), spec) for name, path in data.items()]
    return [source for source in found if source is not None]


def _guessed(name: str, path: str, spec: ModelSpec) -> SourceSettings | None:
    """Only trees like EBHI-SEG say how large their pixels are."""
    folder = _folder(path)
    try:
        if folder is None or kind_of(folder) != "ebhi":
            return None
    except CerberusError:
        return None
    able = {task.key for task in spec.tasks}
    tasks = tuple(key for key in ("glands", "lumina", "tissue") if key in able)
    return _settings({"name": name, "kind": "ebhi", "path": path, "tasks": tasks, "pixel_size_um": EBHI_SEG.yx_um})


def _settings(values: Mapping[str, Any]) -> SourceSettings | None:
    try:
        return SourceSettings(**values)
    except (CerberusError, TypeError):
        return None


def _on_this_computer(source: SourceSettings) -> SourceSettings | None:
    folder = _folder(source.path)
    if folder is None:
        return None
    values = {field.name: getattr(source, field.name) for field in fields(SourceSettings)}
    return SourceSettings(**{**values, "path": str(folder)})


def _folder(path: str) -> Path | None:
    root = os.environ.get(DATA_ROOT_VARIABLE)
    folder = Path(root) / path if root else Path(path)
    return folder if folder.is_absolute() and folder.is_dir() else None


def _drawn_tile(settings: TileSettings, tasks: frozenset[str]) -> Tile:
    return Tile(
        id=f"{DRAWN}/{settings.seed}",
        patient=f"{DRAWN}:{settings.seed}",
        stratum=DRAWN,
        tasks=tasks,
        load=partial(_draw, settings),
        image_path=Path(),
    )


@lru_cache(maxsize=2)
def _draw(settings: TileSettings) -> LoadedTile:
    drawn = make_tile(settings)
    return LoadedTile(image=drawn.image, labels=dict(drawn.labels), pixel_size=PixelSize.square(drawn.pixel_size_um))
