"""How often a 95 % interval by patient holds the truth: simulated patients through the functions that reports use.

    python benchmarks/interval_coverage.py [--quick]

Each patient has his own mean, and 1 to 4 tiles about it. Patients' means are bell-shaped (Gaussian), skewed with a few
far above the rest (exponential, skewness 2), or with a few far below (exponential, turned round). Printed: the share of
intervals that hold the truth, and their median width in standard errors of the mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_cerberus.training.evaluation.metrics.bootstrap import PatientBootstrap
from napari_cerberus.training.evaluation.metrics.tile_sums import mean_over_tiles, tile_means

PATIENTS = (5, 6, 8, 10, 15, 20, 30, 50)
SPREAD, TILE_SPREAD = 0.05, 0.02
SHAPES: dict[str, Callable[[np.random.Generator, int], NDArray[np.float64]]] = {
    "Gaussian": lambda rng, size: rng.standard_normal(size),
    "skewed up": lambda rng, size: rng.standard_exponential(size) - 1,
    "skewed down": lambda rng, size: 1 - rng.standard_exponential(size),
}


def coverage(shape: str, patients: int, runs: int, samples: int) -> tuple[float, float]:
    """Share of intervals that hold the truth, and their median width in standard errors."""
    rng = np.random.default_rng((patients, list(SHAPES).index(shape)))
    held, widths = 0, []
    for _ in range(runs):
        means = SPREAD * SHAPES[shape](rng, patients)
        names = np.repeat(np.arange(patients), rng.integers(1, 5, patients))
        values = means[names] + rng.normal(0, TILE_SPREAD, len(names))
        pool = PatientBootstrap(
            [tile_means({"figure": value}) for value in values], names.astype(str).tolist(), samples=samples
        )
        found = pool.estimate(lambda sums: mean_over_tiles("figure", sums))
        spread = pool.spread(lambda sums: mean_over_tiles("figure", sums))
        held += found.low <= 0 <= found.high
        widths.append((found.high - found.low) / spread.standard_error)
    return held / runs, float(np.median(widths))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 runs a cell instead of 5,000")
    runs, samples = (1000, 1000) if parser.parse_args().quick else (5000, 2000)
    print(f"{runs:,} runs a cell, {samples:,} samples; share of intervals that hold the truth (median width)")
    print("patients " + "".join(f"{shape:>18}" for shape in SHAPES))
    for patients in PATIENTS:
        cells = [coverage(shape, patients, runs, samples) for shape in SHAPES]
        print(f"{patients:8d} " + "".join(f"{share:10.3f} ({width:4.1f})" + " " for share, width in cells), flush=True)


if __name__ == "__main__":
    main()
