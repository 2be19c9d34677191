"""Train and score every row of the thesis's two tables, and write them into docs/results.md; can be stopped.

    python research/thesis_tables.py --data ../shared/data            # go, or go on: finished rows are skipped
    python research/thesis_tables.py --data ../shared/data --list     # what is done and what is not
    python research/thesis_tables.py --data ../shared/data --only patient-layer1 patient-multi
    python research/thesis_tables.py --data ../shared/data --published --start starter --results published/results.md
    python research/thesis_tables.py --data ../shared/data --quick --runs /tmp/smoke --results /tmp/results.md

One run a row, each in its own folder under ``runs/tables``. A killed row goes on from its last checkpoint; a finished
one is kept in ``thesis_rows.json`` beside the results, which goes into git: another machine goes on from there. The
tables are written anew after every row, from that file alone. One schedule for every row, stated above the tables; a
file with another schedule is refused. Two processes, each with rows of its own (``--only``), use two cores better than
one process does; the one with rows by ``pretrain`` (all but ``scratch`` and the networks) makes it, the other must not.
Many rows at once, on a GPU machine: ``--workers 1`` for each.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_cerberus.errors import CerberusError
from napari_cerberus.model.checkpoint import Model, load_model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.progress import Progress, run_to_end
from napari_cerberus.training.config import DATA_ROOT_VARIABLE
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.engine.training_run import run_training
from napari_cerberus.training.evaluation.evaluate_model import evaluate
from napari_cerberus.training.evaluation.selection import select_config
from napari_cerberus.training.run_folder import CHECKPOINT_FILE, MODEL_FOLDER
from napari_cerberus.training.transfer.initial_weights import starting_network
from svm import evaluate_svm
from thesis_kept import KEPT_FILE, Reports, keep_row, kept_rows
from thesis_rows import (
    FLOOR,
    PRETRAIN,
    PUBLISHED,
    QUICK,
    Row,
    Schedule,
    all_rows,
    small_data,
    write_config,
    write_pretrain_config,
    write_splits,
)
from thesis_writing import MARKERS, put_between, tables

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run what is not finished."""
    arguments = _parsed()
    os.environ.pop(DATA_ROOT_VARIABLE, None)  # --data says where they are
    rows = [row for row in all_rows() if not arguments.only or row.name in arguments.only]
    kept = arguments.results.with_name(KEPT_FILE)
    try:
        done = kept_rows(kept, _schedule(arguments), arguments.start)
        for row in rows if arguments.list else ():
            print(f"{'done' if row.name in done else 'to do'}  {row.name}")
        if not arguments.list:
            _run(arguments, [row for row in rows if row.name not in done], kept)
    except CerberusError as error:
        print(f"thesis_tables: {error}", file=sys.stderr)
        return 1
    return 0


def _run(arguments: argparse.Namespace, rows: list[Row], kept: Path) -> None:
    schedule = _schedule(arguments)
    crops = f"{schedule.steps}x{schedule.batch}-{schedule.crop_px}px"
    folder: Path = arguments.runs / f"{schedule.pixel_size_um:g}um-{crops}-{schedule.precision}"
    folder = folder.with_name(f"published-{folder.name}") if schedule.as_published else folder
    folder.mkdir(parents=True, exist_ok=True)
    write_splits(folder, schedule, ROOT / "configs" / "starter.split.json", arguments.data)
    data = small_data(folder, arguments.data, schedule.tiles_per_category) if arguments.quick else arguments.data
    _write(arguments, kept_rows(kept, schedule, arguments.start))
    for row in rows:
        start = _start(folder, schedule, arguments, data) if row.transfers else "scratch"
        print(f"== {row.name}", flush=True)
        report = _run_row(folder, row, write_config(folder, row, schedule, start, data, arguments.workers))
        _write(arguments, keep_row(kept, schedule, arguments.start, row.name, report))
    print(arguments.results)


def _write(arguments: argparse.Namespace, rows: Reports) -> None:
    put_between(arguments.results, MARKERS, tables(rows, _schedule(arguments).sentence(arguments.start)))


def _start(folder: Path, schedule: Schedule, arguments: argparse.Namespace, data: Path) -> str:
    """What the transfer rows start from; the model of nuclei is trained first where that is it."""
    if arguments.start != PRETRAIN:
        return arguments.start
    target = folder / PRETRAIN
    if not (target / MODEL_FOLDER / "model.json").exists():
        print(f"== {PRETRAIN}", flush=True)
        _train(write_pretrain_config(folder, schedule, data, arguments.workers), target)
    return str((target / MODEL_FOLDER).absolute())


def _run_row(folder: Path, row: Row, config: Path) -> Mapping[str, Any]:
    target = folder / row.name
    _scored(target, row, config)
    return json.loads((target / "test" / "report.json").read_text(encoding="utf-8"))


def _scored(target: Path, row: Row, config: Path) -> None:
    if row.network == "svm":
        sides = {side: select_config(config, split_path=None, side=side) for side in ("train", "validation", "test")}
        known = {f"{side}_patients": sorted({tile.patient for tile in one.tiles}) for side, one in sides.items()}
        run_to_end(evaluate_svm(_frozen(config, known), sides, target / "test"), _say)
        return
    if row.network:
        from comparison_training import train_comparison, untrained

        floor = row.network == FLOOR
        model = untrained(FLOOR, config) if floor else run_to_end(train_comparison(row.network, config, target), _say)
    else:
        model = load_model(_train(config, target))
    chosen = select_config(config, split_path=None, side="test")
    run_to_end(evaluate(model, chosen, target / "test", resume=(target / "test").exists()), _say)


def _train(config: Path, target: Path) -> Path:
    return run_to_end(run_training(config, target, resume=(target / CHECKPOINT_FILE).exists()), _say)


def _frozen(config_path: Path, provenance: dict[str, list[str]]) -> Model:
    """The network that the transfer rows start from, as a model with the tables' tissue classes."""
    config = read_config(config_path)
    network, _notes = starting_network(config)
    base = open_model(config.start).sha256 if config.has_base else ""
    spec = ModelSpec(
        name="svm",
        tasks=config.tasks,
        pixel_size_um=config.pixel_size_um,
        tissue_window_cells=config.tissue_window_cells,
        provenance=provenance,
    )
    return Model(network=network.eval(), spec=spec, sha256=base)


def _say(step: Progress) -> None:
    if step.message or (step.total and step.done % max(1, step.total // 5) == 0):
        print(f"   {step.stage} {step.done}/{step.total} {step.message}".rstrip(), flush=True)


def _schedule(arguments: argparse.Namespace) -> Schedule:
    chosen = PUBLISHED if arguments.published else Schedule()
    if arguments.quick:
        chosen = dataclasses.replace(QUICK, as_published=chosen.as_published)
    given = {
        "pixel_size_um": arguments.pixel_size,
        "steps": arguments.steps,
        "batch": arguments.batch,
        "crop_px": arguments.crop,
        "precision": arguments.precision,
    }
    return dataclasses.replace(chosen, **{name: value for name, value in given.items() if value})


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="holds ebhi-seg, tnbc-nuclei and dsb2018-purple")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "tables")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results.md")
    parser.add_argument("--start", default=PRETRAIN, help="pretrain (default), imagenet, scratch, or an encoder's file")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows alone")
    parser.add_argument("--list", action="store_true", help="say which rows are done")
    parser.add_argument("--quick", action="store_true", help="smoke test on a handful of tiles")
    parser.add_argument(
        "--published", action="store_true", help="the thesis's own protocol; give --start starter and another --results"
    )
    parser.add_argument("--pixel-size", type=float, help="µm, of the network in every row")
    parser.add_argument("--steps", type=int, help="batches of every row")
    parser.add_argument("--batch", type=int, help="tiles a batch in every row")
    parser.add_argument("--crop", type=int, help="side of a crop in px in every row")
    parser.add_argument("--precision", choices=("bf16", "fp32"), help="of training; fp32 without bfloat16 in hardware")
    parser.add_argument("--workers", type=int, help="processes of a row that prepare batches; default: cores less one")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
