"""Which tiles of different patients are taken for views of one field: the published tiles of EBHI-SEG.

    python benchmarks/same_field.py DATA_FOLDER [--tiles 500]

``DATA_FOLDER`` holds ``ebhi-seg``. Printed: seconds a tile, seconds for all comparisons, and each pair that was found
with its patients. Then overlapping views are cut from some tiles of each patient, to see how many are found.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from napari_cerberus.pairs.check.same_field import field_print, views_of_one_field
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.tile_pixels import read_rgb

VIEW_PX = 150


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


def _found(images: list[np.ndarray], shift: int) -> str:
    views = [np.ascontiguousarray(image[:VIEW_PX, :VIEW_PX]) for image in images]
    others = [np.ascontiguousarray(image[shift:, shift:][:VIEW_PX, :VIEW_PX][:, ::-1]) for image in images]
    both = [list(views_of_one_field([field_print(a), field_print(b)])) for a, b in zip(views, others, strict=True)]
    return f"{sum(map(bool, both))} of {len(both)} found"


if __name__ == "__main__":
    main()
