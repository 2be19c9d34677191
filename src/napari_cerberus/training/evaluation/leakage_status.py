"""What a model has seen of the tiles it is scored on, as far as its own record tells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...model.ancestry import all_patients, ancestor_patients, named, silent_ancestor
from ...model.spec import ModelSpec
from ...pairs.split import SUBSETS
from .selection import Selection

LeakageKind = Literal["held out", "validation", "training", "unknown"]


@dataclass(frozen=True, kw_only=True)
class LeakageStatus:
    """How far the figures can be believed.

    Attributes
    ----------
    kind : {"held out", "validation", "training", "unknown"}
    sentence : str
        For the report.
    """

    kind: LeakageKind
    sentence: str


def leakage_status(spec: ModelSpec, selection: Selection) -> LeakageStatus:
    """Judge by the patients that the model's provenance names, else by whether the split is the model's own.

    ``provenance`` may hold ``train_patients``, ``validation_patients``, ``test_patients`` (lists of
    ``source:patient``) and ``split_sha256``; a model that holds none of them tells nothing. What the models that it
    was made from have seen counts like what it has seen itself.
    """
    seen = all_patients(spec)
    scored = {min(seen & tile.patients, default=tile.patient) for tile in selection.tiles}
    return _with_ancestors(_own_status(spec, selection, scored), spec, scored)


def _own_status(spec: ModelSpec, selection: Selection, scored: Collection[str]) -> LeakageStatus:
    record = spec.provenance
    known = {side: named(spec, f"{side}_patients") for side in SUBSETS}
    if known["train"]:
        learnt_from = known["train"] | known["validation"]
        if not _sources(scored) & _sources(learnt_from):
            return _by_number(scored, learnt_from)
        return _by_patients(scored, known["train"], known["validation"])
    if selection.split is not None and is_own_split(record, selection):
        return _by_side(selection)
    if known["test"] and known["test"].issuperset(scored):
        return _held_out("All scored patients are test patients of the model.")
    return LeakageStatus(
        kind="unknown",
        sentence="Whether the model was trained on these patients is not known: "
        "its record does not name them, or the split is not the one it was trained with.",
    )


def _with_ancestors(status: LeakageStatus, spec: ModelSpec, scored: Collection[str]) -> LeakageStatus:
    before = ancestor_patients(spec)
    if status.kind == "training":
        return status
    if seen := before.intersection(scored):
        return _training(
            f"{len(seen)} of the {len(scored)} scored patients taught a model that this one was made from."
        )
    if status.kind != "held out":
        return status
    numbers = {_number(patient) for patient in before}
    if alike := sum(_number(patient) in numbers for patient in scored):
        return LeakageStatus(
            kind="unknown",
            sentence=f"{alike} of the {len(scored)} scored patients have the numbers of patients who taught a model "
            "that this one was made from, under another name of the data.",
        )
    if silent := silent_ancestor(spec):
        return LeakageStatus(
            kind="unknown",
            sentence=f"The model's own record names none of the scored patients, but {silent}, which it was made "
            "from, does not say whom it learned from.",
        )
    return status


def is_own_split(record: Mapping[str, Any], selection: Selection) -> bool:
    """True where the split is the one the model was trained with: the same file, or the same test patients."""
    if record.get("split_sha256"):
        return bool(record["split_sha256"] == selection.split_sha256)
    if selection.split is None:
        return False
    test = set(selection.split.test)
    here = {tile.patient for tile in selection.everything if tile.id in test}
    sources = _sources(tile.patient for tile in selection.everything)
    return bool(here) and here == {patient for patient in _listed(record) if _source(patient) in sources}


def _by_patients(scored: Collection[str], train: Collection[str], validation: Collection[str]) -> LeakageStatus:
    seen = sum(patient in train for patient in scored)
    used = sum(patient in validation for patient in scored)
    if seen:
        return _training(f"{seen} of the {len(scored)} scored patients were in the model's training data.")
    if used:
        return _validation(f"{used} of the {len(scored)} scored patients chose the model's weights and thresholds.")
    return _held_out("The model's record names none of the scored patients as training or validation patients.")


def _by_number(scored: Collection[str], learnt_from: Collection[str]) -> LeakageStatus:
    """For data under another source name: only the patients' own numbers can be compared."""
    numbers = {_number(patient) for patient in learnt_from}
    alike = sum(_number(patient) in numbers for patient in scored)
    if not alike:
        return _held_out("The model's record names none of the scored patients as training or validation patients.")
    return LeakageStatus(
        kind="unknown",
        sentence=f"{alike} of the {len(scored)} scored patients have the numbers of patients the model was trained "
        "with, under another name of the data; give the model's own split file with --split to tell them apart.",
    )


def _by_side(selection: Selection) -> LeakageStatus:
    if selection.side == "test":
        return _held_out("These are the test tiles of the model's own split.")
    if selection.side == "validation":
        return _validation("These are the validation tiles of the model's own split.")
    return _training("These tiles include the training side of the model's own split.")


def _held_out(why: str) -> LeakageStatus:
    return LeakageStatus(kind="held out", sentence=f"{why} It has not learnt from them.")


def _validation(why: str) -> LeakageStatus:
    return LeakageStatus(kind="validation", sentence=f"{why} The figures flatter the model a little.")


def _training(why: str) -> LeakageStatus:
    return LeakageStatus(kind="training", sentence=f"{why} The figures say nothing about new patients.")


def _sources(patients: Iterable[str]) -> set[str]:
    return {_source(patient) for patient in patients}


def _source(patient: str) -> str:
    return patient.partition(":")[0]


def _number(patient: str) -> str:
    return patient.partition(":")[2]


def _listed(record: Mapping[str, Any]) -> list[str]:
    """Test patients of an untrusted record."""
    names = record.get("test_patients")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
