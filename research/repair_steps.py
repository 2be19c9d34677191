"""What does each repair step of the post-processing do to the figures? Every tile is read once and cut in many ways.

    python research/repair_steps.py --config configs/starter.toml --side test [--limit N] [--results FILE]

Scored are: all steps on, as annotate does it; each step off while the others are on; all steps off. The table goes to
the standard output and, with ``--results``, between two markers of that file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from napari_cerberus.errors import CerberusError
from napari_cerberus.inference.annotate_settings import NO_REPAIR, AnnotateSettings, RepairSettings
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.entries import STARTER
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.data.tile_sources import Tile
from napari_cerberus.training.evaluation.read_tile import cut_objects, see_tile
from napari_cerberus.training.evaluation.scoring import TileScore, compare_labels
from napari_cerberus.training.evaluation.selection import select_config
from napari_cerberus.training.evaluation.summary import summarise_tasks
from thesis_writing import put_between

ALL_ON = "all steps on"
METRICS = ("dice", "precision", "recall", "f1", "pq", "object_dice")
MARKERS = ("<!-- repair steps: begin (research/repair_steps.py) -->", "<!-- repair steps: end -->")


def ways() -> dict[str, RepairSettings]:
    """Ways of repairing, by name."""
    single = {f"without {one.name}": replace(RepairSettings(), **{one.name: False}) for one in fields(RepairSettings)}
    return {ALL_ON: RepairSettings(), **single, "all steps off": NO_REPAIR}


def score(model: Model, tiles: Sequence[Tile]) -> dict[str, list[TileScore]]:
    """Scores of every tile in every way."""
    scores: dict[str, list[TileScore]] = {name: [] for name in ways()}
    for number, tile in enumerate(tiles, start=1):
        print(f"{number}/{len(tiles)} {tile.id}", file=sys.stderr)
        seen = run_to_end(see_tile(model, tile))
        truth = seen.loaded.labels
        for name, repair in ways().items():
            settings = AnnotateSettings(pixel_size_um=seen.loaded.pixel_size, repair=repair)
            # all tasks, because lumina are clipped to glands
            labels = run_to_end(cut_objects(seen, model, settings, set(seen.prediction.probabilities)))
            compared = {key: compare_labels(truth[key], labels[key]) for key in truth if key in labels}
            scores[name].append(TileScore(id=tile.id, patient=tile.patient, stratum=tile.stratum, tasks=compared))
    return scores


def table(scores: Mapping[str, Sequence[TileScore]]) -> Iterator[str]:
    """Markdown lines: the figures with all steps on, and what each way adds to them or takes from them."""
    found = {
        name: {task.task: task.groups[0].metrics for task in summarise_tasks(some)} for name, some in scores.items()
    }
    yield f"| task | way | {' | '.join(METRICS)} |"
    yield f"|{'---|' * (2 + len(METRICS))}"
    for task, base in found[ALL_ON].items():
        for name, by_task in found.items():
            cells = [_cell(by_task[task][key].value, None if name == ALL_ON else base[key].value) for key in METRICS]
            yield f"| {task} | {name} | {' | '.join(cells)} |"


def _cell(value: float | None, base: float | None) -> str:
    if value is None:
        return "not counted"
    return f"{value:.3f}" if base is None else f"{value - base:+.4f}"


def main() -> int:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=STARTER)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--split", type=Path)
    parser.add_argument("--side", default="test", choices=("test", "validation", "train", "all"))
    parser.add_argument("--limit", type=int, help="only N tiles, spread evenly")
    parser.add_argument("--results", type=Path, help="file with the markers")
    arguments = parser.parse_args()
    try:
        model = open_model(arguments.model)
        chosen = select_config(arguments.config, split_path=arguments.split, side=arguments.side)
        chosen = chosen.limited(arguments.limit)
        text = "\n".join(table(score(model, chosen.tiles))) + "\n"
        about = (
            f"{model.name} on {len(chosen.tiles)} tiles of the {chosen.side} side; the first line of each task has the "
            "figures, the others what changes. Pixel figures are means over tiles, object figures pooled.\n\n"
        )
        if arguments.results:
            put_between(arguments.results, MARKERS, about + text)
    except CerberusError as error:
        print(f"repair_steps: {error}", file=sys.stderr)
        return 1
    print(about + text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
