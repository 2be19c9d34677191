"""A model card: prose that a person wrote, then what the model's own record and an evaluation's report say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...decode_errors import reason_of
from ...errors import DataError
from ...model.checkpoint import Model, save_model
from ...model.reference_tiles import read_references, write_references
from ...pairs.licences import licence_lines
from ...strict_json import read_object
from .outcome import REPORT_FORMAT

_TASK_COLUMNS = (
    ("dice", "Dice"),
    ("jaccard", "Jaccard"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("f1", "object F1"),
    ("pq", "PQ"),
    ("aji", "AJI"),
)
_TISSUE_ROWS = (
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("macro_f1", "macro F1"),
    ("ece", "expected calibration error"),
)


def release(model: Model, about: str, report: Mapping[str, Any], folder: Path) -> str:
    """Write ``model`` in half precision with its card to ``folder``; returns the SHA-256 of the new weights file.

    Raises
    ------
    DataError
        If the report is of another model.
    OutputError
        If the folder cannot be written.
    """
    about_model = report.get("model")
    reported = str(about_model.get("sha256", "?")) if isinstance(about_model, Mapping) else "?"
    if reported != model.sha256:
        raise DataError(f"The report is of the model {reported[:12]}…, not of {model.sha256[:12]}….")
    sha256 = save_model(folder, model.network, model.spec, card=card(model, about, report), half_precision=True)
    references = read_references(model.path, sha256) if model.path is not None else None
    if references is not None:
        write_references(folder, references)
    return sha256


def card(model: Model, about: str, report: Mapping[str, Any]) -> str:
    """Markdown: ``about``, then how the model was made, then the figures of ``report``.

    Raises
    ------
    DataError
        If the report, or the model's record of its making, lacks something.
    """
    try:
        return "\n".join([about.rstrip(), "", *_making(model), "", *_metrics(report)]).rstrip() + "\n"
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"The report or the model's record is damaged ({reason_of(error)}); evaluate the model anew."
        ) from error


def read_report(path: Path) -> Mapping[str, Any]:
    """A ``report.json`` of ``evaluate``.

    Raises
    ------
    DataError
        If it cannot be read or is something else.
    """
    report = read_object(path)
    if report.get("format") != REPORT_FORMAT:
        raise DataError(f"{path} is not a report.json of napari-cerberus evaluate.")
    return report


def _making(model: Model) -> Iterator[str]:
    record = model.spec.provenance
    yield "## How it was made"
    yield ""
    yield f"- Command: `{record.get('command', 'not recorded')}`, seed {record.get('seed')}"
    yield f"- Steps: {record.get('steps')}; kept: the averaged weights of step {record.get('best_step')}, by validation"
    yield f"- Training time: {round(record.get('training_seconds', 0) / 60)} min on {_machine(record)}"
    if base := record.get("started_from"):
        yield (
            f"- Started from: {base['name']} (`{base['sha256'][:12]}…`), made by "
            f"`{base.get('command', 'not recorded')}`, seed {base.get('seed')}; "
            f"step {base.get('best_step')} of {base.get('steps')} was kept, "
            f"after {round(base.get('training_seconds', 0) / 60)} min on {_machine(base)}"
        )
    yield f"- Pixel size: {model.spec.pixel_size_um:g} µm"
    for side, number in record.get("tiles", {}).items():
        yield f"- {side}: {number} tiles of {record.get('patients', {}).get(side)} patients"
    yield f"- Leak check: {record.get('leaks', 'not recorded')}"
    yield f"- SHA-256 of the data: `{record.get('data_sha256')}`; of the split file: `{record.get('split_sha256')}`"
    for sentence in licence_lines(record.get("licences")):
        yield f"- Data: {sentence}"
    if model.spec.temperatures or model.spec.thresholds:
        numbers = [f"{key} temperature {value:.2f}" for key, value in model.spec.temperatures.items()]
        numbers += [f"{key} threshold {value:.2f}" for key, value in model.spec.thresholds.items()]
        yield f"- Fitted on the validation side: {', '.join(numbers)}"


def _metrics(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"## Figures on the {report['split']['side']} side"
    yield ""
    yield f"{report['leakage_status']['sentence']} Printed by `napari-cerberus evaluate`; means over tiles for pixels,"
    yield "pooled for objects; in brackets 95 % intervals, bootstrapped by patient."
    for task in report["tasks"]:
        yield ""
        weak = " (**weak labels**: made by a rule, nobody drew them)" if task["weak"] else ""
        yield f"### {task['task'].capitalize()}{weak}"
        yield ""
        yield from _table(
            ["group", "tiles", "patients", *(heading for _, heading in _TASK_COLUMNS)],
            [
                [
                    group["name"],
                    group["tiles"],
                    group["patients"],
                    *(_cell(group["metrics"][k]) for k, _ in _TASK_COLUMNS),
                ]
                for group in task["groups"]
            ],
        )
    for named in report.get("types", []):
        yield ""
        yield f"### Classes of {named['types_of']}"
        yield ""
        rows = [["accuracy", _cell(named["metrics"]["accuracy"])]]
        rows.append(["balanced accuracy", _cell(named["metrics"]["balanced_accuracy"])])
        yield from _table([f"{named['objects']} matched objects", "value"], rows)
        yield ""
        yield from _class_table(named["classes"], "objects")
    if tissue := report.get("tissue"):
        yield ""
        yield "### Tissue type"
        yield ""
        yield from _table(["figure", "value"], [[name, _cell(tissue["metrics"][key])] for key, name in _TISSUE_ROWS])
        yield ""
        yield from _class_table(tissue["classes"], "tiles")


def _class_table(classes: Sequence[Mapping[str, Any]], cases: str) -> Iterator[str]:
    metrics = ("recall", "precision", "f1")
    rows = [[one["name"], one["cases"], *(_cell(one[key]) for key in metrics)] for one in classes]
    yield from _table(["class", cases, "recall", "precision", "F1"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(str(cell) for cell in cells)} |"


def _cell(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return "not counted"
    low, high = estimate.get("low"), estimate.get("high")
    interval = f" ({low:.3f}-{high:.3f})" if low is not None and high is not None else ""
    return f"{estimate['value']:.3f}{interval}"


def _machine(record: Mapping[str, Any]) -> str:
    environment = record.get("environment", {})
    return environment.get("cuda") or f"{environment.get('threads', '?')} CPU threads"
