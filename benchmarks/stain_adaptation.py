"""Adapting to a stain without labels: what normalisation statistics of unlabelled images bring, and what they cost.

Every field is annotated by the model as it is, by one adapted to that field alone, and by one adapted to all fields of
its domain together (up to 16 fields of 256 µm; nobody's labels are looked at). Scored against what was drawn: object
Dice, PQ and Dice, mean over fields. Domains are those of ``corner.py``; ``--side validation`` takes fields of
validation patients, which is where the share that is the default was chosen.

    python benchmarks/stain_adaptation.py --base FOLDER_OF_THE_STARTER_BEFORE --domains prostate --side validation
    python benchmarks/stain_adaptation.py --base FOLDER_OF_THE_STARTER_BEFORE starter --document
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

import corner
from corner import DATA, DOCUMENT, FIGURES, MOST_FIELDS, READERS, SEEN_BY, Field, _figure, _instances, _sums
from napari_cerberus.adaptation.stain import StainImage, StainSettings, adapt_to_stain
from napari_cerberus.files import write_text
from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS

START, END = "<!-- stain: begin (benchmarks/stain_adaptation.py) -->", "<!-- stain: end -->"
WORSE = 0.01
Sums = Mapping[str, float]


def main() -> int:
    """Measure every domain and share; print the table, and write it into docs/results.md if asked."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    corner.SIDE = arguments.side
    lines = _head(arguments.side)
    for model in map(open_model, arguments.base):
        for domain in arguments.domains:
            if SEEN_BY.get(domain) in model.spec.provenance.get("data", {}):
                print(f"{domain}: {model.name} has learned from this domain; left out", flush=True)
                continue
            fields = list(_fields(domain, arguments.side))[: arguments.fields]
            lines += list(_rows(domain, fields, model, arguments.shares))
    if arguments.document:
        _write(lines)
    return 0


def _fields(domain: str, side: str) -> Iterator[Field]:
    if domain == "prostate":
        prefix = "P3" if side == "validation" else "P4"
        for path in sorted((DATA / "rings-prostate" / "images").glob(f"{prefix}_*.png")):
            yield _instances(domain, path, prefix, GLANDS, 0.934)
        return
    name, _, stain = domain.partition(" ")
    for field in READERS[name]({"tnbc"}):
        yield replace(field, domain=domain, stain=stain or "none")


def _rows(domain: str, fields: Sequence[Field], model: Model, shares: Sequence[float]) -> Iterator[str]:
    base = [_scored(field, model) for field in fields]
    yield _said(_cells(domain, "as it is", model, base, base))
    everything = [_stain_image(field) for field in fields]
    for share in shares:
        settings = StainSettings(share=share)
        alone = [
            _scored(field, run_to_end(adapt_to_stain([image], model, "adapted", settings)))
            for field, image in zip(fields, everything, strict=True)
        ]
        yield _said(_cells(domain, f"the field, {share:g}", model, base, alone))
        adapted = run_to_end(adapt_to_stain(everything, model, "adapted", settings))
        together = [_scored(field, adapted) for field in fields]
        yield _said(_cells(domain, f"all {len(fields)} fields, {share:g}", model, base, together))


def _stain_image(field: Field) -> StainImage:
    return StainImage(pixels=field.load()[0], pixel_size=_size(field), name=field.name)


def _size(field: Field) -> PixelSize:
    size = field.pixel_size_um
    return size if isinstance(size, PixelSize) else PixelSize.square(size)


def _scored(field: Field, model: Model) -> Sums:
    image, drawn = field.load()
    found = run_to_end(annotate(image, model, AnnotateSettings(pixel_size_um=_size(field)))).labels[field.task]
    return _sums(drawn, found, np.ones(drawn.shape, bool))


def _cells(domain: str, how: str, model: Model, before: Sequence[Sums], after: Sequence[Sums]) -> str:
    values = {name: [_figure(one, name) for one in after] for name in FIGURES}
    gains = np.subtract(values["object Dice"], [_figure(one, "object Dice") for one in before])
    means = [f"{np.mean(values[name]):.3f}" for name in ("object Dice", "F1", "PQ")]
    cells = [f"{model.name} {model.sha256[:8]}", domain, how, str(len(after)), *means]
    return f"| {' | '.join([*cells, f'{gains.mean():+.3f}', str(int((gains < -WORSE).sum()))])} |"


def _said(line: str) -> str:
    print(line, flush=True)
    return line


def _head(side: str) -> list[str]:
    return [
        f"Fields of {side} patients (prostate: P3 validation, P4 test). *Worse*: fields whose object Dice fell by more "
        f"than {WORSE:g}.",
        "",
        "| base | domain | statistics of, share | fields | object Dice | F1 | PQ | gain | worse |",
        "|---|---|---|---|---|---|---|---|---|",
    ]


def _write(lines: Sequence[str]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    head, rest = text.split(START)[0], text.split(END)[1]
    write_text(DOCUMENT, head + "\n".join([START, *lines, END]) + rest)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", nargs="+", default=["starter"])
    domains = ["prostate", "nucls", "tnbc", "ebhi", "ebhi faded", "ebhi brown", "ebhi other laboratory"]
    parser.add_argument("--domains", nargs="+", choices=domains, default=domains)
    parser.add_argument("--side", choices=("test", "validation"), default="test")
    parser.add_argument("--shares", nargs="+", type=float, default=[StainSettings().share])
    parser.add_argument("--fields", type=int, default=MOST_FIELDS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--document", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
