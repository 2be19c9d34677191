"""Does the proposal find the fields that a model gets wrong? Against random ones, on fields that the model never saw.

    python benchmarks/next_fields.py --domain prostate --base OLD_MODEL [--count 3]
    python benchmarks/next_fields.py --domain ebhi --count 10

All fields of a domain are looked at without their labels; those proposed are scored with the labels, and so is every
random choice of as many. A field that the model does badly at teaches more than one it does well at: this measures the
former, and what learning from them gains is not measured here.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from learning_domains import DOMAINS, fold_of, refuse_seen
from napari_cerberus.inference.doubts.next_fields import FieldImage, propose, see
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS
from napari_cerberus.training.data.tile_sources import Tile
from napari_cerberus.training.evaluation.scoring import score_tile

DRAWS = 2000
AT_HOME = "ebhi"
"""Colorectal glands of test patients."""


def main() -> int:
    """Print the mean figures of proposed and of random fields."""
    parser = argparse.ArgumentParser(description="Proposed against random fields.")
    others = [name for name, one in DOMAINS.items() if one.source]
    parser.add_argument("--domain", choices=[*others, AT_HOME], default="prostate")
    parser.add_argument("--base", default="starter")
    parser.add_argument("--count", type=int, default=3)
    arguments = parser.parse_args()
    model = open_model(arguments.base)
    fields = {tile.id: tile for tile in _fields(arguments.domain, model)}
    task = DOMAINS[arguments.domain].task if arguments.domain in DOMAINS else GLANDS
    seen, _problems = run_to_end(see([_image(tile) for tile in fields.values()], model, task=task))
    chosen = [one.name for one in propose(seen, arguments.count)]
    worth = {name: run_to_end(score_tile(model, tile)).score.tasks[task].objects for name, tile in fields.items()}
    for figure in ("object_dice", "f1"):
        values = {name: one.metrics()[figure] for name, one in worth.items()}
        rng = np.random.default_rng(0)
        draws = [np.mean(rng.choice(list(values.values()), arguments.count, replace=False)) for _ in range(DRAWS)]
        mine = float(np.mean([values[name] for name in chosen]))
        print(
            f"{arguments.domain}, {len(fields)} fields, {arguments.count} chosen: {figure} of the base model "
            f"{mine:.3f} on the proposed, {np.mean(draws):.3f} on random ones; "
            f"{np.mean(np.array(draws) <= mine):.0%} of random choices are as bad or worse"
        )
    return 0


def _fields(domain: str, model: Model) -> list[Tile]:
    where = "prostate" if domain == AT_HOME else domain
    fold = fold_of(where, 0, score=60 if domain == AT_HOME else 100, seed=0, category="", stain="none", side="test")
    if domain == AT_HOME:
        return list(fold.old)
    refuse_seen(model, domain, fold)
    return [*fold.learning, *fold.new]


def _image(tile: Tile) -> FieldImage:
    def load():
        loaded = tile.load()
        return loaded.image, loaded.pixel_size

    return FieldImage(name=tile.id, load=load)


if __name__ == "__main__":
    sys.exit(main())
