"""Does the review queue show the wrong objects first? Annotates tiles with known truth and walks through their queues.

    python benchmarks/review_order.py --model starter --config configs/starter.toml --split configs/starter.split.json

On every tile of the test side (and of no other) the model annotates, findings are attached and the queue is made, as
in the dock. An object counts as wrong

- nuclei: if no true nucleus overlaps it with an IoU of 0.5 or more;
- glands: if less than 80 % of it is a gland in truth, because touching glands are one region there.

Objects that the model missed are in no queue and do not count here. Printed is a Markdown table for each split file:
the share of all wrong objects that a reader has met after the first 10, 20 and 50 % of every tile's queue, for the
order by confidence alone, for the queue (confidence and findings) and for a random order (its expectation), with 95 %
intervals from resampling tiles. With ``--flips`` confidence includes agreement under flips, at four times the time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cerberus.annotation.label_maps import overlaps
from napari_cerberus.annotation.review import findings, queue
from napari_cerberus.errors import CerberusError
from napari_cerberus.inference.annotate import Annotation, annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS, NUCLEI
from napari_cerberus.training.data.tile_sources import LoadedTile, Tile
from napari_cerberus.training.evaluation.selection import Selection, select_config

SHARES = (0.1, 0.2, 0.5)
TASKS, SIDE = (NUCLEI, GLANDS), "test"
LEAST_IOU, LEAST_INSIDE = 0.5, 0.8
RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Walk:
    """One task of one tile: which objects are wrong, and how urgent each order calls them."""

    task: str
    wrong: NDArray[np.bool_]
    priorities: Mapping[str, NDArray[np.float64]]


def is_wrong(task: str, labels: NDArray[np.int32], truth: NDArray[np.int32], ids: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each object of a prediction is wrong; see the head of this file."""
    shared = overlaps(labels, truth)
    quality = np.zeros(shared.ids_a.size)
    if task == NUCLEI:
        np.maximum.at(quality, shared.pairs[:, 0], shared.iou)
    else:
        np.add.at(quality, shared.pairs[:, 0], shared.share_of_a)
    least = LEAST_IOU if task == NUCLEI else LEAST_INSIDE
    return quality[np.searchsorted(shared.ids_a, ids)] < least


def hits_among_first(priority: NDArray[np.float64], wrong: NDArray[np.bool_], looked_at: float) -> float:
    """Number of wrong objects among the first ``looked_at`` (0..1) of a queue; equal priorities in random order."""
    places = looked_at * priority.size
    ahead = (priority[None, :] > priority[:, None]).sum(axis=1)
    equal = (priority[None, :] == priority[:, None]).sum(axis=1)
    return float((np.clip((places - ahead) / equal, 0, 1) * wrong).sum())


def limited(selection: Selection, limit: int | None) -> Selection:
    """At most so many tiles of each data source, spread evenly."""
    if limit is None:
        return selection
    sources: dict[str, list[Tile]] = {}
    for tile in selection.tiles:
        sources.setdefault(tile.id.partition("/")[0], []).append(tile)
    few = [replace(selection, tiles=tuple(tiles)).limited(limit).tiles for tiles in sources.values()]
    return replace(selection, tiles=tuple(tile for tiles in few for tile in tiles))


def walks(model: Model, selection: Selection, *, flips: bool) -> Iterator[list[Walk]]:
    """Annotate tile by tile."""
    for number, tile in enumerate(selection.tiles, start=1):
        print(f"\r{number} of {len(selection.tiles)} tiles", end="", file=sys.stderr)
        loaded = tile.load()
        settings = AnnotateSettings(pixel_size_um=loaded.pixel_size, flips=flips)
        yield tile_walks(run_to_end(annotate(loaded.image, model, settings)), loaded)
    print(file=sys.stderr)


def tile_walks(annotation: Annotation, truth: LoadedTile) -> list[Walk]:
    """The queues of one annotated tile, a task each, for the tasks whose truth is known."""
    objects = annotation.objects
    queued = queue.queue(queue.attach(objects, findings.find(annotation)))
    result = []
    for task in sorted(truth.labels.keys() & annotation.labels.keys() & set(TASKS)):
        rows = queued[queued["task"] == task]
        wrong = is_wrong(task, annotation.labels[task], truth.labels[task], rows["index"].tolist())
        priorities = {
            "confidence alone": 1 - rows["confidence"].to_numpy(),
            "queue (confidence and findings)": rows["priority"].to_numpy(),
        }
        result.append(Walk(task=task, wrong=wrong, priorities=priorities))
    return result


def table(found: Sequence[Walk], seed: int = 0) -> pd.DataFrame:
    """One row a task and order."""
    rows = []
    for task in sorted({walk.task for walk in found}):
        of_task = [walk for walk in found if walk.task == task]
        wrong = np.array([np.count_nonzero(walk.wrong) for walk in of_task])
        objects = sum(walk.wrong.size for walk in of_task)
        counts = f"{wrong.sum()} of {objects} objects wrong, {len(of_task)} tiles"
        for order in of_task[0].priorities:
            hits = [np.array([_hits(walk, order, share) for walk in of_task]) for share in SHARES]
            rows.append([task, order, *(_with_interval(hit, wrong, seed) for hit in hits), counts])
        rows.append([task, "random", *(f"{share:.0%}" for share in SHARES), counts])
    return pd.DataFrame(rows, columns=["task", "order", *(f"first {share:.0%}" for share in SHARES), "material"])


def _hits(walk: Walk, order: str, looked_at: float) -> float:
    return hits_among_first(walk.priorities[order], walk.wrong, looked_at)


def _with_interval(hits: NDArray[np.float64], wrong: NDArray[np.int64], seed: int) -> str:
    if not wrong.sum():
        return "no wrong object"
    drawn = np.random.default_rng(seed).integers(0, wrong.size, (RESAMPLES, wrong.size))
    totals = wrong[drawn].sum(axis=1)
    shares = hits[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return f"{hits.sum() / wrong.sum():.0%} ({low:.0%} to {high:.0%})"


def markdown(rows: pd.DataFrame) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(rows.columns) + " |", "|" + "---|" * len(rows.columns)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows.itertuples(index=False)])


def main(arguments: list[str] | None = None) -> int:
    """Annotate, walk, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="starter", help="name or folder of a model")
    parser.add_argument("--config", type=Path, default=Path("configs/starter.toml"), help="names the data sources")
    parser.add_argument(
        "--split", type=Path, nargs="+", default=[None], help="split files; by default the config's own"
    )
    parser.add_argument("--limit", type=int, default=None, help="at most so many tiles of a source, spread evenly")
    parser.add_argument("--flips", action="store_true", help="confidence includes agreement under flips")
    options = parser.parse_args(arguments)
    try:
        model = open_model(options.model)
        for split in options.split:
            selection = limited(select_config(options.config, split_path=split, side=SIDE), options.limit)
            found = [walk for tile in walks(model, selection, flips=options.flips) for walk in tile]
            name = "the config's split" if split is None else split.name
            confidence = "confidence with flips" if options.flips else "plain confidence"
            print(f"Model {model.name} ({model.sha256[:12]}), test side of {name}, {confidence}\n")
            print(markdown(table(found)) + "\n")
    except CerberusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
