"""A folder of classes as a training: which crops, which split, which config."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError, SettingsError
from ..model.spec import ModelSpec
from ..pairs.layout.instances import TileRecord, index_class_folders
from ..pairs.layout.tile_pixels import image_shape
from ..pairs.problems import Problem
from ..pairs.split import Split, split_by_patient, under_sources, write_split
from ..tasks import TaskSpec
from .config import TrainConfig
from .config_file import write_config
from .run_settings import AugmentSettings, BatchSettings, OptimiserSettings, SourceSettings

SPLIT_FILE, CONFIG_FILE = "class-split.json", "classes.toml"
SOURCE = "tiles"
_CELL_PX = 16
_FROZEN_ENCODER = 5
_VIEWS = 8
"""Augmentations of a tile. The encoder is frozen and sees each view once: that is where the time would go."""


@dataclass(frozen=True, kw_only=True)
class ClassFolderSettings:
    """How a folder of classes is learned.

    Attributes
    ----------
    pixel_size_um : float
        Of the tiles.
    slide : str
        Regular expression; the part of a file name that matches says whose tile it is. "" where names say nothing.
    shares : tuple of three float
        Of slides, for train, validation and test.
    steps, batch_size, seed : int
    learning_rate : float
    """

    pixel_size_um: float
    slide: str = ""
    shares: tuple[float, float, float] = (0.6, 0.15, 0.25)
    steps: int = 300
    batch_size: int = 16
    seed: int = 1
    learning_rate: float = 3e-3


@dataclass(frozen=True, kw_only=True)
class ClassPlan:
    """What will be learned.

    Attributes
    ----------
    config_path, split_path : Path
    classes : tuple of str
    split : Split
    groups_known : bool
        Whether patients or slides are named; False: the split is tile by tile.
    problems : tuple of Problem
    """

    config_path: Path
    split_path: Path
    classes: tuple[str, ...]
    split: Split
    groups_known: bool
    problems: tuple[Problem, ...]


def plan_classes(folder: Path, out: Path, base: ModelSpec, base_name: str, settings: ClassFolderSettings) -> ClassPlan:
    """Write a config and a split for a folder of classes into ``out``.

    Raises
    ------
    DataError
        If there are no two classes, a tile is too small, or there are too few slides for the split.
    SettingsError
        If the pattern or the pixel size makes no sense.
    OutputError
    """
    if not settings.pixel_size_um > 0:
        raise SettingsError("--pixel-size-um must be above 0.")
    records, problems = index_class_folders(folder)
    classes = tuple(sorted({record.stratum for record in records}))
    if len(classes) < 2:
        raise DataError(f"{folder} holds {len(classes)} folder of tiles; a head needs two classes or more.")
    grouped = _grouped(records, settings.slide)
    split = split_by_patient(grouped, settings.shares, settings.seed)
    out.mkdir(parents=True, exist_ok=True)
    write_split(out / SPLIT_FILE, under_sources(split, (f"{SOURCE}/{record.id}" for record in records)))
    config = _config(folder, base, base_name, classes, _crop_px(records, base, settings), settings)
    write_config(out / CONFIG_FILE, config)
    return ClassPlan(
        config_path=out / CONFIG_FILE,
        split_path=out / SPLIT_FILE,
        classes=classes,
        split=split,
        groups_known=all(record.patient_known for record in grouped),
        problems=tuple(problems),
    )


def _grouped(records: Sequence[TileRecord], pattern: str) -> list[TileRecord]:
    """The records, whose patient is what the pattern finds where it is given."""
    if not pattern:
        return list(records)
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"--slide {pattern!r} is no regular expression: {error}.") from error
    found = [(record, wanted.search(record.image_path.name)) for record in records]
    if nameless := next((record for record, match in found if match is None), None):
        raise DataError(f"--slide {pattern!r} matches nothing in {nameless.image_path}.")
    return [replace(one, patient=match.group(), patient_known=True) for one, match in found if match is not None]


def _crop_px(records: Sequence[TileRecord], base: ModelSpec, settings: ClassFolderSettings) -> int:
    """Side of the largest crop that fits into the first tile on the model's grid."""
    side_um = min(image_shape(records[0].image_path)) * settings.pixel_size_um
    crop = int(side_um / base.pixel_size_um) // _CELL_PX * _CELL_PX
    if crop < 2 * _CELL_PX:
        raise DataError(
            f"{records[0].image_path} shows {side_um:.0f} µm, less than {2 * _CELL_PX * base.pixel_size_um:.0f} µm: "
            "too little for this model; give larger tiles or check --pixel-size-um."
        )
    return crop


def _config(
    folder: Path,
    base: ModelSpec,
    base_name: str,
    classes: tuple[str, ...],
    crop_px: int,
    settings: ClassFolderSettings,
) -> TrainConfig:
    return TrainConfig(
        name=f"{folder.resolve().name} classes",
        seed=settings.seed,
        sources=(
            SourceSettings(
                name=SOURCE,
                kind="tiles",
                path=str(folder.resolve()),
                tasks=("tissue",),
                pixel_size_um=settings.pixel_size_um,
            ),
        ),
        batches=(BatchSettings(tasks=("tissue",), size=settings.batch_size, crop_px=crop_px),),
        tasks=(TaskSpec(key="tissue", kind="tissue", classes=classes),),
        pixel_size_um=base.pixel_size_um,
        tissue_window_cells=base.tissue_window_cells,
        steps=settings.steps,
        validate_every=max(1, settings.steps // 6),
        split_file=SPLIT_FILE,
        balance=1.0,
        start=base_name,
        train_from_layer=_FROZEN_ENCODER,
        keep_statistics=True,
        cache_features=True,
        cache_views=_VIEWS,
        optimiser=OptimiserSettings(learning_rate=settings.learning_rate),
        augment=AugmentSettings(scale=0.0, elastic=0.0),
    )
