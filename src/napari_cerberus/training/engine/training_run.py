"""A whole run: read the config, gather and split the data, train, and leave a model folder with its provenance."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ...errors import DataError, OutputError, SettingsError
from ...files import sha256_of, write_text
from ...model.checkpoint import Model, save_model
from ...model.spec import ModelSpec
from ...model.stain_profile import FIELD, ModelStain
from ...pairs.check.availability import present
from ...pairs.check.leaks import LeakReport
from ...pairs.licences import licences_of
from ...pairs.split import SUBSETS, Split, apply_split, read_split, split_by_patient, under_sources, write_split
from ...progress import Job, Progress
from ..config import TrainConfig
from ..config_file import read_config
from ..data.precheck import CheckedTiles, refuse_leaks, same_names, usable_tiles
from ..data.tile_sources import Tile, collect, in_memory
from ..process_group import on_rank_zero
from ..run_folder import (
    CHECK_FILE,
    CONFIG_FILE,
    MODEL_FOLDER,
    RUN_FILE,
    SPLIT_FILE,
    data_hash,
    environment,
    has_checkpoint,
    held,
)
from ..run_settings import SourceSettings
from ..transfer.initial_weights import ancestors, base_record, inherited_licences, open_base
from ..transfer.stain_record import measure_stain
from .callbacks import Callback
from .folds import FoldModel, train_folds
from .loop import TrainingData, train
from .share_search import choose_share
from .trainer import Trained

_MAY_CHANGE = frozenset(
    {
        "device",
        "threads",
        "workers",
        "checkpoint_every_s",
        "cache_memory_mb",
        "data_root",
        "split_file",
        "early_stopping",
    }
)
"""Fields of a config that a resumed run may have otherwise: it learns the same, or ends earlier."""


def run_training(
    config_path: Path,
    folder: Path,
    *,
    resume: bool = False,
    callback: Callback | None = None,
    base: Model | None = None,
    checked: CheckedTiles | None = None,
) -> Job[Path]:
    """Train from a config file; returns the folder of the new model.

    Parameters
    ----------
    config_path : Path
        TOML file (``config.TrainConfig``).
    folder : Path
        Run folder: config, split, metrics, checkpoint and, at the end, ``model/``.
    resume : bool
        Go on from the folder's last checkpoint, with the folder's own split; the config must be the folder's own too.
    callback : Callback or None
        Looks on, and may ask for a checkpoint or the end.
    base : Model, optional
        What the run starts from, where the caller has it open; else it is opened here, once.
    checked : CheckedTiles, optional
        What the caller knows of the very same files and split; they are checked here where absent.

    Raises
    ------
    SettingsError, DataError, OutputError
    """
    config = read_config(config_path)
    if resume:
        refuse_other_config(config, folder)
    if not resume and has_checkpoint(folder):
        raise OutputError(f"{folder} already holds a run; add --resume to go on with it, or name another folder.")
    # Under torchrun the leader holds the folder for all of them.
    with held(folder) if on_rank_zero() else nullcontext():
        known = base or open_base(config)
        return (yield from _trained(config, config_path, folder, resume, callback, known, checked))


def _trained(
    config: TrainConfig,
    config_path: Path,
    folder: Path,
    resume: bool,
    callback: Callback | None,
    base: Model | None,
    checked: CheckedTiles | None,
) -> Job[Path]:
    yield Progress("Gathering data")
    root = config.root(config_path.parent)
    found = collect(config.sources, config.tasks, root)
    tiles = yield from usable_tiles(config, root, found, folder / CHECK_FILE, checked)
    planned = read_split(folder / SPLIT_FILE) if resume else make_split(config, config_path.parent, tiles)
    split, notes = present(planned, tiles)
    notes += same_names(split, config, tiles)
    for note in notes:
        yield Progress("Gathering data", message=note)
    leaks = LeakReport(patients=(), duplicates=())
    if checked is None:
        leaks = yield from refuse_leaks(config, split, tiles)
    sides = by_subset(tiles, split)
    if not resume and on_rank_zero():
        _begin(folder, config_path, planned, _record(config_path, config, tiles, notes))
    learning = {side: _of_use(members, config) for side, members in sides.items()}
    yield Progress("Loading tiles", message=f"{len(learning['train'])} tiles to learn from")
    loaded = in_memory([*learning["train"], *learning["validation"]])
    data = TrainingData(train=learning["train"], validation=learning["validation"], loaded=loaded)
    parts: list[FoldModel] = []
    if config.folds:
        trained, parts = yield from train_folds(config, data, folder, callback=callback, base=base)
    else:
        trained = yield from train(config, data, folder, resume=resume, callback=callback, base=base)
        parts = [FoldModel(network=trained.network, train=data.train, validation=data.validation)]
    stain = yield from measure_stain(learning["train"], loaded, base.spec if base is not None else None)
    if not on_rank_zero():
        return folder / MODEL_FOLDER
    spec = _spec(folder, config, sides, trained, leaks, stain, base)
    if config.blend_shares and base is not None:
        made = Model(network=trained.network, spec=spec, sha256="")
        network, choice = yield from choose_share(config, base, made, parts, loaded)
        spec = replace(spec, provenance={**spec.provenance, "share": {**asdict(choice), "sentence": choice.sentence}})
        trained = replace(trained, network=network)
    save_model(folder / MODEL_FOLDER, trained.network, spec)
    return folder / MODEL_FOLDER


def refuse_other_config(config: TrainConfig, folder: Path) -> None:
    """Make sure that a run goes on as it began.

    Raises
    ------
    SettingsError
        If the folder's own config is missing or differs in more than where data lie and what does the work.
    """
    own = read_config(folder / CONFIG_FILE)
    for field in fields(TrainConfig):
        before, now = (_without_places(getattr(one, field.name)) for one in (own, config))
        if field.name not in _MAY_CHANGE and before != now:
            raise SettingsError(
                f"The run in {folder} was begun with another {field.name}; resume it with {folder / CONFIG_FILE}, or "
                "start a new run in another folder."
            )


def _without_places(value: Any) -> Any:
    """Sources of a config without their folders; anything else as it is."""
    if isinstance(value, tuple) and value and isinstance(value[0], SourceSettings):
        return tuple(replace(source, path="") for source in value)
    return value


def make_split(config: TrainConfig, config_folder: Path, tiles: Sequence[Tile]) -> Split:
    """The config's split file, or else a new split by patient, source by source.

    Sources marked ``train`` stay on that side.
    """
    if config.split_file:
        return under_sources(read_split(config_folder / config.split_file), (tile.id for tile in tiles))
    sides: dict[str, list[str]] = {side: [] for side in SUBSETS}
    sides["train"] += [tile.id for tile in tiles if tile.use == "train"]
    for source in config.sources:
        members = [tile for tile in tiles if tile.id.startswith(f"{source.name}/") and tile.use == "all"]
        if members:
            part = split_by_patient(members, config.split, config.seed)
            for side, ids in part.sides.items():
                sides[side].extend(ids)
    stratum = {tile.id: tile.stratum for tile in tiles}
    counts = {side: dict(sorted(Counter(stratum[i] for i in ids).items())) for side, ids in sides.items()}
    train, validation, test = (tuple(sorted(sides[side])) for side in SUBSETS)
    return Split(seed=config.seed, unit="patient", train=train, validation=validation, test=test, counts=counts)


def by_subset(tiles: Sequence[Tile], split: Split) -> dict[str, list[Tile]]:
    """Tiles of each side.

    Raises
    ------
    DataError
        If the split names tiles that are not there, or leaves train or validation empty.
    """
    parts = apply_split(split, tiles)
    sides = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    for side in ("train", "validation"):
        if not sides[side]:
            raise DataError(f"The {side} side of the split is empty; add patients or change the shares.")
    return sides


def _of_use(tiles: Sequence[Tile], config: TrainConfig) -> list[Tile]:
    """Tiles with labels of a task that some batch trains."""
    trained = {task for batch in config.batches for task in batch.tasks}
    return [tile for tile in tiles if tile.tasks & trained]


def _spec(
    folder: Path,
    config: TrainConfig,
    sides: Mapping[str, Sequence[Tile]],
    trained: Trained,
    leaks: LeakReport,
    stain: ModelStain,
    base: Model | None,
) -> ModelSpec:
    """What the model of a finished run says of itself."""
    recorded = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    return ModelSpec(
        name=config.name,
        tasks=config.tasks,
        pixel_size_um=config.pixel_size_um,
        task_pixel_size_um=dict(config.task_pixel_size_um),
        tissue_window_cells=config.tissue_window_cells,
        **_calibration_of_base(config, base),
        provenance={
            **recorded,
            "started_from": base_record(base),
            **ancestors(config, base),
            "best_step": trained.step,
            **({"ended": trained.ended} if trained.ended else {}),
            "training_seconds": round(trained.seconds),
            "validation": asdict(trained.scores),
            "leaks": leaks.summary,
            "acquisition_pixel_size_um": _usual_pixel_size(config, sides["train"]),
            "tiles": {side: len(members) for side, members in sides.items()},
            "patients": {side: len({tile.patient for tile in members}) for side, members in sides.items()},
            **{f"{side}_patients": sorted({tile.patient for tile in members}) for side, members in sides.items()},
            "split_sha256": sha256_of(folder / SPLIT_FILE),
            "sources": [asdict(source) for source in config.sources],
            "licences": {**inherited_licences(base), **recorded.get("licences", {})},
            FIELD: stain.to_json(),
        },
    )


def _calibration_of_base(config: TrainConfig, base: Model | None) -> dict[str, dict[str, float]]:
    """Temperatures and thresholds of the base model for heads that were taken over: the best first guess."""
    if base is None:
        return {}
    kept = {task.key for task in config.tasks if base.spec.task(task.key) == task}
    return {
        name: {key: value for key, value in getattr(base.spec, name).items() if key in kept}
        for name in ("temperatures", "thresholds")
    }


def _usual_pixel_size(config: TrainConfig, tiles: Sequence[Tile]) -> float:
    """Pixel size of the source with most training tiles: the best assumption for an image that does not say."""
    numbers = Counter(tile.id.partition("/")[0] for tile in tiles)
    known = [source for source in config.sources if source.pixel_size]
    usual = max(known, key=lambda source: numbers[source.name], default=None)
    return usual.pixel_size.mean_um if usual and usual.pixel_size else config.pixel_size_um


def _begin(folder: Path, config_path: Path, split: Split, record: Mapping[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(config_path, folder / CONFIG_FILE)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}.") from error
    write_split(folder / SPLIT_FILE, split)
    write_text(folder / RUN_FILE, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _record(config_path: Path, config: TrainConfig, tiles: Sequence[Tile], notes: Sequence[str]) -> dict[str, Any]:
    return {
        "run": config.name,
        "seed": config.seed,
        "steps": config.steps,
        "command": f"napari-cerberus train {config_path.name} --out DIR",
        "data": {source.name: source.path for source in config.sources},
        "licences": licences_of(config.root(config_path.parent) / source.path for source in config.sources),
        "data_sha256": data_hash(tiles),
        "counts": dict(Counter(tile.stratum for tile in tiles)),
        "environment": environment(),
        **({"notes": list(notes)} if notes else {}),
    }
