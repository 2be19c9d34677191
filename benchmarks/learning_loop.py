"""The learning loop, measured: what 5, 10, 20 and 40 corrected tiles of a new domain bring, and what they cost.

The new domain is one category of EBHI-SEG, of patients that the base model has not learned from (the test side of its
split; presets are tuned with ``--side validation`` and another category), recoloured to another stain (``STAINS``).
Half of its patients give tiles to learn from, as a user would export them, and the other half are scored; then the
other way round, with a second model, so that every patient is scored by a model that has not seen it. The old domain is
the other categories' patients of that side, stain untouched. Every model is scored as users get it (``score_tile``):
Dice of glands, mean over tiles; intervals by patient, those of gain and change over the same patients in both models.

Training goes through the same plan and child process as the dock's; of the tiles given some patients validate and are
held out, as there. What is done is kept in ``--out`` and not done again. The table goes between two marks in
docs/results.md, the plot beside it, and its rows into docs/learning_loop_rows.json, from which another machine goes on.

    python benchmarks/learning_loop.py --out runs/loop            # two presets, four sizes: hours on 2 cores
    python benchmarks/learning_loop.py --out /tmp/loop --smoke    # does it run at all? minutes; writes no document
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.color import hed2rgb, rgb2hed

from napari_cerberus.errors import CerberusError, DataError
from napari_cerberus.files import write_text
from napari_cerberus.finetune.estimate import estimate
from napari_cerberus.finetune.finetune_plan import prepare
from napari_cerberus.finetune.finetune_settings import PRESET_VALUES, FinetuneSettings
from napari_cerberus.finetune.run import process
from napari_cerberus.finetune.run_state import RunState, read_state
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.model.runtime import has_bfloat16
from napari_cerberus.pairs.split import read_split
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.data.tile_sources import LoadedTile, Tile, collect
from napari_cerberus.training.engine.training_run import by_subset
from napari_cerberus.training.evaluation.metrics.bootstrap import PatientBootstrap
from napari_cerberus.training.evaluation.scoring import TileScore, score_tile
from napari_cerberus.training.evaluation.summary import summarise_tasks

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "starter.toml"
DOCUMENT = ROOT / "docs" / "results.md"
PLOT = ROOT / "docs" / "images" / "learning_loop.svg"
KEPT = ROOT / "docs" / "learning_loop_rows.json"
"""Finished rows of the document's table, so that another machine goes on from them."""
START, END = "<!-- learning loop: begin -->", "<!-- learning loop: end -->"
AIM_LOSS = 0.01
LOOK_EVERY_S = 1.0
_HAEMATOXYLIN, _EOSIN = 0, 1


Scored = Sequence[tuple[str, float]]
"""Patient and Dice of each tile of a domain, always in the same order."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One size and preset: scores of its models, one a fold, on the new and the old domain.

    ``tiles`` 0 and no preset: the base model. ``minutes`` are of a model on ``computer``, ``told`` what the dock's
    estimate tells before; both mean over the folds.
    """

    tiles: int
    preset: str
    new: Scored
    old: Scored
    minutes: float = 0.0
    told: float = 0.0
    steps: int = 0
    computer: str


@dataclass(frozen=True, kw_only=True)
class Domains:
    """One fold: tiles to learn from, in the order they are given out, and tiles to score."""

    learning: Sequence[Tile]
    new: Sequence[Tile]
    old: Sequence[Tile]


def main() -> int:
    """Measure what is not measured yet; write table and plot."""
    arguments = _arguments()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    os.environ["NAPARI_CERBERUS_RUNS"] = str(out / "runs")
    os.environ["NAPARI_CERBERUS_MODELS"] = str(out / "models")
    folds = [_domains(arguments, fold) for fold in range(arguments.folds)]
    rows = _known(out, arguments)
    for domains in folds:
        print(f"learning from {len(domains.learning)} tiles, scoring {len(domains.new)} new, {len(domains.old)} old")
    for tiles, preset in [(0, ""), *((n, preset) for n in arguments.tiles for preset in arguments.presets)]:
        if (tiles, preset) not in {(row.tiles, row.preset) for row in rows}:
            rows.append(_joined([_measure(arguments, folds[i], i, tiles, preset) for i in range(len(folds))]))
            write_text(out / "rows.json", json.dumps([asdict(row) for row in rows], indent=1))
        print(_cells(next(row for row in rows if (row.tiles, row.preset) == (tiles, preset)), rows))
    if not arguments.smoke and arguments.side == "test":
        _write_document(rows, arguments)
    return 0


def _joined(rows: Sequence[Row]) -> Row:
    """The folds' rows as one."""
    new, old = ([one for row in rows for one in getattr(row, name)] for name in ("new", "old"))
    minutes, told = (float(np.mean([getattr(row, name) for row in rows])) for name in ("minutes", "told"))
    return replace(rows[0], new=new, old=old, minutes=minutes, told=told)


def _measure(arguments: argparse.Namespace, domains: Domains, fold: int, tiles: int, preset: str) -> Row:
    if not tiles:
        return Row(tiles=0, preset="", computer=_computer(), **_scores(open_model(arguments.base), domains))
    folder = _write_pairs(arguments.out / f"pairs-{tiles}-{fold}", domains.learning[:tiles])
    state = _trained(arguments, folder, f"{tiles}-{preset}-{fold}", preset)
    told = float(json.loads((state.folder / "told.json").read_text(encoding="utf-8")))
    scores = _scores(open_model(state.model_name), domains)
    minutes, computer = _minutes(state.folder), _computer()
    return Row(tiles=tiles, preset=preset, minutes=minutes, told=told, steps=state.step, computer=computer, **scores)


def _trained(arguments: argparse.Namespace, folder: Path, name: str, preset: str) -> RunState:
    """The finished run of this size, preset and fold; one that was cut off goes on."""
    note = arguments.out / f"run-{name}.txt"
    if note.is_file() and read_state(run := Path(note.read_text(encoding="utf-8"))).status in _USEFUL:
        if read_state(run).status in ("interrupted", "failed"):
            process.resume(run)
    else:
        settings = FinetuneSettings(
            pairs_folder=folder,
            preset=preset,
            base_model=arguments.base,
            tasks=(GLANDS,),
            epochs=1 if arguments.smoke else None,
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


_USEFUL = ("queued", "running", "proving", "interrupted", "failed", "finished")


def _ended(run: Path) -> RunState:
    """Wait for the end, noting how long training took."""
    spent, looked = _minutes(run), time.monotonic()
    while (state := read_state(run)).live:
        time.sleep(LOOK_EVERY_S)
        now = time.monotonic()
        if state.status != "proving":
            spent += (now - looked) / 60
            write_text(run / "minutes.json", json.dumps(spent))
        looked = now
    if not state.model_name:
        raise CerberusError(f"{run}: {state.message}")
    return state


def _minutes(run: Path) -> float:
    path = run / "minutes.json"
    return float(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else 0.0


def _domains(arguments: argparse.Namespace, fold: int) -> Domains:
    config = read_config(CONFIG)
    config = replace(config, sources=tuple(source for source in config.sources if source.kind == "ebhi"))
    held = _never_learned_from(config, arguments.side)
    new = [_other_stain(tile, STAINS[arguments.stain]) for tile in held if tile.stratum == arguments.category]
    old = [tile for tile in held if tile.stratum != arguments.category]
    by_patient = defaultdict(list)
    for tile in new:
        by_patient[tile.patient].append(tile)
    names = sorted(by_patient)
    order = [names[i] for i in np.random.default_rng(arguments.seed).permutation(len(names))]
    half = [by_patient[name] for name in order[fold::2]]
    learning = [tiles[i] for i in range(max(map(len, half))) for tiles in half if i < len(tiles)]  # patients in turn
    if len(learning) < max(arguments.tiles, default=0):
        raise DataError(f"Category {arguments.category!r} has only {len(learning)} tiles to learn from.")
    scored = [tile for name in order[1 - fold :: 2] for tile in by_patient[name]]
    return Domains(learning=learning, new=_limited(scored, arguments.score), old=_limited(old, arguments.score))


def _never_learned_from(config: TrainConfig, where: str) -> list[Tile]:
    """EBHI tiles of a side of the base model's split."""
    split = read_split(CONFIG.parent / config.split_file)
    ids = {side: tuple(one for one in members if one.startswith("ebhi/")) for side, members in split.sides.items()}
    tiles = collect(config.sources, config.tasks, config.root(CONFIG.parent))
    return by_subset(tiles, replace(split, counts={}, **ids))[where]


def _limited(tiles: Sequence[Tile], most: int) -> list[Tile]:
    places = np.linspace(0, len(tiles) - 1, min(most, len(tiles))).round().astype(int)
    return [tiles[i] for i in places]


def _other_stain(tile: Tile, recolour) -> Tile:
    def load() -> LoadedTile:
        loaded = tile.load()
        return replace(loaded, image=recolour(loaded.image))

    return replace(tile, load=load)


def _as_it_is(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image


def _other_laboratory(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Another laboratory's H&E: paler haematoxylin, stronger eosin, a yellowish light."""
    stains = rgb2hed(image)
    stains[..., _HAEMATOXYLIN] *= 0.55
    stains[..., _EOSIN] *= 1.5
    light = np.array([1.0, 0.97, 0.88])
    return np.clip(hed2rgb(stains) * light * 255, 0, 255).round().astype(np.uint8)


def _brown(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """No H&E any more: what eosin stained is yellow-brown, as with saffron or DAB, and haematoxylin is pale."""
    return _stain_matched(image, (0.6, 1.0), ((0.65, 0.70, 0.29), (0.05, 0.55, 0.83)), light=(1.0, 0.97, 0.9))


def _faded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An old archive's slides: a quarter of the haematoxylin and three tenths of the eosin are left."""
    return _stain_matched(image, (0.25, 0.3), ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11)))


def _stain_matched(image: NDArray[np.uint8], left, colours, light=(1.0, 1.0, 1.0)) -> NDArray[np.uint8]:
    """What is ``left`` of haematoxylin and eosin, in the optical density of other ``colours``, in another light."""
    stains = np.maximum(rgb2hed(image)[..., [_HAEMATOXYLIN, _EOSIN]], 0) * left
    return np.clip(np.exp(-6 * stains @ np.array(colours)) * light * 255, 0, 255).round().astype(np.uint8)


STAINS: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "faded": _faded,
    "brown": _brown,
    "other laboratory": _other_laboratory,
    "none": _as_it_is,
}
"""Stains of the new domain; recoloured, because the shared data has one laboratory's slides."""


def _write_pairs(root: Path, tiles: Iterable[Tile]) -> Path:
    """Write tiles as a user would have them: EBHI's form, patients under names that the base model has not seen."""
    numbers: dict[str, int] = defaultdict(int)
    for tile in tiles:
        loaded = tile.load()
        patient = "9" + "".join(letter for letter in tile.patient if letter.isdigit())
        numbers[patient] += 1
        name = f"GT{patient}-1-400-{numbers[patient]:03d}.png"
        mask = np.where(loaded.labels[GLANDS] > 0, 255, 0).astype(np.uint8)
        for part, array in (("image", loaded.image), ("label", mask)):
            folder = root / tile.stratum / part
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / name)
    return root


def _scores(model: Model, domains: Domains) -> dict[str, Scored]:
    return {"new": _dice(model, domains.new), "old": _dice(model, domains.old)}


def _dice(model: Model, tiles: Iterable[Tile]) -> Scored:
    return [(tile.patient, _dice_of(run_to_end(score_tile(model, tile)).score)) for tile in tiles]


def _dice_of(score: TileScore) -> float:
    glands = next(summary for summary in summarise_tasks([score]) if summary.task == GLANDS)
    return float(glands.groups[0].metrics["dice"].value or 0.0)


def _known(out: Path, arguments: argparse.Namespace) -> list[Row]:
    path = out / "rows.json"
    if path.is_file():
        return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    return [Row(**row) for row in kept["rows"]] if kept.get("of") == _measured(arguments) else []


def _measured(arguments: argparse.Namespace) -> dict[str, object]:
    """What rows must have in common to stand in one table."""
    names = ("side", "category", "stain", "folds", "score", "seed", "learning_rate")
    return {
        "base": open_model(arguments.base).sha256,
        "presets": {name: asdict(PRESET_VALUES[name]) for name in ("quick", "standard")},
        **{name: getattr(arguments, name) for name in names},
    }


def _cells(row: Row, rows: Sequence[Row]) -> str:
    base = _base(rows)
    elsewhere = "" if row.computer == base.computer else f", {row.computer}"
    cells = [
        str(row.tiles) if row.tiles else "none",
        row.preset or "base model",
        f"{row.minutes:.1f} ({row.told:.1f}){elsewhere}" if row.tiles else "",
        _figure(row.new),
        _difference(row.new, base.new) if row.tiles else "",
        _figure(row.old),
        _difference(row.old, base.old) if row.tiles else "",
        ("yes" if _mean(row.old) >= _mean(base.old) - AIM_LOSS else "**no**") if row.tiles else "",
    ]
    return f"| {' | '.join(cells)} |"


def _base(rows: Iterable[Row]) -> Row:
    return next(row for row in rows if not row.tiles)


def _mean(scores: Scored) -> float:
    return float(np.mean([dice for _patient, dice in scores]))


def _figure(scores: Scored, shape: str = ".3f") -> str:
    """Mean over tiles, with its interval by patient."""
    rows = [{"dice": dice, "tiles": 1.0} for _patient, dice in scores]
    found = PatientBootstrap(rows, [patient for patient, _dice in scores]).estimate(
        lambda sums: sums["dice"] / sums["tiles"]
    )
    between = "" if found.low is None or found.high is None else f" ({found.low:{shape}} to {found.high:{shape}})"
    return f"{found.value:{shape}}{between}"


def _difference(scores: Scored, base: Scored) -> str:
    """The same, of the difference tile by tile."""
    pairs = zip(scores, base, strict=True)
    return _figure([(patient, dice - before) for (patient, dice), (_same, before) in pairs], "+.3f")


def _write_document(rows: Sequence[Row], arguments: argparse.Namespace) -> None:
    heads = (
        "tiles",
        "preset",
        "minutes (told before)",
        "new domain",
        "gain",
        "old domain",
        "change",
        f"keeps {AIM_LOSS:g}",
    )
    stain = "as they are" if arguments.stain == "none" else f"recoloured ({arguments.stain})"
    table = [
        f"Dice of glands on {arguments.category} of patients that nobody learned from, {stain}, and on the other "
        f"categories; base model {arguments.base} ({open_model(arguments.base).sha256[:12]}); {_base(rows).computer}.",
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(_cells(row, rows) for row in sorted(rows, key=lambda row: (row.tiles, row.preset))),
        "",
        "![Gain by number of tiles](images/learning_loop.svg)",
    ]
    text = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.is_file() else f"# Results\n\n{START}\n{END}\n"
    if START not in text or END not in text:
        text = f"{text.rstrip()}\n\n## The learning loop\n\n{START}\n{END}\n"
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    write_text(DOCUMENT, f"{before}{START}\n" + "\n".join(table) + f"\n{END}{after}")
    write_text(PLOT, plot(rows))
    lines = ",\n".join(f"  {json.dumps(asdict(row))}" for row in rows)
    write_text(KEPT, f'{{\n "of": {json.dumps(_measured(arguments))},\n "rows": [\n{lines}\n ]\n}}\n')


def _computer() -> str:
    without = "" if has_bfloat16(torch.device("cpu")) else "out"
    return f"{os.cpu_count()} CPU cores with{without} bfloat16"


def plot(rows: Sequence[Row]) -> str:
    """SVG: Dice against tiles, one colour a preset; whole lines the new domain, broken ones the old."""
    base = _base(rows)
    lines: Mapping[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.tiles):
        if row.tiles:
            lines[row.preset].append(row)
    low = min(_mean(scores) for row in rows for scores in (row.new, row.old)) - 0.02
    width, height, margin = 520, 300, 50
    most = max(row.tiles for row in rows) or 1

    def at(tiles: int, dice: float) -> str:
        return f"{margin + tiles / most * (width - 2 * margin):.1f},{height - margin - _share(dice, low) * 220:.1f}"

    parts = []
    for (preset, members), colour in zip(lines.items(), ("#0072b2", "#d55e00", "#009e73"), strict=False):
        for name, dashes in (("new", "none"), ("old", "5 4")):
            points = " ".join(at(row.tiles, _mean(getattr(row, name))) for row in (base, *members))
            style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
            parts.append(f'<polyline points="{points}" {style}><title>{preset}, {name} domain</title></polyline>')
        x, y = at(members[-1].tiles, _mean(members[-1].new)).split(",")
        parts.append(f'<text x="{float(x) + 4:.1f}" y="{y}" fill="{colour}">{preset}</text>')
    for tiles in sorted({row.tiles for row in rows}):
        x = at(tiles, low).split(",")[0]
        parts.append(f'<text x="{x}" y="{height - margin + 18}" text-anchor="middle">{tiles}</text>')
    for dice in np.linspace(low, 1.0, 4):
        y = at(0, float(dice)).split(",")[1]
        parts.append(f'<text x="{margin - 6}" y="{y}" text-anchor="end">{dice:.2f}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">corrected tiles</text>')
    parts.append(f'<text x="{margin}" y="20">Dice of glands: new domain whole, old domain broken</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
    return f'{head} font-size="12">\n' + "\n".join(parts) + "\n</svg>\n"


def _share(dice: float, low: float) -> float:
    return (dice - low) / max(1 - low, 1e-6)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the learning loop.")
    parser.add_argument("--out", type=Path, required=True, help="what is done is kept here")
    parser.add_argument("--base", default="starter")
    parser.add_argument("--category", default="Adenocarcinoma", help="the new domain; default: %(default)s")
    parser.add_argument("--stain", choices=tuple(STAINS), default="faded")
    parser.add_argument("--side", choices=("test", "validation"), default="test", help="validation: to tune by")
    parser.add_argument("--learning-rate", type=float, help="to tune by; default: the preset's")
    parser.add_argument("--tiles", type=int, nargs="*", default=[5, 10, 20, 40])
    parser.add_argument("--presets", nargs="+", default=["quick", "standard"])
    parser.add_argument("--score", type=int, default=60, help="tiles of each domain that are scored in a fold, at most")
    parser.add_argument("--folds", type=int, choices=(1, 2), default=2, help="1: half of the patients are scored")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="one size, one preset, one pass, few tiles, no document")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.tiles, arguments.presets, arguments.score, arguments.folds = [5], arguments.presets[:1], 3, 1
    arguments.out = arguments.out.resolve()
    return arguments


if __name__ == "__main__":
    sys.exit(main())
