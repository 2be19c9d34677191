"""Scores of tiles with figures that are known beforehand."""

from __future__ import annotations

import numpy as np

from napari_cerberus.finetune.comparison.paired_rows import PairedScores
from napari_cerberus.training.evaluation.metrics.object_metrics import ObjectSums
from napari_cerberus.training.evaluation.metrics.pixel_metrics import PixelSums
from napari_cerberus.training.evaluation.scoring import TaskScore, TileScore


def task_score(dice: float, pq: float = 0.5) -> TaskScore:
    """Dice to three digits; PQ through 20 drawn and 20 found objects that all match."""
    wrong = round(1000 * (1 - dice))
    pixels = PixelSums(round(500 * dice), wrong // 2, wrong - wrong // 2)
    return TaskScore(pixels=pixels, objects=ObjectSums(20, 0, 0, 20 * pq, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0))


def tile_score(tile: str, patient: str, tasks=None, *, stratum="Polyp", tissue=(), truth=-1) -> TileScore:
    return TileScore(
        id=tile, patient=patient, stratum=stratum, tasks=tasks or {}, tissue=tuple(tissue), tissue_truth=truth
    )


def pair(tile: str, patient: str, base, candidate, *, stratum="Polyp") -> PairedScores:
    """``base`` and ``candidate``: task → Dice."""
    return PairedScores(
        base=tile_score(tile, patient, {key: task_score(value) for key, value in base.items()}, stratum=stratum),
        candidate=tile_score(
            tile, patient, {key: task_score(value) for key, value in candidate.items()}, stratum=stratum
        ),
    )


def noisy(
    rng: np.random.Generator, patients: int, tasks=("glands",), *, effect=0.0, skewed=False
) -> list[PairedScores]:
    """One to four tiles a patient; the difference varies between patients (0.05) and tiles (0.02)."""
    pairs = []
    for patient in range(patients):
        shift = {key: rng.exponential(0.05) - 0.05 if skewed else rng.normal(0, 0.05) for key in tasks}
        for tile in range(rng.integers(1, 5)):
            base = {key: float(np.clip(rng.normal(0.75, 0.05), 0.3, 0.95)) for key in tasks}
            new = {key: float(np.clip(base[key] + shift[key] + effect + rng.normal(0, 0.02), 0, 1)) for key in tasks}
            pairs.append(pair(f"{patient}/{tile}", str(patient), base, new))
    return pairs
