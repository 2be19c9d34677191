"""How often a verdict is wrong where nothing differs, and right where something does, through the real functions.

    python benchmarks/verdict_errors.py [--quick] [--tasks 1 2 3 4] [--runs 1000]

First table: base and candidate differ by chance alone; printed are the shares of comparisons that say "better" and
"worse", each to be at most 5 %. Second table: the candidate is better by a known amount in every task, on as many
patients as ``needed_patients`` asks for; printed is how often a task is told better, to be 80 % or more. Patients bring
1 to 4 tiles each; differences between patients are bell-shaped, or exponential with few far above or far below the
rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_cerberus.finetune.comparison import paired_rows
from napari_cerberus.finetune.comparison.paired_rows import PairedScores, compare
from napari_cerberus.finetune.comparison.verdict import ValidationResult, needed_patients, verdict_of
from napari_cerberus.training.evaluation.metrics.tile_sums import tile_means

PATIENTS = (3, 4, 5, 6, 7, 8, 10, 15, 20, 30, 40)
TASKS = ("glands", "lumina", "nests", "stroma")
SHAPES = ("Gaussian", "skewed up", "skewed down")
SPREAD, TILE_SPREAD, BASE = 0.05, 0.02, 0.6
EFFECTS = (0.02, 0.03, 0.05, 0.1)
paired_rows.INSTANCE_METRICS = ("dice",)  # the others are shown only, and no verdict rests on them


@dataclass(frozen=True)
class Dice:
    """Stands for the score of one task on one tile: its Dice alone."""

    value: float

    def sums(self) -> dict[str, float]:
        return tile_means({"dice": self.value})


@dataclass(frozen=True)
class Score:
    """Stands for the scores of one model on one tile."""

    patient: str
    tasks: Mapping[str, Dice]
    stratum: str = "all"
    tissue: tuple[float, ...] = ()


def pairs(rng: np.random.Generator, patients: int, tasks: int, shape: str, effect: float) -> Iterator[PairedScores]:
    """Scores of one comparison: Dice of every tile, with and without the candidate's difference."""
    shifts = effect + SPREAD * _shaped(rng, shape, (patients, tasks))
    for patient, shift in enumerate(shifts):
        for _ in range(rng.integers(1, 5)):
            base = rng.normal(BASE, 0.05, tasks)
            new = base + shift + rng.normal(0, TILE_SPREAD, tasks)
            yield PairedScores(base=_score(patient, base), candidate=_score(patient, new))


def _shaped(rng: np.random.Generator, shape: str, size: tuple[int, int]) -> np.ndarray:
    if shape == "Gaussian":
        return rng.standard_normal(size)
    return (rng.standard_exponential(size) - 1) * (1 if shape == "skewed up" else -1)


def _score(patient: int, dice: np.ndarray) -> Score:
    return Score(str(patient), {key: Dice(float(value)) for key, value in zip(TASKS, dice, strict=False)})


def _judged(
    rng: np.random.Generator, patients: int, tasks: int, shape: str, effect: float
) -> tuple[ValidationResult, ...]:
    return compare(list(pairs(rng, patients, tasks, shape, effect)), same_classes=True).validated


def errors(patients: int, tasks: int, shape: str, runs: int) -> tuple[float, float]:
    """Shares of "better" and "worse" where nothing differs."""
    rng = np.random.default_rng((patients, tasks, SHAPES.index(shape)))
    said = [verdict_of(_judged(rng, patients, tasks, shape, 0.0))[0] for _ in range(runs)]
    return said.count("better") / runs, said.count("worse") / runs


def told(effect: float, tasks: int, shape: str, runs: int) -> tuple[int, float]:
    """Patients that are asked for, and the share of tasks that are then told better."""
    rng = np.random.default_rng((int(1000 * effect), tasks, SHAPES.index(shape)))
    spread, evenness = _true_spread(rng)
    patients = needed_patients(effect, spread, tasks, evenness)
    better = [one.outcome == "better" for _ in range(runs) for one in _judged(rng, patients, tasks, shape, effect)]
    return patients, sum(better) / len(better)


def _true_spread(rng: np.random.Generator) -> tuple[float, float]:
    """Between patients of the mean over tiles, with 1 to 4 tiles each; and effective patients for each patient."""
    tiles = rng.integers(1, 5, 100_000)
    between = np.mean(tiles**2 * (SPREAD**2 + TILE_SPREAD**2 / tiles)) / tiles.mean() ** 2
    return float(between**0.5), float(tiles.mean() ** 2 / np.mean(tiles**2))


def print_errors(tasks: Sequence[int], runs: int) -> None:
    """Shares of wrong verdicts, a row for each number of patients and tasks."""
    print(f"Nothing differs, {runs:,} comparisons a cell: % better / % worse")
    print("patients tasks " + "".join(f"{shape:>16}" for shape in SHAPES))
    for patients in PATIENTS:
        for number in tasks:
            cells = [errors(patients, number, shape, runs) for shape in SHAPES]
            words = "".join(f"{100 * up:9.1f} / {100 * down:4.1f}" for up, down in cells)
            print(f"{patients:8d} {number:5d} {words}", flush=True)


def print_power(tasks: Sequence[int], runs: int) -> None:
    """Shares of tasks told better, a row for each difference and number of tasks."""
    print(f"\nBetter by so much, with the patients asked for, {runs:,} comparisons a cell: % of tasks told better")
    print("better by tasks patients " + "".join(f"{shape:>12}" for shape in SHAPES))
    for effect in EFFECTS:
        for number in tasks:
            cells = [told(effect, number, shape, runs) for shape in SHAPES]
            words = "".join(f"{100 * share:12.1f}" for _, share in cells)
            print(f"{effect:9.2f} {number:5d} {cells[0][0]:8d} {words}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 and 4 tasks, 400 runs a cell")
    parser.add_argument("--tasks", type=int, nargs="+", choices=range(1, len(TASKS) + 1), help="judged together")
    parser.add_argument("--runs", type=int, help="comparisons a cell")
    parser.add_argument("--only", choices=("errors", "power"), help="one of the two tables")
    chosen = parser.parse_args()
    runs = chosen.runs or (400 if chosen.quick else 1000)
    tasks = chosen.tasks or ((1, 4) if chosen.quick else (1, 2, 3, 4))
    if chosen.only != "power":
        print_errors(tasks, runs)
    if chosen.only != "errors":
        print_power(tasks, runs // 4)


if __name__ == "__main__":
    main()
