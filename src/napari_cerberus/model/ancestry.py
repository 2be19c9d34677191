"""Whom a model has learned from, itself and through every model that it was made from. Loads no torch.

A model's record (``ModelSpec.provenance``) names its own patients by side (``train_patients`` ...), and under
``ancestor_patients`` all patients who taught or chose the weights of a model before it. It goes with the model
through every fine-tune, export and import. Where one of them does not say, ``ancestor_unknown`` names it.
"""

from __future__ import annotations

from typing import Any

from .spec import ModelSpec

PATIENTS, UNKNOWN = "ancestor_patients", "ancestor_unknown"
STAIN_ADAPTATION = "stain_adaptation"
"""Field of a model that is another one adapted, without labels, to a laboratory's stain."""
_SIDES = ("train", "validation")


def own_patients(spec: ModelSpec) -> frozenset[str]:
    """``source:patient`` of those it was trained on, or who have chosen its weights, in its own training."""
    return frozenset().union(*(named(spec, f"{side}_patients") for side in _SIDES))


def ancestor_patients(spec: ModelSpec) -> frozenset[str]:
    """``source:patient`` of those who taught a model that it was made from."""
    return named(spec, PATIENTS)


def all_patients(spec: ModelSpec) -> frozenset[str]:
    """Its own and its ancestors'."""
    return own_patients(spec) | ancestor_patients(spec)


def silent_teacher(spec: ModelSpec) -> str:
    """Its own name, or that of a model before it, where it does not say whom it learned from; empty where all do."""
    return silent_ancestor(spec) if named(spec, "train_patients") else spec.name


def silent_ancestor(spec: ModelSpec) -> str:
    """Name of a model before it that does not say whom it learned from; empty where all do, and where there is none."""
    record = spec.provenance
    if record.get("learned_here"):
        return spec.name  # from areas of an open image, whose patient nobody asked for
    said = isinstance(record.get(PATIENTS), list)
    started = record.get("started_from")
    if started and not said:
        return str(started.get("name", "?")) if isinstance(started, dict) else "?"
    unknown = record.get(UNKNOWN, "")
    return unknown if isinstance(unknown, str) else "?"


def inherited(base: ModelSpec | None, *, unknown: str = "") -> dict[str, Any]:
    """What goes into the record of a model that was made from ``base``.

    Parameters
    ----------
    base : ModelSpec or None
        None: from nothing, or from weights that have seen no H&E patient.
    unknown : str
        What else it was made from, and which does not say.
    """
    if base is None:
        return {PATIENTS: [], **({UNKNOWN: unknown} if unknown else {})}
    silent = silent_teacher(base)
    return {PATIENTS: sorted(all_patients(base)), **({UNKNOWN: silent} if silent else {})}


def named(spec: ModelSpec, field: str) -> frozenset[str]:
    """Names of a field of an untrusted record; empty where it holds something else."""
    listed = spec.provenance.get(field)
    return frozenset(name for name in listed if isinstance(name, str)) if isinstance(listed, list) else frozenset()


def adapted_from(spec: ModelSpec) -> str:
    """Name of the model that this one is a stain adaptation of; empty where it is none."""
    record = spec.provenance.get(STAIN_ADAPTATION)
    parent = record.get("parent") if isinstance(record, dict) else None
    name = parent.get("name") if isinstance(parent, dict) else None
    return name if isinstance(name, str) else ""
