"""The thesis's tables as Markdown, from the kept rows and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_cerberus.errors import DataError
from napari_cerberus.files import write_text
from napari_cerberus.tasks import EBHI_CLASSES
from thesis_kept import METRICS, Reports
from thesis_rows import FLOOR, NETWORKS, UNITS

MARKERS = ("<!-- thesis tables: begin (research/thesis_tables.py) -->", "<!-- thesis tables: end -->")
_PUBLISHED = {"layer1": "0.852", "layer2": "0.825", "layer3": "0.803", "layer4": "0.794", "svm": "0.591"}
_NAMES = {
    "multi": "ours, three heads in one net",
    "glands": "ours, glands alone",
    "scratch": "ours, glands alone, from random weights",
    "unet": "U-Net",
    "segnet": "SegNet",
    "medt": "MedT",
    "swinu": "Swin-U",
    FLOOR: "floor: everything is gland",
}
PUBLISHED_DICE = {
    category: dict(zip(("multi", "unet", "segnet", "medt"), dice, strict=True))
    for category, dice in {
        "Normal": ("0.967", "0.411", "0.777", "0.676"),
        "Polyp": ("0.967", "0.965", "0.937", "0.771"),
        "High-grade IN": ("0.936", "0.895", "0.894", "0.824"),
        "Low-grade IN": ("0.964", "0.911", "0.924", "0.889"),
        "Adenocarcinoma": ("0.928", "0.887", "0.865", "0.735"),
        "Serrated adenoma": ("0.937", "0.938", "0.907", "0.670"),
    }.items()
}
_PUBLISHED_JACCARD = {("Polyp", "unet"): 0.308}
"""Where the published Jaccard cannot belong to the published Dice: a Dice of D means a Jaccard of D / (2 - D)."""
_CATEGORIES = ("All", *EBHI_CLASSES)


def put_between(path: Path, markers: tuple[str, str], content: str) -> None:
    """Put ``content`` between two marker lines of ``path``, which is made, or added to, if it has neither.

    Raises
    ------
    DataError
        If one marker is missing.
    """
    begin, end = markers
    text = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    if begin not in text and end not in text:
        text = f"{text.rstrip()}\n\n{begin}\n{end}\n"
    if begin not in text or end not in text:
        raise DataError(f"{path} has only one of the lines {begin!r} and {end!r}; add the other.")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    write_text(path, f"{before}{begin}\n\n{content}\n{end}{after}")


def tables(reports: Reports, about: str) -> str:
    """Both tables, and single-task against multi-task."""
    parts = [
        f"Written by `research/thesis_tables.py` from `thesis_rows.json`. {about} Figures are of test tiles, means "
        "over tiles, cut as `annotate` cuts; in brackets 95 % intervals by patient. By patient is the true figure. "
        "Lumina are cut to glands only by a net that finds glands.",
        "### Table 1: accuracy of the six categories",
        "\n".join(_table_1(reports)),
        *(
            f"Confusion, trained from layer 1, split by {unit} (columns: the answer)\n\n"
            + "\n".join(_confusion(reports, f"{unit}-layer1"))
            for unit in UNITS
            if f"{unit}-layer1" in reports
        ),
        *(f"### Table 2: glands, split by {unit}\n\n" + "\n".join(_table_2(reports, unit)) for unit in UNITS),
        "### One head in a net, or three",
        "\n".join(_single_against_multi(reports)),
    ]
    return "\n\n".join(parts) + "\n"


def _table_1(reports: Reports) -> Iterator[str]:
    yield from _lines(("trained from", "by image", "by patient", "balanced, by patient", "published (by image)"))
    for row, published in _PUBLISHED.items():
        name = "SVM on frozen features" if row == "svm" else f"encoder layer {row[-1]}"
        cells = [_tissue(reports, f"{unit}-{row}", "accuracy") for unit in ("image", "patient")]
        yield _line((name, *cells, _tissue(reports, f"patient-{row}", "balanced_accuracy"), published))


def _table_2(reports: Reports, unit: str) -> Iterator[str]:
    heads = ("category", "model", "tiles", "Dice", "published Dice", "Jaccard", "CC", "failures", "precision", "recall")
    yield from _lines(heads)
    for category in _CATEGORIES:
        for row in ("multi", "glands", "scratch", *NETWORKS, FLOOR):
            group = _group(reports, f"{unit}-{row}", category)
            if group is None:
                cells: Sequence[Any] = ("", "not run", _published_dice(category, row), *[""] * 5)
            else:
                dice, jaccard, conformity, precision, recall = (_cell(group["metrics"][key]) for key in METRICS)
                cells = (
                    group["tiles"],
                    dice,
                    _published_dice(category, row),
                    jaccard,
                    conformity,
                    group["conformity_failures"],
                    precision,
                    recall,
                )
            yield _line((category, _NAMES[row], *cells))


def _published_dice(category: str, row: str) -> str:
    """The thesis's, split by image."""
    dice = PUBLISHED_DICE.get(category, {}).get(row, "")
    jaccard = _PUBLISHED_JACCARD.get((category, row))
    if jaccard is None:
        return dice
    return f"{dice} (impossible beside its Jaccard of {jaccard:.3f}; {float(dice) / (2 - float(dice)):.3f} would fit)"


def _single_against_multi(reports: Reports) -> Iterator[str]:
    yield from _lines(("head", "figure", "split by", "alone", "with the two others"))
    for unit in UNITS:
        for task in ("glands", "lumina"):
            groups = [_group(reports, f"{unit}-{row}", "All", task) for row in (task, "multi")]
            cells = ["not run" if group is None else _cell(group["metrics"]["dice"]) for group in groups]
            yield _line((_HEADS[task], "Dice", unit, *cells))
        for key, name in (("accuracy", "accuracy"), ("balanced_accuracy", "balanced accuracy")):
            yield _line(
                ("tissue", name, unit, *(_tissue(reports, f"{unit}-{row}", key) for row in ("layer1", "multi")))
            )


_HEADS = {"glands": "glands", "lumina": "lumina (weak labels)"}


def _confusion(reports: Reports, row: str) -> Iterator[str]:
    yield from _lines(("true", *EBHI_CLASSES))
    for name, counts in zip(EBHI_CLASSES, reports[row]["tissue"]["confusion"], strict=True):
        yield _line((name, *counts))


def _group(reports: Reports, row: str, category: str, task: str = "glands") -> Mapping[str, Any] | None:
    groups = [
        one for found in reports.get(row, {}).get("tasks", []) if found["task"] == task for one in found["groups"]
    ]
    return next((group for group in groups if group["name"] == category), None)


def _tissue(reports: Reports, row: str, key: str) -> str:
    return _cell(reports[row]["tissue"]["metrics"][key]) if row in reports else "not run"


def _cell(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return "not counted"
    low, high = estimate["low"], estimate["high"]
    interval = "" if low is None or high is None else f" ({low:.3f}-{high:.3f})"
    return f"{estimate['value']:.3f}{interval}"


def _lines(heads: Sequence[str]) -> Iterator[str]:
    yield _line(heads)
    yield _line(["---"] * len(heads))


def _line(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
