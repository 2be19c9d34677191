"""The stain of a run's training tiles, for the record of the model (``model.stain_profile``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...model.spec import ModelSpec
from ...model.stain_profile import ModelStain, StainProfile, fit_source, profile_of, stain_of
from ...progress import Job, Progress
from ..data.tile_sources import LoadedTile, Tile


def measure_stain(
    tiles: Sequence[Tile], loaded: Mapping[str, LoadedTile] | None = None, base: ModelSpec | None = None
) -> Job[ModelStain]:
    """Sum up the stain of training tiles, source by source.

    Parameters
    ----------
    tiles : sequence of Tile
    loaded : mapping of id to LoadedTile, optional
        Tiles that are in memory already; others are read.
    base : ModelSpec, optional
        The model that training started from: what it knows is kept.

    Raises
    ------
    DataError
        If a tile cannot be read.
    """
    found: dict[str, list[tuple[StainProfile, str]]] = defaultdict(list)
    for done, tile in enumerate(tiles):
        yield Progress("Measuring the stain", done, len(tiles))
        at_hand = loaded.get(tile.id) if loaded is not None else None
        profile = profile_of((at_hand or tile.load()).image)
        if profile is not None:
            found[tile.id.partition("/")[0]].append((profile, tile.patient))
    fitted = [
        fit_source(source, [one for one, _ in members], [patient for _, patient in members])
        for source, members in sorted(found.items())
    ]
    known = stain_of(base) if base is not None else None
    inherited = known.sources if known is not None else ()
    return ModelStain(sources=(*(one for one in fitted if one is not None), *inherited))


def require_sources(stain: ModelStain, where: Path) -> list[dict[str, Any]]:
    """What goes into the record. Raises ``DataError`` where no source has two tiles with tissue."""
    if not stain.sources:
        raise DataError(f"{where}: fewer than two training tiles hold tissue, so their stain cannot be summed up.")
    return stain.to_json()
