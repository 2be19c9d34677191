"""How wide is a pixel for its height? The autocorrelation of H&E tiles along both axes tells a squeezed set.

    python research/pixel_shape.py DATA/ebhi-seg DATA/tnbc-nuclei DATA/nucls-sample DATA/kather-texture-sample

Tissue has no preferred direction on average over many tiles, so the distance at which brightness stops being alike
must be the same along x and y. Where it is shorter along x by a factor, a pixel is wider than high by its inverse. The
interval is a bootstrap over tiles.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cerberus.errors import CerberusError
from napari_cerberus.inference.images.image_files import read_image
from napari_cerberus.inference.images.rgb import as_rgb8

LEVELS = (0.7, 0.5, 0.3)
"""Autocorrelations whose distances are compared."""
SUFFIXES = (".png", ".webp", ".tif", ".tiff", ".jpg")
_LABEL_FOLDERS = {"label", "labels", "masks"}
BOOTSTRAPS, SEED = 1000, 2026


def pictures(root: Path, limit: int) -> list[Path]:
    """At most ``limit`` images under ``root``, spread evenly; label folders are left out."""
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and _is_image(path, root))
    step = max(1, len(found) / limit)
    return [found[int(number * step)] for number in range(min(limit, len(found)))]


def _is_image(path: Path, root: Path) -> bool:
    return not _LABEL_FOLDERS & {part.lower() for part in path.relative_to(root).parts[:-1]}


def autocorrelation(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Autocorrelation of brightness along y and x, (2, n), n a quarter of the shorter side; lag 0 is 1."""
    grey = rgb.astype(np.float64).mean(axis=2)
    grey -= grey.mean()
    lags = min(grey.shape) // 4
    variance = max(float((grey**2).mean()), 1e-9)
    rows = [(grey[lag:] * grey[: grey.shape[0] - lag]).mean() for lag in range(lags)]
    columns = [(grey[:, lag:] * grey[:, : grey.shape[1] - lag]).mean() for lag in range(lags)]
    return np.array([rows, columns]) / variance


def crossing(curve: NDArray[np.float64], level: float) -> float:
    """Lag, in px, at which a falling curve first meets ``level``; NaN where it never does."""
    below = np.flatnonzero(curve < level)
    if not len(below) or below[0] == 0:
        return float("nan")
    after = below[0]
    return float(after - 1 + (curve[after - 1] - level) / (curve[after - 1] - curve[after]))


def ratios(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance along x over that along y at each of ``LEVELS``, of the mean of (tiles, 2, n) curves."""
    rows, columns = curves.mean(axis=0)
    return np.array([crossing(columns, level) / crossing(rows, level) for level in LEVELS])


def interval(curves: NDArray[np.float64]) -> tuple[float, float]:
    """95 % of the mean ratio over bootstrap samples of the tiles."""
    rng = np.random.default_rng(SEED)
    draws = [ratios(curves[rng.integers(0, len(curves), len(curves))]).mean() for _ in range(BOOTSTRAPS)]
    low, high = np.nanpercentile(draws, (2.5, 97.5))
    return float(low), float(high)


def table(roots: Sequence[Path], limit: int) -> Iterator[str]:
    """Markdown lines, one a data set."""
    levels = " | ".join(f"x/y at {level}" for level in LEVELS)
    yield f"| set | tiles | {levels} | mean | 95 % interval | pixel is as wide as high times |"
    yield "|" + "---|" * (len(LEVELS) + 5)
    for root in roots:
        tiles = [autocorrelation(as_rgb8(read_image(path).pixels)) for path in pictures(root, limit)]
        lags = min(curve.shape[1] for curve in tiles)
        curves = np.array([curve[:, :lags] for curve in tiles])
        low, high = interval(curves)
        values, mean = ratios(curves), float(ratios(curves).mean())
        shown = " | ".join(f"{value:.2f}" for value in values)
        yield f"| {root.name} | {len(tiles)} | {shown} | {mean:.2f} | {low:.2f} to {high:.2f} | {1 / mean:.2f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folders", nargs="+", type=Path, help="data sets: folders of H&E images")
    parser.add_argument("--limit", type=int, default=500, help="tiles looked at in each; default 500")
    arguments = parser.parse_args()
    try:
        sys.stdout.write("\n".join(table(arguments.folders, arguments.limit)) + "\n")
    except CerberusError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
