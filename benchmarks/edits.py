"""How long each correction takes on a large image, beside the same tool on the whole array.

Run: ``python benchmarks/edits.py [--size 2000] [--objects 5000] [--repeats 20] [--cpu-time]``. Prints a Markdown
table: median and slowest time of each tool, and how many times longer the naive variant takes, which works on the
mask of the whole image instead of the object's bounding box. Writing through napari comes on top.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import disk, polygon
from skimage.morphology import disk as footprint
from skimage.segmentation import watershed

from napari_cerberus.annotation import edits, object_table
from napari_cerberus.annotation.tracking import TrackedLabels
from napari_cerberus.errors import EditError

Labels = NDArray[np.int32]
LIMIT_MS = 50.0
EIGHT = np.ones((3, 3))


def tissue(size: int, objects: int, seed: int = 0) -> Labels:
    """Round objects of 5 to 11 px radius on a jittered grid, some touching, some notched."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), dtype=np.int32)
    side = int(np.ceil(np.sqrt(objects)))
    step = size / side
    for i in range(objects):
        centre = (np.array(divmod(i, side)) + 0.5) * step + rng.uniform(-3, 3, 2)
        labels[disk(centre, rng.uniform(0.2, 0.45) * step, shape=labels.shape)] = i + 1
    labels[rng.random(labels.shape) < 0.002] = 0
    return labels


class Case:
    """One image with an object to work on and what the tools need besides."""

    def __init__(self, labels: Labels, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.labels = labels
        self.id = int(rng.choice(np.unique(labels)[1:]))
        rows, cols = np.nonzero(labels == self.id)
        self.centre = (float(rows.mean()), float(cols.mean()))
        y, x = self.centre
        self.line = [(y - 20, x), (y + 20, x + 2)]
        self.neighbour = self._neighbour(rows, cols)
        free = np.argwhere(labels == 0)
        self.gap = free[rng.integers(len(free))]
        self.outline = [(y - 30, x - 30), (y - 25, x + 30), (y + 30, x + 25), (y + 20, x - 30)]
        self.glands = np.zeros_like(labels)
        self.glands[rows.min() : rows.max() + 1, cols.min() : int(x)] = 1
        noise = ndimage.gaussian_filter(rng.random((2, labels.shape[0] // 2, labels.shape[1] // 2)), (0, 3, 3))
        self.probability = edits.ProbabilityMap(
            probabilities=(noise / noise.max() / 2).astype(np.float16),
            top_px=0,
            left_px=0,
            bottom_px=labels.shape[0],
            right_px=labels.shape[1],
        )

    def _neighbour(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> int:
        window = self.labels[max(rows.min() - 30, 0) : rows.max() + 30, max(cols.min() - 30, 0) : cols.max() + 30]
        ids = np.unique(window)
        return int(ids[(ids > 0) & (ids != self.id)][0])


def tools(case: Case) -> Iterator[tuple[str, Callable[[], object], Callable[[], object] | None]]:
    """Name, our tool, and the naive variant where it makes sense."""
    labels, i = case.labels, case.id
    mask = lambda: labels == i  # noqa: E731
    click = edits.ClickSettings(max_area_px=1600)
    yield (
        "split by line",
        lambda: edits.split_by_line(labels, case.line, object_id=i),
        lambda: _naive_cut(case),
    )
    yield (
        "split automatically",
        lambda: edits.split_automatically(labels, i, parts=2),
        lambda: _naive_watershed(mask()),
    )
    yield (
        "merge two",
        lambda: edits.merge_objects(labels, [i, case.neighbour]),
        lambda: (
            ndimage.binary_dilation(mask(), iterations=2)
            & ndimage.binary_dilation(labels == case.neighbour, iterations=2)
        ),
    )
    yield "fill holes", lambda: edits.fill_holes(labels, i), lambda: ndimage.binary_fill_holes(mask())
    yield (
        "smooth",
        lambda: edits.smooth(labels, i),
        lambda: ndimage.gaussian_filter(mask().astype("f4"), 2) > 0.5,
    )
    yield (
        "close",
        lambda: edits.close_object(labels, i),
        lambda: ndimage.binary_closing(mask(), structure=footprint(3)),
    )
    yield "grow 1 px", lambda: edits.grow(labels, i), lambda: ndimage.binary_dilation(mask())
    yield "shrink 1 px", lambda: edits.shrink(labels, i), lambda: ndimage.binary_erosion(mask())
    yield "delete", lambda: edits.delete_objects(labels, [i]), lambda: np.where(mask(), 0, labels)
    small = {"below_um2": 30.0, "pixel_size_um": 0.5}
    yield "delete small", lambda: edits.delete_small(labels, **small), lambda: _naive_small(labels, 120)
    yield "new by polygon", lambda: edits.draw_object(labels, case.outline), lambda: _naive_polygon(case)
    yield (
        "new by click",
        lambda: edits.object_from_click(labels, case.gap, case.probability, click),
        lambda: _naive_click(case),
    )
    yield "clip lumina", lambda: edits.clip_lumina(labels, case.glands, [i]), None
    yield "new id", lambda: edits.renumber(labels, i), None
    rows = object_table.new_rows("nuclei", object_table.measure(labels, 0.5), confidence=0.5)
    yield "change class", lambda: object_table.change_class(rows, [i], "lymphocyte"), None
    tracker = TrackedLabels("nuclei", labels, rows, 0.5)
    grown = edits.grow(labels, i)
    yield "(table after an edit)", lambda: tracker.apply(grown), None
    yield "(compare with last seen)", lambda: tracker.sync(labels), None


def _naive_cut(case: Case) -> object:
    mask = case.labels == case.id
    rows, cols = polygon(*np.array([*case.line, *[(y, x + 1) for y, x in reversed(case.line)]]).T, shape=mask.shape)
    mask[rows, cols] = False
    return ndimage.label(mask, structure=EIGHT)


def _naive_watershed(mask: NDArray[np.bool_]) -> object:
    distance = ndimage.distance_transform_edt(mask)
    peaks, _ = ndimage.label(mask & (distance == ndimage.maximum_filter(distance, 3)))
    return watershed(-distance, peaks, mask=mask)


def _naive_small(labels: Labels, below_px: int) -> object:
    return [i for i in np.unique(labels)[1:101] if np.count_nonzero(labels == i) < below_px]  # of 100 objects only


def _naive_polygon(case: Case) -> object:
    inside = np.zeros(case.labels.shape, dtype=bool)
    inside[polygon(*np.array(case.outline).T, shape=inside.shape)] = True
    return np.where(inside & (case.labels == 0), case.labels.max() + 1, case.labels)


def _naive_click(case: Case) -> object:
    foreground = case.probability.probabilities.astype("f4").sum(axis=0)
    large = ndimage.zoom(foreground, 2, order=1)
    region, _ = ndimage.label((large > 0.3) & (case.labels == 0))
    return region == region[tuple(case.gap)]


def milliseconds(work: Callable[[], object], clock: Callable[[], float]) -> float | None:
    """Time of one call, None where the tool refuses this object."""
    start = clock()
    try:
        work()
    except EditError:
        return None
    return 1000 * (clock() - start)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 where a tool's median is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--cpu-time", action="store_true", help="count processor time, for a busy computer")
    options = parser.parse_args(arguments)
    clock = time.process_time if options.cpu_time else time.perf_counter
    labels = tissue(options.size, options.objects)
    times: dict[str, list[float]] = {}
    naive: dict[str, list[float]] = {}
    for repeat in range(options.repeats):
        for name, work, whole in tools(Case(labels, repeat)):
            if (taken := milliseconds(work, clock)) is not None:
                times.setdefault(name, []).append(taken)
            if whole is not None and repeat < 3 and (taken := milliseconds(whole, clock)) is not None:
                naive.setdefault(name, []).append(taken)
    print(f"{options.size}×{options.size} px, {len(np.unique(labels)) - 1} objects, {options.repeats} repeats\n")
    print("| tool | median ms | slowest ms | whole array takes |\n|---|---|---|---|")
    for name, taken in times.items():
        ratio = f"{statistics.median(naive[name]) / statistics.median(taken):.0f} ×" if name in naive else ""
        print(f"| {name} | {statistics.median(taken):.1f} | {max(taken):.1f} | {ratio} |")
    slow = [name for name, taken in times.items() if statistics.median(taken) > LIMIT_MS]
    print(f"\nMedian above {LIMIT_MS:.0f} ms: {', '.join(slow) or 'none'}")
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())
