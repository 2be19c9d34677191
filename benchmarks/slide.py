"""Whole slides: mm² a minute and peak memory against the slide's side, and against the job for tiles on cut tiles.

``python benchmarks/slide.py paint DEST.zarr --side 4096`` writes a painted pyramid (OME-Zarr 0.4, 0.25 µm/px) block by
block. ``measure --sides 4096 8192`` paints, annotates each side in a process of its own and prints one row a side, with
the memory of each stage; ``--small`` takes a network with next to no weights, whose objects are large and many.
``tiles --side 4096`` annotates the same slide as a slide and as overlapping tiles, one after the other, and compares
speed and objects. ``workers --side 4096`` annotates it by one and by two workers of dask. Nothing painted says how good
a model is.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.grid.model_grid import Window
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.progress import run_to_end
from napari_cerberus.samples import SYNTHETIC_COLON
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.slides.cohort import SlideTask, annotate_on_cluster
from napari_cerberus.slides.slide_files.slide import Slide

UM, BLOCK = 0.25, 1024
SETTINGS = AnnotateSettings(pixel_size_um=UM)
TILE_PX, OVERLAP_PX = 2048, 256


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


def the_model(*, small: bool) -> Model:
    """The starter model, or the tests' network with next to no weights."""
    if not small:
        return open_model("starter")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from tiny import tiny_model

    return tiny_model(sha256="0" * 64)


def one(path: Path, folder: Path, *, small: bool) -> None:
    """Annotate a slide and print a row as JSON."""
    slide, model = open_slide(path), the_model(small=small)
    before, peaks, started = _peak(), {}, time.perf_counter()
    seconds: dict[str, float] = {}
    job = annotate_slide(slide, model, SETTINGS, folder)
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            result = end.value
            break
        peaks[step.stage] = _peak()
        seconds[step.stage] = round(time.perf_counter() - started)
    row = {
        "side_px": slide.shape[0],
        "model": model.name,
        "tissue_mm2": round(result.tissue_mm2, 3),
        "objects": result.objects,
        "mm2_per_min": round(result.tissue_mm2 / result.seconds * 60, 3),
        "loaded_gb": before,
        "peak_gb_by_stage": peaks,
        "seconds_at_end_of_stage": seconds,
        "peak_gb": _peak(),
    }
    print(json.dumps(row))


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)


def measure(sides: list[int], *, small: bool) -> None:
    """One row a side."""
    for side in sides:
        with tempfile.TemporaryDirectory() as scratch:
            path, folder = Path(scratch) / "painted.zarr", Path(scratch) / "run"
            paint(path, side)
            command = [sys.executable, __file__, "one", str(path), str(folder), *(["--small"] if small else [])]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="", flush=True)


def tiles(side: int, *, small: bool) -> None:
    """Speed and objects of the slide's job against those of the job for tiles, in one process on the same slide."""
    with tempfile.TemporaryDirectory() as scratch:
        paint(Path(scratch) / "painted.zarr", side)
        slide, model = open_slide(Path(scratch) / "painted.zarr"), the_model(small=small)
        run_to_end(annotate(slide.read(Window(0, 0, 512, 512)), model, SETTINGS))  # both find the network prepared
        folder = Path(scratch) / "run"
        result = run_to_end(annotate_slide(slide, model, SETTINGS, folder))
        started, equal, total, counted = time.perf_counter(), 0, 0, 0.0
        for core, found in _cut_tiles(slide, model):
            counted -= time.perf_counter()
            for task, labels in found.items():
                array = zarr.open_array(folder / "labels.ome.zarr" / "labels" / task / "0", mode="r")
                same, objects = _compared(labels, np.asarray(array[core.slices]))
                equal, total = equal + same, total + objects
            counted += time.perf_counter()
        seconds = time.perf_counter() - started - counted
        row = {
            "side_px": side,
            "model": model.name,
            "slide_s": round(result.seconds, 1),
            "tiles_s": round(seconds, 1),
            "slide_speed_over_tiles": round(seconds / result.seconds, 2),
            "objects_in_tiles": total,
            "of_them_equal_to_the_pixel": equal,
        }
        print(json.dumps(row), flush=True)


def _cut_tiles(slide: Slide, model: Model) -> Iterator[tuple[Window, dict[str, np.ndarray]]]:
    """Each tile's core and its labels there; tiles without tissue are left out, as a user would."""
    height, width = slide.shape
    whole = Window(0, 0, height, width)
    for top in range(0, height, TILE_PX):
        for left in range(0, width, TILE_PX):
            core = Window(top, left, min(top + TILE_PX, height), min(left + TILE_PX, width))
            if slide.read(core).min() > 200:
                continue
            tile = core.grown(OVERLAP_PX, whole)
            found = run_to_end(annotate(slide.read(tile), model, SETTINGS))
            yield core, {task: labels[core.inside(tile).slices] for task, labels in found.labels.items()}


def _compared(mine: np.ndarray, theirs: np.ndarray) -> tuple[int, int]:
    """How many objects of a tile are, to the pixel, objects of the slide; and how many there are."""
    pairs, sizes = np.unique(np.stack([mine.ravel(), theirs.ravel()]), axis=1, return_counts=True)
    ids, areas = np.unique(mine, return_counts=True)
    other_areas = dict(zip(*np.unique(theirs, return_counts=True), strict=True))
    area_of = dict(zip(ids, areas, strict=True))
    same = sum(
        bool(a and b and area_of[a] == size == other_areas[b]) for (a, b), size in zip(pairs.T, sizes, strict=True)
    )
    return same, int((ids > 0).sum())


def workers(side: int, *, small: bool) -> None:
    """Time of one and of two workers of dask on this computer, each with an equal share of its cores."""
    from napari_cerberus.slides.local_cluster import local_client

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "painted.zarr"
        paint(path, side)
        for count in (1, 2):
            folder = Path(scratch) / f"run{count}"
            task = SlideTask(path=path, folder=folder, settings=SETTINGS, open_model=partial(the_model, small=small))
            with local_client(count) as client:
                started = time.perf_counter()
                result: Any = run_to_end(annotate_on_cluster(task, client))
                seconds = time.perf_counter() - started
            row = {"side_px": side, "workers": count, "cores": os.cpu_count(), "seconds": round(seconds, 1)}
            print(json.dumps({**row, "objects": result.objects}), flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    painter = commands.add_parser("paint")
    painter.add_argument("target", type=Path)
    single = commands.add_parser("one")
    single.add_argument("path", type=Path)
    single.add_argument("folder", type=Path)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--sides", type=int, nargs="+", default=[4096, 8192, 16384])
    for command in (painter, commands.add_parser("tiles"), commands.add_parser("workers")):
        command.add_argument("--side", type=int, default=4096)
    for name in ("one", "measure", "tiles", "workers"):
        commands.choices[name].add_argument("--small", action="store_true", help="a network with next to no weights")
    given = parser.parse_args()
    if given.command == "paint":
        paint(given.target, given.side)
    elif given.command == "one":
        one(given.path, given.folder, small=given.small)
    elif given.command == "measure":
        measure(given.sides, small=given.small)
    else:
        {"tiles": tiles, "workers": workers}[given.command](given.side, small=given.small)


if __name__ == "__main__":
    main()
