"""Does one click put back what was deleted? Objects of validation tiles are deleted and added again by a click each.

    python benchmarks/one_click.py --model starter --config configs/starter.toml \
        --split configs/starter_next.split.json [--nuclei 80] [--glands 40]

Tiles are those of the validation side of the split (never of the test side) whose task has drawn labels. The model
annotates a tile as the dock does; objects are drawn at random over all tiles, deleted one at a time, and clicked on
the pixel that lies deepest in them. Printed is a Markdown table: the median IoU of the new
object with the one that was deleted, the share of clicks with an IoU of 0.5 or more, refused clicks (they count as 0),
and, where the deleted object had a true one under it (IoU of 0.5 or more), the median IoU of both with the truth.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cerberus.annotation import edits
from napari_cerberus.errors import CerberusError, EditError
from napari_cerberus.inference.annotate import Annotation, annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.pairs.split import read_split
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS, NUCLEI
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.data.tile_sources import LoadedTile, Tile, collect

SOURCES = {NUCLEI: "tnbc", GLANDS: "ebhi"}
LEAST_IOU = 0.5
LEAST_AREA_UM2 = {NUCLEI: 12.0, GLANDS: 500.0}
"""Smaller ones are crumbs that nobody would want back."""
TILES = {NUCLEI: 8, GLANDS: 40}
MARGIN_PX = 1

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Click:
    """One object that was put back: IoU with the deleted one, and of both with the truth (NaN without one)."""

    task: str
    iou: float
    refused: bool
    truth_before: float
    truth_after: float


def iou(first: Mask, second: Mask) -> float:
    """Intersection over union; 0 of two empty masks."""
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 0.0


def deepest(mask: Mask) -> tuple[int, int]:
    """The pixel of an object that lies farthest from its edge."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), mask.shape)
    return int(row), int(column)


def put_back(task: str, annotation: Annotation, truth: LoadedTile, index: int) -> Click:
    """Delete one object, click in its place, and compare."""
    labels = annotation.labels[task]
    deleted = labels == index
    before = edits.delete_objects(labels, [index]).applied(labels)
    height, width = labels.shape
    seen = edits.ProbabilityMap(
        probabilities=annotation.probabilities[task], top_px=0, left_px=0, bottom_px=height, right_px=width
    )
    settings = edits.ClickSettings.for_task(task, annotation.pixel_size_um)
    again, refused = np.zeros_like(deleted), False
    try:
        change = edits.object_from_click(before, deepest(deleted), seen, settings)
        again[change.indices] = True
    except EditError:
        refused = True
    true = _truth_under(deleted, truth.labels[task])
    beside = [float("nan")] * 2 if true is None else [iou(deleted, true), iou(again, true)]
    return Click(task=task, iou=iou(deleted, again), refused=refused, truth_before=beside[0], truth_after=beside[1])


def _truth_under(mask: Mask, truth: Labels) -> Mask | None:
    ids, counts = np.unique(truth[mask & (truth > 0)], return_counts=True)
    if not ids.size:
        return None
    best: Mask = truth == ids[counts.argmax()]
    return best if iou(mask, best) >= LEAST_IOU else None


def candidates(task: str, annotation: Annotation) -> list[int]:
    """Objects that are whole and no crumbs."""
    rows = annotation.objects[annotation.objects["task"] == task]
    height, width = annotation.labels[task].shape
    whole = (rows["y0_px"] >= MARGIN_PX) & (rows["x0_px"] >= MARGIN_PX)
    whole &= (rows["y1_px"] <= height - MARGIN_PX) & (rows["x1_px"] <= width - MARGIN_PX)
    return rows.loc[whole & (rows["area_um2"] >= LEAST_AREA_UM2[task]), "index"].tolist()


def clicks(task: str, model: Model, tiles: Sequence[Tile], count: int, seed: int) -> list[Click]:
    """``count`` objects of one task, drawn at random over the tiles."""
    rng = np.random.default_rng(seed)
    chosen = [tiles[i] for i in np.linspace(0, len(tiles) - 1, min(TILES[task], len(tiles))).round().astype(int)]
    found, pool = {}, []
    for number, tile in enumerate(chosen):
        print(f"\r{task}: {number + 1} of {len(chosen)} tiles", end="", file=sys.stderr)
        loaded = tile.load()
        found[number] = (
            run_to_end(annotate(loaded.image, model, AnnotateSettings(pixel_size_um=loaded.pixel_size))),
            loaded,
        )
        pool += [(number, index) for index in candidates(task, found[number][0])]
    print(file=sys.stderr)
    drawn = rng.permutation(len(pool))[:count]
    return [put_back(task, *found[pool[i][0]], pool[i][1]) for i in drawn]


def validation_tiles(config_path: Path, split_path: Path) -> list[Tile]:
    """Tiles of a config's sources whose patients are on the validation side of a split; it may name more sources."""
    config, wanted = read_config(config_path), set(read_split(split_path).validation)
    return [
        tile for tile in collect(config.sources, config.tasks, config.root(config_path.parent)) if tile.id in wanted
    ]


def table(found: Sequence[Click]) -> str:
    """A Markdown table, a row a task."""
    lines = [
        "| task | clicks | median IoU with the deleted one | IoU ≥ 0.5 | refused | IoU with truth: before, after |",
        "|---|---|---|---|---|---|",
    ]
    for task in dict.fromkeys(click.task for click in found):
        of_task = [click for click in found if click.task == task]
        overlap = np.array([click.iou for click in of_task])
        truth = np.array([(click.truth_before, click.truth_after) for click in of_task])
        truth = truth[~np.isnan(truth[:, 0])]
        beside = "none" if not len(truth) else "{:.2f}, {:.2f} (n = {})".format(*np.median(truth, axis=0), len(truth))
        refused = sum(click.refused for click in of_task)
        lines.append(
            f"| {task} | {len(of_task)} | {np.median(overlap):.2f} | {np.mean(overlap >= LEAST_IOU):.0%} "
            f"| {refused} | {beside} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Annotate, delete, click, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="starter", help="name or folder of a model")
    parser.add_argument("--config", type=Path, default=Path("configs/starter.toml"), help="names the data sources")
    parser.add_argument("--split", type=Path, default=Path("configs/starter_next.split.json"))
    parser.add_argument("--nuclei", type=int, default=80)
    parser.add_argument("--glands", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        model = open_model(options.model)
        tiles = validation_tiles(options.config, options.split)
        found = []
        for task, count in ((NUCLEI, options.nuclei), (GLANDS, options.glands)):
            of_source = [tile for tile in tiles if tile.id.startswith(f"{SOURCES[task]}/")]
            found += clicks(task, model, of_source, count, options.seed)
        print(f"Model {model.name} ({model.sha256[:12]}), validation side of {options.split.name}\n\n{table(found)}")
    except CerberusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
