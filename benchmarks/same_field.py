"""Which tiles of different patients are taken for views of one field: the published tiles of EBHI-SEG.

    python benchmarks/same_field.py DATA_FOLDER [--tiles 500]

``DATA_FOLDER`` holds ``ebhi-seg``. Printed: seconds a tile, seconds for all comparisons, and each pair that was found
with its patients. Then overlapping views are cut from some tiles of each patient, to see how many are found; and 25
overlapping views of one field, as one would export them, to see as how many patients they count (it must be one).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from napari_cerberus.pairs.check.same_field import field_print, views_of_one_field
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.tile_pixels import read_rgb
from napari_cerberus.samples import HE_FIELD

VIEW_PX = 150
FIELD_VIEW_PX, FIELD_STEP_PX = 256, 30
CHANGES: Mapping[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "as they are": lambda view, number: view,
    "every second mirrored": lambda view, number: view[:, ::-1] if number % 2 else view,
    "turned by quarters": lambda view, number: np.rot90(view, number % 4),
    "cropped": lambda view, number: view[number : FIELD_VIEW_PX - 6 - number, 2 * number :],
}


def main() -> None:
    """Print what is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiles", type=int, default=0, help="so many, spread evenly; 0 for all")
    arguments = parser.parse_args()
    records, _ = index_tree(arguments.folder / "ebhi-seg")
    if arguments.tiles:
        records = [records[i] for i in np.linspace(0, len(records) - 1, arguments.tiles).astype(int)]
    began = time.perf_counter()
    prints = [field_print(read_rgb(record.image_path)) for record in records]
    seconds = time.perf_counter() - began
    print(f"{len(records)} tiles of {len({record.patient for record in records})} patients")
    print(f"{1000 * seconds / len(records):.0f} ms a tile to read and describe", flush=True)
    began = time.perf_counter()
    pairs = [(records[i], records[j]) for i, j in views_of_one_field(prints)]
    print(f"{time.perf_counter() - began:.1f} s to compare all")
    apart = [(first, second) for first, second in pairs if first.patient != second.patient]
    print(f"{len(pairs)} pairs that connect views of one field; of different patients: {len(apart)}")
    for first, second in apart:
        print(f"  {first.id} (patient {first.patient}) and {second.id} (patient {second.patient})")
    images = [read_rgb(record.image_path) for record in records[:: max(1, len(records) // 100)]]
    for shift in (20, 50, 74):
        print(f"views of {VIEW_PX} px, {shift} px apart both ways, the second mirrored: {_found(images, shift)}")
    field = read_rgb(HE_FIELD.image_path)
    for name, change in CHANGES.items():
        print(f"25 overlapping views of one field, {name}: {_patients(field, change)} patient(s)")


def _found(images: list[np.ndarray], shift: int) -> str:
    views = [np.ascontiguousarray(image[:VIEW_PX, :VIEW_PX]) for image in images]
    others = [np.ascontiguousarray(image[shift:, shift:][:VIEW_PX, :VIEW_PX][:, ::-1]) for image in images]
    both = [list(views_of_one_field([field_print(a), field_print(b)])) for a, b in zip(views, others, strict=True)]
    return f"{sum(map(bool, both))} of {len(both)} found"


def _patients(field: np.ndarray, change: Callable[[np.ndarray, int], np.ndarray]) -> int:
    """As how many patients 25 views count, each first said to be of a patient of its own."""
    corners = range(0, 5 * FIELD_STEP_PX, FIELD_STEP_PX)
    views = [field[y : y + FIELD_VIEW_PX, x : x + FIELD_VIEW_PX] for y in corners for x in corners]
    prints = [field_print(np.ascontiguousarray(change(view, number))) for number, view in enumerate(views)]
    groups = DisjointSet(range(len(views)))
    for first, second in views_of_one_field(prints):
        groups.merge(first, second)
    return groups.n_subsets


if __name__ == "__main__":
    main()
