"""Which tiles an evaluation scores, and what the model has seen of them before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np

from ...errors import DataError, SettingsError
from ...files import sha256_of
from ...pairs.layout.manifest import SIDECAR_FOLDER
from ...pairs.split import SUBSETS, Split, Subset, apply_split, read_split, under_sources
from ...pixel_size import EBHI_SEG, PixelSize
from ...tasks import EBHI_CLASSES, GLANDS, INSTANCE_TASKS, LUMINA, NUCLEI, TaskSpec
from ..config_file import read_config
from ..data.tile_sources import Tile, collect
from ..run_settings import SourceKind, SourceSettings

ScoredSubset = Literal["train", "validation", "test", "all"]
"""Estimate for EBHI-SEG, whose authors do not state it: from red cells and lymphocytes."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is scored.

    Attributes
    ----------
    tiles : tuple of Tile
        To be scored, sorted by id.
    everything : tuple of Tile
        All tiles of the sources: what leaks are looked for in.
    side : {"train", "validation", "test", "all"}
    split : Split or None
        Only the tiles of these sources.
    split_name, split_sha256 : str
        File name and SHA-256 of the split file; empty without one.
    weak : frozenset of str
        Tasks whose labels come from a rule; nobody drew them.
    notes : tuple of str
        Sentences for the report.
    """

    tiles: tuple[Tile, ...]
    everything: tuple[Tile, ...]
    side: ScoredSubset
    split: Split | None = None
    split_name: str = ""
    split_sha256: str = ""
    weak: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def limited(self, count: int | None) -> Selection:
        """At most ``count`` tiles, spread evenly over the sorted ids; a note says so.

        Raises
        ------
        SettingsError
            If ``count`` is below 1.
        """
        if count is None or count >= len(self.tiles):
            return self
        if count < 1:
            raise SettingsError(f"limit must be 1 or more, not {count}.")
        places = np.linspace(0, len(self.tiles) - 1, count).round().astype(int)
        note = f"Only {count} of {len(self.tiles)} tiles were scored, as asked for."
        return replace(self, tiles=tuple(self.tiles[i] for i in places), notes=(*self.notes, note))


def select_folder(
    folder: Path, tasks: Sequence[TaskSpec], *, split_path: Path | None, side: str | None, pixel_size: PixelSize | None
) -> Selection:
    """Tiles of one folder: a tree of pairs, an instance folder of nuclei, or one folder a class without masks.

    Parameters
    ----------
    folder : Path
    tasks : sequence of TaskSpec
        What the model predicts.
    split_path : Path or None
        A split file that names these tiles (under any source name).
    side : str or None
        A side of the split; "all" for every tile. None: the test side, or all tiles without a split.
    pixel_size : PixelSize or None
        Needed unless the folder holds the categories of EBHI-SEG, for which 1.13 × 1.5 µm is assumed and
        noted, or pairs with sidecars, which state it.

    Raises
    ------
    DataError, SettingsError
    """
    kind = kind_of(folder)
    size, notes = _pixel_size(folder, kind, pixel_size)
    tiles = collect([_source(folder.name, kind, folder, tasks, size)], tasks, folder)
    split = under_sources(read_split(split_path), (tile.id for tile in tiles)) if split_path else None
    name = _name_in_split(tiles, split, folder)
    source = _source(name, kind, folder, tasks, size)
    if split is not None:
        split = only_source(split, name)
    chosen = _select(collect([source], tasks, folder), split, split_path, side)
    return replace(chosen, weak=weak_tasks([source]), notes=(*notes, *chosen.notes, *label_notes([source])))


def select_config(config_path: Path, *, split_path: Path | None, side: str | None) -> Selection:
    """Tiles of all sources of a training config; its own split file where none is given.

    Raises
    ------
    DataError, SettingsError
    """
    config = read_config(config_path)
    if split_path is None and config.split_file:
        split_path = config_path.parent / config.split_file
    tiles = collect(config.sources, config.tasks, config.root(config_path.parent))
    split = under_sources(read_split(split_path), (tile.id for tile in tiles)) if split_path else None
    chosen = _select(tiles, split, split_path, side)
    scored = {tile.id.partition("/")[0] for tile in chosen.tiles}
    sources = [source for source in config.sources if source.name in scored]
    return replace(chosen, weak=weak_tasks(sources), notes=(*chosen.notes, *label_notes(sources)))


def kind_of(folder: Path) -> SourceKind:
    """How a data folder is laid out.

    Raises
    ------
    DataError
        If it is missing or of no known kind.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; --data takes the folder that holds the tiles.")
    if (folder / "images").is_dir() and (folder / "labels").is_dir():
        return "instances"
    parts = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    if any((entry / "image").is_dir() or (entry / "label").is_dir() for entry in parts):
        return "pairs" if any((entry / SIDECAR_FOLDER).is_dir() for entry in parts) else "ebhi"
    if parts:
        return "tiles"
    raise DataError(
        f"{folder} holds neither images/ and labels/, nor <Category>/image and <Category>/label, nor class folders."
    )


def weak_tasks(sources: Iterable[SourceSettings]) -> frozenset[str]:
    """Tasks with labels from a rule in any of the sources."""
    return frozenset(chain.from_iterable(source.weak_tasks for source in sources))


def label_notes(sources: Sequence[SourceSettings]) -> tuple[str, ...]:
    """What must be known of the labels to read the figures right."""
    notes = []
    if any(source.kind == "ebhi" and GLANDS in source.tasks for source in sources):
        notes.append("EBHI-style masks hold no instances: drawn glands that touch count as one object.")
    if weak_tasks(sources):
        notes.append("Lumina of EBHI-style trees are weak labels, made by a rule from brightness; nobody drew them.")
    notes += [
        f"The pixel size of {source.name} is an estimate from the size of its drawn objects."
        for source in sources
        if source.pixel_size_um is None and source.kind == "instances"
    ]
    return tuple(notes)


def only_source(split: Split, name: str) -> Split:
    """The part of a split that concerns one source; its counts are left out."""
    train, validation, test = (tuple(id_ for id_ in ids if id_.startswith(f"{name}/")) for ids in split.sides.values())
    return replace(split, train=train, validation=validation, test=test, counts={side: {} for side in SUBSETS})


def _pixel_size(
    folder: Path, kind: SourceKind, given: PixelSize | None
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    if given is not None:
        return given.yx_um, ()
    names = {entry.name for entry in folder.iterdir() if entry.is_dir()}
    if kind == "pairs":
        return None, ()
    if kind == "ebhi" and names & set(EBHI_CLASSES):
        return EBHI_SEG.yx_um, (
            f"The pixel size is an estimate: {EBHI_SEG}, from the size of red cells and lymphocytes; the published "
            "tiles are squeezed along x.",
        )
    raise SettingsError(f"The pixel size of {folder} is not known; give it with --pixel-size-um.")


def _source(
    name: str, kind: SourceKind, folder: Path, tasks: Sequence[TaskSpec], pixel_size_um: tuple[float, float] | None
) -> SourceSettings:
    able = {task.key for task in tasks}
    has_labels = {
        "ebhi": (GLANDS, LUMINA, "tissue"),
        "pairs": (*INSTANCE_TASKS, "tissue"),
        "instances": (NUCLEI,),
        "tiles": ("tissue",),
    }[kind]
    keys = tuple(key for key in has_labels if key in able)
    if not keys:
        raise DataError(f"{folder} has labels of {', '.join(has_labels)}, but the model predicts none of these.")
    return SourceSettings(name=name, kind=kind, path=str(folder.absolute()), tasks=keys, pixel_size_um=pixel_size_um)


def _name_in_split(tiles: Sequence[Tile], split: Split | None, folder: Path) -> str:
    """Under which source name a split knows the tiles of a folder; the folder's own name without a split.

    Raises
    ------
    DataError
        If the split names none of them.
    """
    if split is None:
        return folder.name
    inner = {tile.id.partition("/")[2] for tile in tiles}
    known: dict[str, int] = {}
    for ids in split.sides.values():
        for id_ in ids:
            name, _, rest = id_.partition("/")
            known[name] = known.get(name, 0) + (rest in inner)
    name = max(sorted(known), key=known.__getitem__, default="")
    if not known.get(name):
        raise DataError(f"The split names no tile of {folder}; use the split file that belongs to this data.")
    return name


def _select(tiles: Sequence[Tile], split: Split | None, split_path: Path | None, side: str | None) -> Selection:
    side = side or ("test" if split else "all")
    if side not in get_args(ScoredSubset):
        raise SettingsError(f"side must be one of {', '.join(get_args(ScoredSubset))}, not {side!r}.")
    if split is None and side != "all":
        raise SettingsError(f"To score the {side} side a split file is needed; give --split, or score --side all.")
    parts = apply_split(split, tiles) if split else None
    named = parts.sides[cast(Subset, side)] if parts and side != "all" else list(tiles)
    if not named:
        raise DataError(f"The {side} side of the split holds no tile of this data.")
    chosen = [tile for tile in named if tile.tasks or not tile.unchecked]
    if not chosen:
        raise DataError("Nobody said of any of these tiles what in it is right; export them again with --checked.")
    notes = [f"{len(named) - len(chosen)} tile(s) in which nothing is checked were left out."]
    strangers = len(parts.unassigned) if parts else 0
    return Selection(
        tiles=tuple(sorted(chosen, key=lambda tile: tile.id)),
        everything=tuple(tiles),
        side=cast(ScoredSubset, side),
        split=split,
        split_name=split_path.name if split_path else "",
        split_sha256=sha256_of(split_path) if split_path else "",
        notes=(
            *(notes if len(chosen) < len(named) else ()),
            *((f"{strangers} tile(s) of the data are not named in the split.",) if strangers else ()),
        ),
    )
