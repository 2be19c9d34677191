"""One HTML page with everything in it: no file beside it, nothing from the network, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..metric_catalogue import OBJECT_METRICS, PIXEL_METRICS, TISSUE_METRICS, TYPE_METRICS
from ..outcome import Evaluation
from ..summary import TaskSummary, TissueSummary, TypeSummary
from .charts import interval_chart, reliability_chart
from .examples import Example, Examples
from .html_tables import (
    class_table,
    confusion_table,
    definitions,
    object_table,
    pixel_table,
    table,
    tissue_table,
    type_table,
)
from .markup import Content, Markup, element
from .style_sheet import STYLE

_TITLES = {"nuclei": "Nuclei", "glands": "Glands", "lumina": "Lumina"}
_BANNERS = {
    "training": "Training data: the model has learnt from these tiles",
    "validation": "Validation data: these tiles chose the model",
    "unknown": "It is not known whether the model has learnt from these tiles",
    "held out": "",
}


def page(evaluation: Evaluation, examples: Examples) -> str:
    """The whole page."""
    title = f"{evaluation.model['name']} on {', '.join(evaluation.data['sources'])}"
    body = element(
        "main",
        element("h1", title),
        _banners(evaluation),
        _facts(evaluation),
        [_task_section(summary, examples) for summary in evaluation.tasks],
        [_type_section(summary) for summary in evaluation.types],
        _tissue_section(evaluation.tissue, examples.wrong) if evaluation.tissue else None,
        _how(evaluation),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    return f"<!doctype html>\n{element('html', head, element('body', body), lang='en')}\n"


def _banners(evaluation: Evaluation) -> list[Markup]:
    """What must be read before any figure: training data, leaks, then what the model has seen."""
    leakage_status, leaks = evaluation.leakage_status, evaluation.leaks
    loud = _BANNERS[leakage_status.kind]
    banners = [
        element(
            "div",
            element("strong", loud.upper() if leakage_status.kind == "training" else loud) if loud else None,
            element("p", leakage_status.sentence),
            class_=f"banner {'bad' if leakage_status.kind == 'training' else 'warn' if loud else 'good'}",
        )
    ]
    if evaluation.split["unit"] == "image" or (leaks and leaks.leaks):
        by_image = "It is a split by image, not by patient. " if evaluation.split["unit"] == "image" else ""
        words = by_image + (leaks.summary if leaks else "")
        banners.append(element("div", element("strong", "This split leaks"), element("p", words), class_="banner bad"))
    return banners


def _facts(evaluation: Evaluation) -> Markup:
    split, data, model = evaluation.split, evaluation.data, evaluation.model
    named = f"{split['file']} (by {split['unit']}), side {split['side']}" if split["file"] else "none: all tiles"
    rows: list[tuple[str, str]] = [
        ("Scored", f"{data['tiles']} tiles of {data['patients']} patients"),
        ("Split", named),
        ("Leaks", evaluation.leaks.summary if evaluation.leaks else "no split to look for leaks in"),
        ("Model", f"{model['name']}, {model['pixel_size_um']:g} µm/px, SHA-256 {model['sha256']}"),
        ("Data", f"SHA-256 {data['sha256']} of the scored images"),
        ("Sensitivity", f"{evaluation.settings['sensitivity']:g}"),
        ("Repair", _repair(evaluation.settings["repair"])),
        (
            "Ran on",
            f"{'; '.join(evaluation.environment['ran_on'])}: "
            f"{evaluation.environment['median_seconds_per_tile']:g} s a tile",
        ),
    ]
    return element("dl", [(element("dt", name), element("dd", words)) for name, words in rows], class_="facts")


def _repair(steps: Mapping[str, bool]) -> str:
    off = [name.replace("_", " ") for name, on in steps.items() if not on]
    return "all steps" if not off else "none" if len(off) == len(steps) else f"without: {', '.join(off)}"


def _task_section(summary: TaskSummary, examples: Examples) -> Markup:
    title = _TITLES.get(summary.task, summary.task)
    worst, best = examples.worst.get(summary.task, ()), examples.best.get(summary.task, ())
    return element(
        "section",
        element("h2", title, element("span", "weak label", class_="tag") if summary.weak else None),
        _weak_note() if summary.weak else None,
        element("h3", "Dice, mean over tiles"),
        interval_chart([(g.name, g.metrics["dice"]) for g in summary.groups], f"Dice of {title.lower()}"),
        element("h3", "Pixels"),
        pixel_table(summary),
        element("h3", "Objects"),
        object_table(summary),
        element("p", _interval_note([(g.name, g.note) for g in summary.groups]), class_="muted"),
        _gallery("Worst tiles", worst, legend=True),
        _gallery("Best tiles", best, legend=True),
    )


def _type_section(summary: TypeSummary) -> Markup:
    title = _TITLES.get(summary.types_of, summary.types_of)
    return element(
        "section",
        element("h2", f"{title}: classes"),
        type_table(summary),
        element("p", _interval_note([("", summary.note)]), class_="muted"),
        element("h3", "Confusion matrix"),
        confusion_table(summary),
        element("h3", "Classes"),
        class_table(summary, "Objects"),
    )


def _tissue_section(summary: TissueSummary, wrong: Sequence[Example]) -> Markup:
    return element(
        "section",
        element("h2", "Tissue"),
        tissue_table(summary),
        element("p", _interval_note([("", summary.note)]), class_="muted"),
        element("h3", "Confusion matrix"),
        confusion_table(summary),
        element("h3", "Classes"),
        class_table(summary),
        element("h3", "Reliability"),
        element("p", "On the dashed line an answer of 80 % is right in 80 of 100 cases."),
        reliability_chart(summary.reliability, "Reliability curve"),
        _gallery("Surest wrong answers", wrong),
    )


def _gallery(title: str, examples: Sequence[Example], *, legend: bool = False) -> Content:
    if not examples:
        return None
    key = element("p", element("span", "drawn", class_="key drawn"), element("span", "found", class_="key found"))
    metrics = [
        element(
            "figure",
            example.picture,
            element("figcaption", element("b", example.score.id), element("br"), example.caption),
        )
        for example in examples
    ]
    return (element("h3", title), key if legend else None, element("div", metrics, class_="gallery"))


def _how(evaluation: Evaluation) -> Markup:
    skipped = [(score.id, score.problem) for score in evaluation.skipped]
    settings = evaluation.settings
    return element(
        "section",
        element("h2", "How this was measured"),
        element(
            "p",
            "Every tile went through the same steps as a click on Annotate, at its own pixel size, and the result "
            "was compared on the tile's own pixels. Intervals are 95 % bootstrap-t intervals: "
            f"{settings['bootstrap_samples']} samples of whole patients, seed {settings['bootstrap_seed']}. "
            "A figure that is not defined (nothing drawn and nothing found) is not counted, neither as 0 nor as 1.",
        ),
        element("ul", [element("li", note) for note in evaluation.notes]),
        [
            (element("h3", title), definitions(metrics))
            for title, metrics in (
                ("Figures of pixels", PIXEL_METRICS),
                ("Figures of objects", OBJECT_METRICS),
                *((("Figures of the classes of objects", TYPE_METRICS),) if evaluation.types else ()),
                ("Figures of the tissue class", TISSUE_METRICS),
            )
        ],
        (element("h3", f"{len(skipped)} tile(s) could not be scored"), table(("Tile", "Why"), skipped))
        if skipped
        else None,
        element("p", "Not for diagnosis.", class_="muted"),
    )


def _weak_note() -> Markup:
    return element(
        "p",
        "These labels were made by a rule from brightness, and nobody drew them. The figures say how well the model "
        "repeats the rule, not how well it finds lumina.",
        class_="weak",
    )


def _interval_note(notes: Sequence[tuple[str, str]]) -> str:
    said = "; ".join(f"{name}: {note}" if name else note for name, note in notes if note)
    return f"Small figures: 95 % interval by patient{f' ({said})' if said else ''}."
