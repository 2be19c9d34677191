"""What a model has to do with patients. One patient may come from several sources, so the source's name is left out."""

from __future__ import annotations

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
    listed = spec.provenance.get(f"{side}_patients")
    return frozenset(name for name in listed if isinstance(name, str)) if isinstance(listed, list) else frozenset()


def training_patients(model: Model) -> frozenset[str]:
    """Patients that a model was trained on, or that have chosen its weights."""
    return patients_of(model.spec, "train") | patients_of(model.spec, "validation")
