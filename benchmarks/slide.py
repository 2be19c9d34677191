"""Whole slides: mm² a minute and peak memory against the slide's side, and the objects against those of a cut tile.

``python benchmarks/slide.py paint DEST.zarr --side 4096`` writes a painted pyramid (OME-Zarr 0.4, 0.25 µm/px) block by
block. ``python benchmarks/slide.py measure --sides 2048 4096`` paints, annotates each side in a process of its own and
prints one row a side. Nothing painted says how good a model is.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import zarr

from napari_cerberus.inference.annotate import AnnotateSettings, annotate
from napari_cerberus.inference.grid.model_grid import Window
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.progress import run_to_end
from napari_cerberus.samples import SYNTHETIC_COLON
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide

UM, BLOCK = 0.25, 1024


def paint(target: Path, side: int) -> None:
    """A slide of painted tissue with a margin of glass, written block by block."""
    from PIL import Image

    tile = np.asarray(Image.open(SYNTHETIC_COLON.image_path).convert("RGB"))
    tile = np.kron(tile, np.ones((2, 2, 1), np.uint8))  # painted at 0.5 µm/px
    root = zarr.open_group(target, mode="w", zarr_format=2)
    datasets = []
    for level in range(4):
        step = 2**level
        shape = (3, side // step, side // step)
        array = root.create_array(str(level), shape=shape, chunks=(3, BLOCK // 4, BLOCK // 4), dtype="uint8")
        for top in range(0, shape[1], BLOCK):
            for left in range(0, shape[2], BLOCK):
                array[:, top : top + BLOCK, left : left + BLOCK] = _block(tile, top, left, step, side).transpose(
                    2, 0, 1
                )
        scale = {"type": "scale", "scale": [1.0, UM * step, UM * step]}
        datasets.append({"path": str(level), "coordinateTransformations": [scale]})
    axes = [{"name": "c", "type": "channel"}] + [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    root.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]


def _block(tile: np.ndarray, top: int, left: int, step: int, side: int) -> np.ndarray:
    rows, columns = (np.arange(first, min(first + BLOCK, side // step)) * step for first in (top, left))
    pixels = tile[np.ix_(rows % tile.shape[0], columns % tile.shape[1])]
    glass = ((rows < side // 8) | (rows >= side - side // 8))[:, None] | (columns < side // 8)[None, :]
    return np.where(glass[..., None], np.uint8(244), pixels)


def one(path: Path, folder: Path) -> None:
    """Annotate a slide and print a row as JSON."""
    slide, model = open_slide(path), open_model("starter")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run_to_end(annotate_slide(slide, model, AnnotateSettings(pixel_size_um=UM), folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = {
        "side_px": slide.shape[0],
        "tissue_mm2": round(result.tissue_mm2, 3),
        "objects": result.objects,
        "mm2_per_min": round(result.tissue_mm2 / result.seconds * 60, 3),
        "before_gb": round(before / 2**20, 2),
        "peak_gb": round(peak / 2**20, 2),
    }
    print(json.dumps(row))


def tile_objects(path: Path) -> int:
    """Objects of the whole slide by the job for tiles, where it fits."""
    slide = open_slide(path)
    image = slide.read(Window(0, 0, *slide.shape))
    found = run_to_end(annotate(image, open_model("starter"), AnnotateSettings(pixel_size_um=UM)))
    return len(found.objects)


def measure(sides: list[int], *, compare: bool) -> None:
    """One row a side; with ``compare``, also the number of objects of the job for tiles."""
    for side in sides:
        with tempfile.TemporaryDirectory() as scratch:
            path, folder = Path(scratch) / "painted.zarr", Path(scratch) / "run"
            paint(path, side)
            command = [sys.executable, __file__, "one", str(path), str(folder)]
            row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            if compare:
                row["objects_as_tile"] = tile_objects(path)
            print(json.dumps(row), flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    painter = commands.add_parser("paint")
    painter.add_argument("target", type=Path)
    painter.add_argument("--side", type=int, default=4096)
    single = commands.add_parser("one")
    single.add_argument("path", type=Path)
    single.add_argument("folder", type=Path)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--sides", type=int, nargs="+", default=[4096, 8192, 16384])
    measuring.add_argument("--compare", action="store_true")
    given = parser.parse_args()
    if given.command == "paint":
        paint(given.target, given.side)
    elif given.command == "one":
        one(given.path, given.folder)
    else:
        measure(given.sides, compare=given.compare)


if __name__ == "__main__":
    main()
