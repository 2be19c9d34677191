"""Whom a model learned from goes with it: through fine-tunes, export and import, and into what is called held out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from napari_cerberus.model.ancestry import all_patients, ancestor_patients, inherited, silent_teacher
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.tasks import GLANDS, instances
from napari_cerberus.training.evaluation.leakage_status import leakage_status


def spec_of(name: str, base: ModelSpec | None = None, **record: Any) -> ModelSpec:
    provenance = {"started_from": {"name": base.name} if base else None, **inherited(base), **record}
    return ModelSpec(name=name, tasks=(instances(GLANDS),), pixel_size_um=0.5, provenance=provenance)


def status(spec: ModelSpec, *patients: str) -> tuple[str, str]:
    tiles = [SimpleNamespace(patient=patient, patients=frozenset()) for patient in patients]
    told = leakage_status(spec, SimpleNamespace(tiles=tiles, split=None, everything=tiles))  # type: ignore[arg-type]
    return told.kind, told.sentence


STARTER = spec_of("starter", train_patients=["ebhi:1"], validation_patients=["ebhi:2"], test_patients=["ebhi:3"])
CHILD = spec_of("child", STARTER, train_patients=["pairs:17"], validation_patients=["pairs:18"])
GRANDCHILD = spec_of("grandchild", CHILD, train_patients=["pairs:20"])


def test_patients_are_inherited_through_any_number_of_trainings() -> None:
    assert ancestor_patients(CHILD) == {"ebhi:1", "ebhi:2"}
    assert ancestor_patients(GRANDCHILD) == {"ebhi:1", "ebhi:2", "pairs:17", "pairs:18"}
    assert all_patients(GRANDCHILD) == ancestor_patients(GRANDCHILD) | {"pairs:20"}
    assert silent_teacher(GRANDCHILD) == ""


@pytest.mark.parametrize("patient", ["ebhi:1", "ebhi:2", "pairs:17", "pairs:18"])
def test_held_out_is_said_only_of_patients_that_no_ancestor_saw(patient: str) -> None:
    kind, sentence = status(GRANDCHILD, patient, "pairs:99")
    assert kind == "training"
    assert "1 of the 2 scored patients taught a model that this one was made from" in sentence
    assert status(GRANDCHILD, "pairs:99", "ebhi:3")[0] == "held out"


def test_the_number_of_an_ancestors_patient_under_another_name_is_not_called_held_out() -> None:
    kind, sentence = status(GRANDCHILD, "pairs:2")
    assert kind == "unknown"
    assert "numbers of patients who taught" in sentence


def test_an_ancestor_that_does_not_say_is_named_by_all_its_descendants() -> None:
    published = ModelSpec(name="published", tasks=(instances(GLANDS),), pixel_size_um=0.5)
    child = spec_of("child", published, train_patients=["pairs:1"])
    grandchild = spec_of("grandchild", child, train_patients=["pairs:2"])
    assert silent_teacher(grandchild) == "published"
    kind, sentence = status(grandchild, "pairs:9")
    assert kind == "unknown"
    assert "published, which it was made from, does not say" in sentence
    assert status(grandchild, "pairs:1")[0] == "training"


def test_a_model_from_another_program_or_hand_claims_nothing() -> None:
    strange = ModelSpec(
        name="strange",
        tasks=(instances(GLANDS),),
        pixel_size_um=0.5,
        provenance={"ancestor_patients": "all", "train_patients": [1], "started_from": 7, "ancestor_unknown": 3},
    )
    assert all_patients(strange) == frozenset()
    assert silent_teacher(strange) == "strange"


def test_the_record_goes_through_export_and_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_cerberus.model.checkpoint import save_model
    from napari_cerberus.model.library.exchange import export_model, import_model
    from napari_cerberus.model.network import Cerberus

    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path / "mine"))
    save_model(tmp_path / "mine" / "grandchild", Cerberus(GRANDCHILD.tasks, 9), GRANDCHILD, half_precision=True)
    export_model("grandchild", tmp_path / "model.zip")
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path / "theirs"))
    assert all_patients(import_model(tmp_path / "model.zip").spec) == all_patients(GRANDCHILD)
