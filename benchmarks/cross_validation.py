"""Figures of one source by cross-validation over all its patients, in place of the same few test patients again.

    python benchmarks/cross_validation.py CONFIG --source tnbc --out DIR [--folds 5] [--steps N] [--start BASE]

Patients of the source are dealt into folds. For each fold a model learns from the other folds (and from the training
sides of the config's other sources), a quarter of their patients chooses the weights, and the fold is scored with that
model alone; the scores of all folds are pooled, with intervals over all patients. ``--start`` must be a model that has
not learned from any patient of the source, or ``imagenet`` or ``scratch``: else nothing held out would be held out.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_cerberus.errors import CerberusError, DataError
from napari_cerberus.model.ancestry import all_patients, silent_teacher
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.pairs.check.image_print import image_print, near_duplicates
from napari_cerberus.pairs.check.same_field import field_print, views_of_one_field
from napari_cerberus.pairs.layout.tile_pixels import read_rgb
from napari_cerberus.pairs.split import Split, write_split
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.config_file import read_config, write_config
from napari_cerberus.training.data.precheck import CheckedTiles, usable_tiles
from napari_cerberus.training.data.tile_sources import Tile, collect
from napari_cerberus.training.engine.training_run import make_split, run_training
from napari_cerberus.training.evaluation.evaluate_model import evaluate
from napari_cerberus.training.evaluation.outcome import EvaluateSettings
from napari_cerberus.training.evaluation.scoring import TileScore
from napari_cerberus.training.evaluation.selection import select_config
from napari_cerberus.training.evaluation.summary import BootstrapSettings, summarise_tasks

SHOWN = ("dice", "f1", "pq", "aji")


def refuse_seen(config: TrainConfig, patients: Sequence[str]) -> None:
    """The base must not know the patients. Raises ``DataError``."""
    if config.start in ("scratch", "imagenet"):
        return
    base = open_model(config.start, config.start_sha256).spec
    if seen := sorted(all_patients(base) & set(patients)):
        raise DataError(
            f"{base.name} has learned from {len(seen)} of these {len(patients)} patients ({seen[0]} is one), so models "
            "must be trained for each fold from one that has not: name it with --start, or give --start imagenet."
        )
    if silent := silent_teacher(base):
        raise DataError(f"{silent} does not say whom it learned from; give --start imagenet.")


def dealt(patients: Sequence[str], folds: int) -> list[frozenset[str]]:
    """Patients in as many folds, in turn."""
    return [frozenset(patients[place::folds]) for place in range(min(folds, len(patients)))]


def split_for(fold: frozenset[str], own: Sequence[Tile], usual: Split, source: str) -> Split:
    """The usual split of the other sources; of this one the fold is test, and each fourth other patient validates."""
    others = sorted({tile.patient for tile in own} - fold)
    validation = frozenset(others[::4])
    sides: dict[str, list[str]] = {
        side: [id_ for id_ in ids if not id_.startswith(f"{source}/")] for side, ids in usual.sides.items()
    }
    for tile in own:
        side = "test" if tile.patient in fold else "validation" if tile.patient in validation else "train"
        sides[side].append(tile.id)
    ids = {side: tuple(sorted(names)) for side, names in sides.items()}
    counts = {side: {"all": len(names)} for side, names in ids.items()}
    return Split(seed=usual.seed, unit="patient", counts=counts, **ids)  # type: ignore[arg-type]


def refuse_shared_tissue(tiles: Sequence[Tile], source: str) -> None:
    """Once for all folds: no tile of the source shows tissue of a tile of another patient. Raises ``DataError``."""
    images = [read_rgb(tile.image_path) for tile in tiles]
    alike = {
        *near_duplicates([image_print(image) for image in images]),
        *views_of_one_field([field_print(image) for image in images]),
    }
    for first, second in sorted(alike):
        one, other = tiles[first], tiles[second]
        if one.patient != other.patient and any(tile.id.startswith(f"{source}/") for tile in (one, other)):
            raise DataError(f"{one.id} and {other.id} show the same tissue, but are said to be of two patients.")


def write_fold(folder: Path, config: TrainConfig, root: Path, split: Split) -> Path:
    """Config and split of one fold in a folder of its own; returns the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    fold = replace(
        config,
        split_file="split.json",
        data_root=str(root.resolve()),
        validate_every=min(config.validate_every, config.steps),
    )
    write_config(folder / "config.toml", fold)
    write_split(folder / "split.json", split)
    return folder / "config.toml"


def fold_scores(folder: Path, config_path: Path, source: str, checked: CheckedTiles) -> list[TileScore]:
    """Train for one fold where that is not done yet, and score it with a first click's settings."""
    if not (folder / "run" / "model").is_dir():
        shutil.rmtree(folder / "run", ignore_errors=True)
        run_to_end(run_training(config_path, folder / "run", checked=checked))
    model = load_model(folder / "run" / "model")
    chosen = select_config(config_path, split_path=None, side="test")
    mine = tuple(tile for tile in chosen.tiles if tile.id.startswith(f"{source}/"))
    resume = (folder / "evaluation").exists()
    outcome = run_to_end(
        evaluate(model, replace(chosen, tiles=mine), folder / "evaluation", EvaluateSettings(), resume=resume)
    )
    print(f"{folder.name}: {len(mine)} tiles; {outcome.leakage_status.sentence}", flush=True)
    return list(outcome.scores)


def pooled(scores: Sequence[TileScore]) -> Iterator[str]:
    """One line a task: every figure with its interval over all patients."""
    for task in summarise_tasks(scores, bootstrap=BootstrapSettings()):
        every = task.groups[0]
        cells = []
        for name in SHOWN:
            one = every.metrics[name]
            low, high = getattr(one, "low", None), getattr(one, "high", None)
            interval = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
            cells.append(f"{name} {one.value:.3f}{interval}" if one.value is not None else f"{name} –")
        yield f"{task.task}: {every.patients} patients, {every.tiles} tiles: {', '.join(cells)}"


def cross_validate(path: Path, config: TrainConfig, source: str, out: Path, folds: int) -> list[TileScore]:
    """Scores of every tile of a source, each by a model that never saw its patient. Raises ``CerberusError``."""
    root = config.root(path.parent)
    tiles = collect(config.sources, config.tasks, root)
    own = [tile for tile in tiles if tile.id.startswith(f"{source}/")]
    patients = sorted({tile.patient for tile in own})
    if len(patients) < 2:
        raise DataError(f"{source!r} has {len(patients)} patients; name a source of the config.")
    refuse_seen(config, patients)
    out.mkdir(parents=True, exist_ok=True)
    tiles = run_to_end(usable_tiles(config, root, tiles, out / "data_check.txt"))
    refuse_shared_tissue(tiles, source)
    checked = CheckedTiles(usable=frozenset(tile.id for tile in tiles))
    usual = make_split(config, path.parent, tiles)
    scores: list[TileScore] = []
    for number, fold in enumerate(dealt(patients, folds)):
        folder = out / f"fold {number}"
        config_path = write_fold(folder, config, root, split_for(fold, own, usual, source))
        scores += fold_scores(folder, config_path, source, checked)
    return scores


def main() -> int:
    """Train, score and pool; a fold that is done is not done again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--source", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--start")
    arguments = parser.parse_args()
    try:
        config = read_config(arguments.config)
        if arguments.start:
            config = replace(config, start=arguments.start, start_sha256="")
        if arguments.steps:
            config = replace(config, steps=arguments.steps)
        scores = cross_validate(arguments.config, config, arguments.source, arguments.out, arguments.folds)
    except CerberusError as error:
        print(error)
        return 1
    print("\n".join(pooled(scores)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
