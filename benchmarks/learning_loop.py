"""The learning loop, measured: what 5, 10 and 20 corrected tiles of another hospital bring, and what they cost.

Domains stand in ``learning_domains.py``. Of each, one half of the patients (or fields, where the set names none) gives
tiles to learn from, as the dock exports them, and the other half is scored; then the other way round, with a second
model, so that every field is scored by a model that has not seen it. The old domain is EBHI-SEG's test patients. Every
model is scored as users get it (``score_tile``): mean over fields of object Dice, Dice and F1, with intervals of the
gain over the same fields in both models. Where fewer than five patients are scored the intervals are over fields.

Training goes through the same plan and child process as the dock's; of the tiles given some patients validate and are
held out, as there. A run that keeps the old model counts with the old model's figures. What is done is kept in
``--out`` and not done again. The table goes between two marks in docs/results.md, the plot beside it, and its rows
into docs/learning_loop_rows.json.

    python benchmarks/learning_loop.py --out runs/loop --domain prostate --base OLD_MODEL
    python benchmarks/learning_loop.py --out /tmp/loop --smoke    # does it run at all? minutes; writes no document
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from learning_domains import DOMAINS, STAINS, Fold, export_pairs, fold_of, refuse_seen
from learning_tables import Row, Scored, cells, write_document
from napari_cerberus.errors import CerberusError
from napari_cerberus.files import write_text
from napari_cerberus.finetune.estimate import estimate
from napari_cerberus.finetune.finetune_plan import prepare
from napari_cerberus.finetune.finetune_settings import PURPOSES, FinetuneSettings
from napari_cerberus.finetune.run import process
from napari_cerberus.finetune.run_state import RunState, read_state
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.model.runtime import has_bfloat16
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS
from napari_cerberus.training.data.tile_sources import Tile
from napari_cerberus.training.evaluation.scoring import score_tile

LOOK_EVERY_S = 1.0
_USEFUL = ("queued", "running", "proving", "interrupted", "failed", "finished", "stopped")


@dataclass(frozen=True, kw_only=True)
class Order:
    """A model to be made."""

    tiles: int
    preset: str
    purpose: str


def main() -> int:
    """Measure what is not measured yet; write table and plot."""
    arguments = _arguments()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    os.environ["NAPARI_CERBERUS_RUNS"] = str(out / "runs")
    os.environ["NAPARI_CERBERUS_MODELS"] = str(out / "models")
    base = open_model(arguments.base)
    folds = [_fold(arguments, number) for number in range(arguments.folds)]
    for fold in folds:
        refuse_seen(base, arguments.domain, fold)
        print(
            f"learning from {len(fold.learning)} fields, scoring {len(fold.new)} new, {len(fold.old)} old", flush=True
        )
    rows = _known(out)
    wanted = [Order(tiles=0, preset="", purpose="")] + [
        Order(tiles=tiles, preset=preset, purpose=purpose)
        for tiles in arguments.tiles
        for preset in arguments.presets
        for purpose in arguments.purposes
    ]
    for order in wanted:
        if order not in {Order(tiles=row.tiles, preset=row.preset, purpose=row.purpose) for row in rows}:
            rows.append(_joined([_measure(arguments, fold, number, order) for number, fold in enumerate(folds)]))
            write_text(out / "rows.json", json.dumps([asdict(row) for row in rows], indent=1))
    for row in rows:
        print(cells(row, rows), flush=True)
    if arguments.document:
        write_document(rows, arguments.domain, base, _computer())
    return 0


def _fold(arguments: argparse.Namespace, number: int) -> Fold:
    names = ("score", "seed", "category", "stain", "side")
    return fold_of(arguments.domain, number, **{name: getattr(arguments, name) for name in names})


def _joined(rows: Sequence[Row]) -> Row:
    """The folds' rows as one."""
    new, old = ([one for row in rows for one in getattr(row, name)] for name in ("new", "old"))
    means = {name: float(np.mean([getattr(row, name) for row in rows])) for name in ("minutes", "all_minutes", "told")}
    said = tuple(one for row in rows for one in row.said)
    return replace(rows[0], new=new, old=old, said=said, given=tuple(n for row in rows for n in row.given), **means)


def _measure(arguments: argparse.Namespace, fold: Fold, number: int, order: Order) -> Row:
    about = asdict(order)
    if not order.tiles:
        return Row(**about, **_scores(open_model(arguments.base), fold, arguments.domain))
    folder = arguments.out / f"pairs-{order.tiles}-{number}"
    count = folder.with_suffix(".count")
    if not count.is_file():
        count.write_text(str(export_pairs(folder, arguments.domain, fold.learning, order.tiles)), encoding="utf-8")
    state = _trained(arguments, folder, f"{order.tiles}-{order.preset}-{order.purpose}-{number}", order)
    spent = json.loads((state.folder / "minutes.json").read_text(encoding="utf-8"))
    model = open_model(state.model_name or arguments.base)
    return Row(
        **about,
        minutes=spent["training"],
        all_minutes=spent["all"],
        told=float(json.loads((state.folder / "told.json").read_text(encoding="utf-8"))),
        steps=state.step,
        given=(int(count.read_text(encoding="utf-8")),),
        said=(state.message,),
        **_scores(model, fold, arguments.domain),
    )


def _trained(arguments: argparse.Namespace, folder: Path, name: str, order: Order) -> RunState:
    """The ended run of this size, preset, purpose and fold; one that was cut off goes on."""
    note = arguments.out / f"run-{name}.txt"
    if note.is_file() and read_state(run := Path(note.read_text(encoding="utf-8"))).status in _USEFUL:
        if read_state(run).status in ("interrupted", "failed"):
            process.resume(run)
    else:
        settings = FinetuneSettings(
            pairs_folder=folder,
            preset=order.preset,  # type: ignore[arg-type]
            purpose=order.purpose,  # type: ignore[arg-type]
            base_model=arguments.base,
            tasks=(DOMAINS[arguments.domain].task,),
            epochs=1 if arguments.smoke else arguments.epochs,
            learning_rate=arguments.learning_rate,
            name=name.replace("-", " "),
        )
        plan = run_to_end(prepare(settings))
        if plan.stops:
            raise CerberusError(" ".join(plan.stops))
        told = run_to_end(estimate(plan)).minutes
        run = process.begin(plan)
        write_text(run / "told.json", json.dumps(told))
        write_text(note, str(run))
    return _ended(run)


def _ended(run: Path) -> RunState:
    """Wait for the end, noting how long training and the whole of it took."""
    path = run / "minutes.json"
    spent = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"training": 0.0, "all": 0.0}
    looked = time.monotonic()
    while (state := read_state(run)).live:
        time.sleep(LOOK_EVERY_S)
        now = time.monotonic()
        spent["all"] += (now - looked) / 60
        spent["training"] += (now - looked) / 60 if state.status != "proving" else 0.0
        write_text(path, json.dumps(spent))
        looked = now
    if state.status not in ("finished", "stopped"):
        raise CerberusError(f"{run}: {state.message}")
    return state


def _scores(model: Model, fold: Fold, name: str) -> dict[str, Scored]:
    return {"new": _figures(model, fold.new, DOMAINS[name].task), "old": _figures(model, fold.old, GLANDS)}


def _figures(model: Model, tiles: Iterable[Tile], task: str) -> Scored:
    """Patient, tile and figures of each tile that holds an object of the task."""
    found = []
    for tile in tiles:
        one = run_to_end(score_tile(model, tile)).score.tasks[task]
        figures = {**one.pixels.metrics(), **one.objects.metrics()}
        known = {key: float(figures[key]) for key in ("object_dice", "dice", "f1", "pq")}
        counts = {"drawn": one.objects.matched + one.objects.missed, "found": one.objects.matched}
        if not np.isnan(known["dice"]):
            found.append((tile.patient, tile.id, {**known, **counts}))
    return found


def _known(out: Path) -> list[Row]:
    path = out / "rows.json"
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []


def _computer() -> str:
    without = "" if has_bfloat16(torch.device("cpu")) else "out"
    return f"{os.cpu_count()} CPU cores with{without} bfloat16"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the learning loop.")
    parser.add_argument("--out", type=Path, required=True, help="what is done is kept here")
    parser.add_argument("--domain", choices=tuple(DOMAINS), default="prostate")
    parser.add_argument("--base", default="starter", help="a model that has not learned from the domain")
    parser.add_argument("--tiles", type=int, nargs="*", default=[5, 10, 20])
    parser.add_argument("--presets", nargs="+", default=["quick"])
    parser.add_argument("--purposes", nargs="+", choices=PURPOSES, default=["laboratory"])
    parser.add_argument("--epochs", type=int, help="default: the preset's")
    parser.add_argument("--learning-rate", type=float, help="to tune by; default: the preset's")
    parser.add_argument("--score", type=int, default=60, help="tiles of each domain that are scored in a fold, at most")
    parser.add_argument("--folds", type=int, choices=(1, 2), default=2, help="1: half of the patients are scored")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--category", default="Adenocarcinoma", help="of recoloured tiles; default: %(default)s")
    parser.add_argument("--stain", choices=tuple(STAINS), default="faded", help="of recoloured tiles")
    parser.add_argument("--side", choices=("test", "validation"), default="test", help="validation: to tune by")
    parser.add_argument("--document", action="store_true", help="write table, plot and rows into docs/")
    parser.add_argument("--smoke", action="store_true", help="one size, one preset, one pass, few tiles, no document")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.tiles, arguments.presets, arguments.score, arguments.folds = [5], arguments.presets[:1], 3, 1
        arguments.document = False
    arguments.out = arguments.out.resolve()
    return arguments


if __name__ == "__main__":
    sys.exit(main())
