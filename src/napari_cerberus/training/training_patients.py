"""What a model has to do with patients. One patient may come from several sources, so the source's name is left out."""

from __future__ import annotations

from ..model.ancestry import all_patients, named, own_patients
from ..model.checkpoint import Model
from ..model.spec import ModelSpec
from ..pairs.split import Subset


def bare_patient(name: str) -> str:
    """A patient without the name of the source: ``pairs:17`` is ``17``."""
    return name.partition(":")[2] or name


def patients_of(spec: ModelSpec, side: Subset) -> frozenset[str]:
    """Patients of a side of the split that a model was made with."""
    return frozenset(map(bare_patient, recorded(spec, side)))


def recorded(spec: ModelSpec, side: Subset) -> frozenset[str]:
    """The same as the model's record names them, with their source."""
    return named(spec, f"{side}_patients")


def training_patients(model: Model) -> frozenset[str]:
    """Patients that a model was trained on, or that have chosen its weights, in its own training."""
    return frozenset(map(bare_patient, own_patients(model.spec)))


def taught_by(spec: ModelSpec) -> frozenset[str]:
    """These, and those of every model that it was made from."""
    return frozenset(map(bare_patient, all_patients(spec)))
