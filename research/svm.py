"""A support vector machine on a frozen encoder's features as tissue classifier (the thesis's fifth protocol).

    python research/svm.py --config configs/starter.toml --out DIR

Features are the deepest map's mean over the tile, 512 numbers, without augmentation. The machine has a radial kernel,
standardised features and balanced class weights; its C is the one that is best on the validation side.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from napari_cerberus.cli.main import guarded
from napari_cerberus.cli.progress_line import ProgressLine
from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.entries import STARTER
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.pairs.check.leaks import leak_report
from napari_cerberus.pairs.split import Subset
from napari_cerberus.progress import Job, Progress, run_to_end
from napari_cerberus.training.data.tile_sources import Tile
from napari_cerberus.training.evaluation.outcome import EvaluateSettings, Evaluation, gather
from napari_cerberus.training.evaluation.report.examples import Examples
from napari_cerberus.training.evaluation.report.write_report import REPORT_FILE, write_report
from napari_cerberus.training.evaluation.scoring import TISSUE, TileScore
from napari_cerberus.training.evaluation.selection import Selection, select_config
from napari_cerberus.training.validation import on_model_grid

COSTS = (0.1, 1.0, 10.0, 100.0)
_NOTE = (
    "Tissue is named by a support vector machine on the model's frozen features, fitted on {tiles} training tiles "
    "with C = {cost:g}; its probabilities are a softmax of its decision values and are not calibrated."
)


@dataclass(frozen=True, kw_only=True)
class FittedSvm:
    """A fitted machine.

    Attributes
    ----------
    machine : sklearn Pipeline
    classes : tuple of int
        Tissue classes it has seen, in the order of its decision values.
    cost : float
        The chosen C.
    tiles : int
        Training tiles.
    """

    machine: Pipeline
    classes: tuple[int, ...]
    cost: float
    tiles: int

    def probabilities(self, features: NDArray[np.float32], count: int) -> NDArray[np.float64]:
        """(n, 512) features → (n, count) softmax of decision values; 0 for classes it has never seen."""
        decisions = np.asarray(self.machine.decision_function(features), np.float64)
        if decisions.ndim == 1:  # two classes: one value, positive for the second
            decisions = np.stack([-decisions, decisions], axis=1) / 2
        powers = np.exp(decisions - decisions.max(axis=1, keepdims=True))
        shares = np.zeros((len(features), count))
        shares[:, list(self.classes)] = powers / powers.sum(axis=1, keepdims=True)
        return shares


def tissue_features(network: Cerberus, tiles: Sequence[Tile], pixel_size_um: float) -> Job[NDArray[np.float32]]:
    """Mean of the deepest features over each tile, (n, 512).

    Raises
    ------
    DataError, ImageError
        If a tile cannot be read.
    """
    device = next(network.parameters()).device
    network.eval()
    rows = []
    for done, tile in enumerate(tiles):
        yield Progress("Looking at tiles", done, len(tiles))
        image, _masks = on_model_grid(replace(tile.load(), labels={}), pixel_size_um)
        with torch.inference_mode():
            rows.append(network.encode(image.to(device))[-1].float().mean((2, 3))[0].cpu().numpy())
    return np.stack(rows).astype(np.float32)


def fit_svm(
    train: tuple[NDArray[np.float32], Sequence[int]], validation: tuple[NDArray[np.float32], Sequence[int]]
) -> FittedSvm:
    """Fit one machine for each of ``COSTS`` and keep the one with the best balanced accuracy on the validation side.

    Parameters
    ----------
    train, validation : (features (n, 512), tissue class of each)
        An empty validation side means C = 1.

    Raises
    ------
    DataError
        If the training side shows fewer than two classes.
    """
    features, truth = train
    if len(set(truth)) < 2:
        raise DataError("A support vector machine needs training tiles of two tissue classes or more.")
    costs = COSTS if len(validation[1]) else (1.0,)
    machines = {cost: make_pipeline(StandardScaler(), SVC(C=cost, class_weight="balanced")) for cost in costs}
    for machine in machines.values():
        machine.fit(features, truth)
    cost = max(costs, key=lambda one: _balanced_accuracy(machines[one], *validation)) if len(costs) > 1 else costs[0]
    return FittedSvm(machine=machines[cost], classes=tuple(sorted(set(truth))), cost=cost, tiles=len(truth))


def evaluate_svm(
    model: Model,
    sides: Mapping[Subset, Selection],
    folder: Path,
    settings: EvaluateSettings | None = None,
    *,
    scored: Subset = "test",
) -> Job[Evaluation]:
    """Fit on the training side, choose C on the validation side, score the side ``scored`` and write the report.

    Parameters
    ----------
    model : Model
        Whose encoder gives the features; its pixel size and tissue classes are used.
    sides : mapping of side to Selection
        Train, validation, and the scored side, from one split.
    folder : Path
        Gets what ``evaluate`` writes, without pictures of tiles.

    Raises
    ------
    DataError
        If a side has no tile of the model's tissue classes.
    SettingsError
        If the model has no tissue classes.
    """
    settings = settings or EvaluateSettings()
    classes = model.spec.tissue_classes
    if not classes:
        raise SettingsError(f"{model.name} has no tissue classes; use a model with a tissue head.")
    found = {}
    for side in dict.fromkeys(("train", "validation", scored)):
        tiles = [tile for tile in sides[side].tiles if TISSUE in tile.tasks and tile.stratum in classes]
        if not tiles:
            raise DataError(f"The {side} side has no tile of {', '.join(classes)}.")
        features = yield from tissue_features(model.network, tiles, model.spec.pixel_size_um)
        found[side] = (tiles, features, [classes.index(tile.stratum) for tile in tiles])
    machine = fit_svm(found["train"][1:], found["validation"][1:])
    tiles, features, truth = found[scored]
    shares = machine.probabilities(features, len(classes))
    scores = [
        TileScore(
            id=tile.id, patient=tile.patient, stratum=tile.stratum, tissue_truth=place, tissue=tuple(row), runtime="SVM"
        )
        for tile, place, row in zip(tiles, truth, shares.tolist(), strict=True)
    ]
    yield Progress("Working out figures and intervals")
    chosen = sides[scored]
    leaks = (yield from leak_report(chosen.split, chosen.everything)) if chosen.split else None
    outcome = gather(model, chosen, scores, leaks, settings)
    outcome = replace(outcome, notes=(*outcome.notes, _NOTE.format(tiles=machine.tiles, cost=machine.cost)))
    write_report(folder, outcome, Examples(worst={}, best={}, wrong=()))
    return outcome


def _balanced_accuracy(machine: Pipeline, features: NDArray[np.float32], truth: Sequence[int]) -> float:
    wanted, given = np.asarray(truth), np.asarray(machine.predict(features))
    return float(np.mean([np.mean(given[wanted == index] == index) for index in sorted(set(truth))]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, score and say where the report is; returns the exit code."""
    return guarded(lambda: _run(_parsed(arguments)))


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default=STARTER, metavar="NAME_OR_PATH", help="whose encoder; default: %(default)s")
    parser.add_argument("--config", type=Path, required=True, metavar="TOML", help="training config with the sources")
    parser.add_argument("--split", type=Path, metavar="FILE", help="split file; default: the config's")
    parser.add_argument("--side", choices=("test", "validation", "train"), default="test", help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the report")
    return parser.parse_args(arguments)


def _run(arguments: argparse.Namespace) -> int:
    wanted = cast(tuple[Subset, ...], ("train", "validation", arguments.side))
    sides = {side: select_config(arguments.config, split_path=arguments.split, side=side) for side in wanted}
    line = ProgressLine("svm")
    job = evaluate_svm(open_model(arguments.model), sides, arguments.out, scored=arguments.side)
    outcome = run_to_end(job, line)
    line.close()
    if outcome.leakage_status.kind == "training":
        sys.stderr.write(f"TRAINING DATA: {outcome.leakage_status.sentence}\n")
    sys.stdout.write(f"{arguments.out / REPORT_FILE}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
