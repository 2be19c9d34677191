"""Correct a corner, get the rest: what a finished part of a field brings to the part that nobody touched.

A simulated annotator finishes a share of a field, exactly as drawn by the data's authors: from one corner (5, 10, 25 %;
at 50 % one half), or with ``--order queue`` in equal squares around the objects that the review queue shows first (as
large a share of the objects as of the field; the squares grow until they cover it). The model learns from it
(``adaptation.learn``), the field is annotated again, and everything outside of the finished area is scored against what
was drawn there, objects cut at the area's edge on both sides: object Dice, F1, PQ and Dice on the image's own grid.
"Without" is the base model on the same pixels.

Domains, all scored fields of patients that neither the base model nor the settings have seen:

- ``prostate``: benign glands of one patient (the other patient's four fields chose the settings) at the published
  0.934 µm/px; the lumen lies inside the outline. Only for a base model that never saw prostate: the shipped one did, so
  give the starter before it (below);
- ``nucls``: breast nuclei of another laboratory, test tiles; no patients are stated, so each field counts as one;
- ``tnbc``: breast nuclei of test patients (the shipped model learned from others of the same set); for a base model
  that learned from none of them (``configs/nuclei_without_tnbc.toml``) all patients but 05, who chose the settings;
- ``ebhi``: colorectal glands of test patients in their true shape, where the base model is at home: it must not fall;
- ``ebhi faded``: the same, recoloured by a rule. Secondary evidence: nobody has such slides.

Rows are kept in ``--out`` and not measured again; the table of an order goes between its two marks in docs/results.md.
Seconds are those of this run, by what was done in them.

    python benchmarks/corner.py --out runs/corner --minutes 30
    mkdir before
    git archive f6ac1cc^ src/napari_cerberus/models/starter | tar -x -C before --strip-components 4
    python benchmarks/corner.py --out runs/corner --base before --domains prostate --seeds 4
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from learning_loop import STAINS
from napari_cerberus.adaptation.annotate_rest import annotate_rest
from napari_cerberus.adaptation.learn import learn
from napari_cerberus.adaptation.learn_settings import LearnSettings
from napari_cerberus.adaptation.lessons import Lesson
from napari_cerberus.annotation.finished_areas import FinishedArea, Mask, finished_masks
from napari_cerberus.annotation.review import findings, queue
from napari_cerberus.files import write_text
from napari_cerberus.inference.annotate import Annotation, annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.pairs.split import read_split
from napari_cerberus.pixel_size import EBHI_SEG, PixelSize
from napari_cerberus.progress import Job, run_to_end
from napari_cerberus.tasks import GLANDS, NUCLEI
from napari_cerberus.training.evaluation.metrics.bootstrap import PatientBootstrap
from napari_cerberus.training.evaluation.metrics.object_metrics import compare_objects, f1, object_dice, pq
from napari_cerberus.training.evaluation.metrics.pixel_metrics import compare_pixels

Result = TypeVar("Result")
Sources = Container[str]
"""Names of what a base model learned from."""
ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CERBERUS_DATA", ROOT.parent / "shared" / "data"))
DOCUMENT = ROOT / "docs" / "results.md"
MARKS = {
    "corner": ("<!-- corner: begin (benchmarks/corner.py) -->", "<!-- corner: end -->"),
    "queue": ("<!-- corner, queue: begin (benchmarks/corner.py --order queue) -->", "<!-- corner, queue: end -->"),
}
"""How the annotator goes through a field, and where its table stands."""
SHARES = (0.25, 0.5, 0.1, 0.05)
MOST_FIELDS = 8
SIDE = "test"
"""Side of the split whose fields are read; ``validation`` is for choosing settings by."""
WORSE = 0.01
SEEN_BY = {"prostate": "rings"}
"""Source of a base model's training data that forbids a domain."""
CHOSEN_BY = "05_"
"""Fields of the TNBC patient who chose the settings begin so."""
PHASES = {"Reading": "reading", "Learning": "learning", "Checking": "checking"}
"""First word of a step to what its seconds are told as; all else is annotating the rest again."""
FIGURES: Mapping[str, Callable] = {
    "object Dice": object_dice,
    "F1": f1,
    "PQ": pq,
    "to correct": lambda sums: sums["extra"] + sums["missed"],
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One image with what was drawn in it."""

    domain: str
    name: str
    patient: str
    task: str
    pixel_size_um: float | PixelSize
    image: Path
    labels: Path
    stain: str = "none"

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Image and instance labels."""
        drawn = np.array(Image.open(self.labels))
        if self.domain.startswith("ebhi"):
            drawn = ndimage.label(drawn > 127)[0]
        return STAINS[self.stain](np.array(Image.open(self.image).convert("RGB"))), drawn.astype(np.int32)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One field, share and seed: sums of the untouched rest without and with learning."""

    domain: str
    name: str
    patient: str
    share: float
    seed: int
    before: dict[str, float]
    after: dict[str, float]
    changed: bool
    seconds: float
    sentence: str
    base: str
    phases: dict[str, float] = field(default_factory=dict)
    order: str = "corner"


def main() -> int:
    """Measure what is not measured yet, as long as there is time; write the table."""
    global SIDE
    arguments = _arguments()
    SIDE = arguments.side
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    model, known = open_model(arguments.base), arguments.out / "rows.jsonl"
    rows = [Row(**json.loads(line)) for line in known.read_text().splitlines()] if known.is_file() else []
    done = {(row.base, row.domain, row.name, row.share, row.seed, row.order) for row in rows}
    base = f"{model.name} {model.sha256[:8]}"
    sources = model.spec.provenance.get("data", {})
    until = time.monotonic() + 60 * arguments.minutes
    for one, share, seed in _order(arguments, sources):
        if time.monotonic() > until:
            break
        if (base, one.domain, one.name, share, seed, arguments.order) in done or SEEN_BY.get(one.domain) in sources:
            continue
        row = _measured(one, share, seed, model, arguments.order)
        if row is None:
            continue
        rows.append(row)
        with known.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        print(_line(row), flush=True)
    rows = [row for row in rows if row.order == arguments.order]
    if rows and arguments.side == "test":
        _write_document(rows, *MARKS[arguments.order])
    elif rows:
        print("\n".join(_table(rows)))
    return 0


def _order(arguments: argparse.Namespace, sources: Sources) -> Iterator[tuple[Field, float, int]]:
    """The first field of every domain, then the second, ...: a run that is cut off has some of each."""
    domains = {name: _spread(list(READERS[name](sources))) for name in arguments.domains}
    for seed in range(arguments.seeds):
        for share in arguments.shares:
            for place in range(MOST_FIELDS):
                yield from ((fields[place], share, seed) for fields in domains.values() if place < len(fields))


def _spread(fields: list[Field]) -> list[Field]:
    """As many fields as are read, of as many patients as there are."""
    patients = [one.patient for one in fields]
    turns = [patients[:place].count(patient) for place, patient in enumerate(patients)]
    return [fields[place] for place in np.argsort(turns, kind="stable")[:MOST_FIELDS]]


def finished_area(shape: tuple[int, int], share: float, seed: int, task: str) -> FinishedArea:
    """The part that the annotator finishes: a corner, or at one half and more a side; the seed says which."""
    height, width = shape
    corner = seed % 4
    down, across = (
        (height, round(width * share))
        if share >= 0.5
        else (
            round(height * share**0.5),
            round(width * share**0.5),
        )
    )
    top = 0 if corner in (0, 1) or share >= 0.5 else height - down
    left = 0 if corner in (0, 2) else width - across
    return FinishedArea.rectangle(top, left, top + down, left + across, (task,))


def areas_in_queue_order(annotation: Annotation, share: float, task: str) -> tuple[FinishedArea, ...]:
    """Equal squares around the objects that the review queue shows first; none where no object was found."""
    queued = queue.queue(queue.attach(annotation.objects, findings.find(annotation)))
    shape = annotation.labels[task].shape
    rows = queued[queued["task"] == task]
    first = rows.head(max(1, round(share * len(rows))))
    centres = first[["centroid_y_px", "centroid_x_px"]].to_numpy(float).round().astype(int)
    areas: tuple[FinishedArea, ...] = ()
    for reach in range(4, max(shape), 4):
        areas = tuple(FinishedArea.rectangle(y - reach, x - reach, y + reach, x + reach, (task,)) for y, x in centres)
        if _covered(areas, shape, task).mean() >= share:
            break
    return areas


def _covered(areas: tuple[FinishedArea, ...], shape: tuple[int, ...], task: str) -> Mask:
    height, width = shape
    return finished_masks(areas, (height, width)).get(task, np.zeros(shape, bool))


def _measured(one: Field, share: float, seed: int, model: Model, order: str) -> Row | None:
    image, drawn = one.load()
    settings = AnnotateSettings(pixel_size_um=one.pixel_size_um)
    seen = run_to_end(annotate(image, model, settings))
    first = seen.labels[one.task]
    areas = (finished_area(drawn.shape, share, seed, one.task),)
    if order == "queue":
        areas = areas_in_queue_order(seen, share, one.task)
    outside = ~_covered(areas, drawn.shape, one.task)
    if outside.all() or not drawn[outside].any():
        return None
    lesson = Lesson(
        image=image,
        pixel_size_um=one.pixel_size_um,
        labels={one.task: np.where(outside, first, drawn)},
        areas=areas,
        name=one.name,
    )
    phases: dict[str, float] = {}
    adapted = _timed(learn([lesson], model, LearnSettings(seed=seed)), phases)
    second = _timed(annotate_rest(adapted, lesson, settings), phases).labels.get(one.task, first)
    return Row(
        domain=one.domain,
        name=one.name,
        patient=one.patient,
        share=share,
        seed=seed,
        before=_sums(drawn, first, outside),
        after=_sums(drawn, second, outside),
        changed=adapted.changed,
        seconds=round(sum(phases.values()), 1),
        sentence=adapted.sentence,
        base=f"{model.name} {model.sha256[:8]}",
        phases={name: round(value, 2) for name, value in phases.items()},
        order=order,
    )


def _timed(job: Job[Result], phases: dict[str, float]) -> Result:
    """Run a job to its end, and add the seconds of its steps to ``phases``."""
    phase, clock = PHASES["Reading"], time.perf_counter()
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            result: Result = end.value
            return result
        finally:
            now = time.perf_counter()
            phases[phase] = phases.get(phase, 0.0) + now - clock
            clock = now
        phase = PHASES.get(step.stage.split()[0], phase if step.stage.startswith("Looking") else "annotating again")


def _sums(drawn: NDArray[np.int32], found: NDArray[np.int32], where: NDArray[np.bool_]) -> dict[str, float]:
    truth, answer = np.where(where, drawn, 0), np.where(where, found, 0)
    return {**compare_objects(truth, answer).sums(), **compare_pixels(truth, answer).sums()}


def _figure(sums: Mapping[str, float], name: str) -> float:
    return float(np.nan_to_num(FIGURES[name]({key: np.asarray(value) for key, value in sums.items()})))


def _line(row: Row) -> str:
    before, after = (_figure(sums, "object Dice") for sums in (row.before, row.after))
    where = f"{row.domain} {row.name} {row.order} {row.share:g}"
    return f"{where}: object Dice {before:.3f} -> {after:.3f}, {row.seconds} s; {row.sentence}"


def _write_document(rows: list[Row], start: str, end: str) -> None:
    table = "\n".join([start, *_table(rows), end])
    text = DOCUMENT.read_text(encoding="utf-8")
    if start in text:
        head, rest = text.split(start)[0], text.split(end)[1]
        write_text(DOCUMENT, head + table + rest)
    print(table)


def _table(rows: list[Row]) -> list[str]:
    lines = [
        "The untouched rest of a field without → with learning; mean over corners (a field from one corner), 95 % "
        "interval of the gain by patient where there are five or more. *Worse*: corners whose object Dice fell by "
        f"more than {WORSE:g}. *To correct*: objects found wrongly and missed, a corner. Seconds of this machine, "
        "median: in all where something was learned (reading, learning, checking, annotating again).",
        "",
        "| base, domain | finished | corners, fields, patients | changed | object Dice | gain | F1 | PQ | to correct | "
        "worse | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for base in dict.fromkeys(row.base for row in rows):
        for domain in READERS:
            for share in sorted(SHARES):
                mine = [row for row in rows if (row.base, row.domain, row.share) == (base, domain, share)]
                if mine:
                    lines.append(_cells(f"{base}, {domain}", share, mine))
    return lines


def _cells(where: str, share: float, rows: list[Row]) -> str:
    def pair(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return tuple(np.array([_figure(getattr(row, side), name) for row in rows]) for side in ("before", "after"))  # type: ignore[return-value]

    first, second = pair("object Dice")
    gains, patients = second - first, [row.patient for row in rows]
    bootstrap = PatientBootstrap([{"gain": gain, "one": 1.0} for gain in gains], patients)
    gain = bootstrap.estimate(lambda sums: sums["gain"] / sums["one"])
    interval = "" if gain.low is None else f" ({gain.low:+.3f} to {gain.high:+.3f})"
    both = {name: " → ".join(f"{values.mean():.3f}" for values in pair(name)) for name in FIGURES}
    left = " → ".join(f"{values.mean():.1f}" for values in pair("to correct"))
    changed, worse = sum(row.changed for row in rows), int((gains < -WORSE).sum())
    counts = f"{len(rows)}, {len({row.name for row in rows})}, {len(set(patients))}"
    cells = [where, f"{share:.0%}", counts, str(changed), both["object Dice"], f"{gains.mean():+.3f}{interval}"]
    cells += [both["F1"], both["PQ"], left, str(worse), _seconds(rows)]
    return f"| {' | '.join(cells)} |"


def _seconds(rows: list[Row]) -> str:
    """Median seconds where something was learned, and of each phase."""
    learned = [row for row in rows if row.phases.get("learning")]
    if not learned:
        return "nothing learned"
    names = (*PHASES.values(), "annotating again")
    each = [f"{np.median([row.phases.get(name, 0.0) for row in learned]):.0f}" for name in names]
    return f"{np.median([row.seconds for row in learned]):.0f} ({', '.join(each)})"


def _prostate(_sources: Sources) -> Iterator[Field]:
    patient = {"test": "P4", "validation": "P3"}[SIDE]
    for path in sorted((DATA / "rings-prostate" / "images").glob(f"{patient}_*.png")):
        yield _instances("prostate", path, patient, GLANDS, 0.934)


def _nucls(_sources: Sources) -> Iterator[Field]:
    if SIDE != "test":
        return
    for path in sorted((DATA / "nucls-sample" / "images").glob("test_*.png")):
        yield _instances("nucls", path, path.stem, NUCLEI, 0.3)


def _tnbc(sources: Sources) -> Iterator[Field]:
    images = DATA / "tnbc-nuclei" / "images"
    if "tnbc" in sources or SIDE != "test":
        names = [name[0] for name in _tiles("tnbc/")]
    else:
        names = sorted(path.stem for path in images.glob("*.*") if not path.stem.startswith(CHOSEN_BY))
    for name in names:
        path = next(images.glob(f"{name}.*"))
        yield _instances("tnbc", path, name[:2], NUCLEI, 0.25)


def _instances(domain: str, path: Path, patient: str, task: str, pixel_size_um: float | PixelSize) -> Field:
    return Field(
        domain=domain,
        name=path.stem,
        patient=patient,
        task=task,
        pixel_size_um=pixel_size_um,
        image=path,
        labels=next((path.parent.parent / "labels").glob(f"{path.stem}.*")),
    )


def _ebhi(_sources: Sources, stain: str = "none") -> Iterator[Field]:
    tiles = _tiles("ebhi/")
    places = np.linspace(0, len(tiles) - 1, MOST_FIELDS).round().astype(int)
    for category, name in (tiles[place] for place in places):
        patient = name.split("-")[0].lstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        domain = "ebhi" if stain == "none" else f"ebhi {stain}"
        yield Field(
            domain=domain,
            name=name,
            patient=patient,
            task=GLANDS,
            pixel_size_um=EBHI_SEG,
            image=ebhi_file(category, "image", name),
            labels=ebhi_file(category, "label", name),
            stain=stain,
        )


def ebhi_file(category: str, kind: str, name: str) -> Path:
    """Image or label of an EBHI-SEG tile, where its archive was unpacked, or beside it."""
    root = DATA / "ebhi-seg"
    inner = root / "EBHI-SEG"
    return next(((inner if inner.is_dir() else root) / category / kind).glob(f"{name}.*"))


def _tiles(source: str) -> list[tuple[str, ...]]:
    members = read_split(ROOT / "configs" / "starter_next.split.json").sides[SIDE]
    return [tuple(one.split("/")[1:]) for one in members if one.startswith(source)]


READERS: Mapping[str, Callable[[Sources], Iterator[Field]]] = {
    "prostate": _prostate,
    "nucls": _nucls,
    "tnbc": _tnbc,
    "ebhi": _ebhi,
    "ebhi faded": partial(_ebhi, stain="faded"),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--base", default="starter")
    parser.add_argument("--minutes", type=float, default=60.0, help="no field is begun after so long")
    parser.add_argument("--domains", nargs="+", choices=list(READERS), default=list(READERS))
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--side", choices=("test", "validation"), default="test", help="validation: to choose by")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--order", choices=list(MARKS), default="corner")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
