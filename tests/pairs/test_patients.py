"""An exported set names no patient; the key file beside it does, and patients who are renamed or merged stay one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from napari_cerberus.cli.main import main
from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.pairs.layout.dataset import open_dataset
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.patients import join_patients, key_path, read_key
from napari_cerberus.pairs.split import split_by_patient
from napari_cerberus.pairs.write.export_plan import ExportPlan, plan_export
from napari_cerberus.pairs.write.write_pairs import write_export
from napari_cerberus.progress import run_to_end
from pairs.make_source import make_settings, make_source

NAME = "Müller, Anna *1950"


@pytest.fixture(autouse=True)
def _own_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path / "user" / "models"))
    monkeypatch.delenv("NAPARI_CERBERUS_SECRET")


def plan(root: Path, patient: str, seed: int = 0, **source: object) -> ExportPlan:
    settings = make_settings(patient_id=patient, keep_patient_id=False)
    return run_to_end(plan_export(root, make_source(seed=seed, **source), settings))


def export(root: Path, patient: str, seed: int = 0, **source: object) -> str:
    planned = plan(root, patient, seed, **source)
    run_to_end(write_export(planned))
    return planned.patient_digits


def patients(root: Path) -> set[str]:
    return {record.patient for record in index_tree(root)[0]}


def test_no_file_of_the_set_holds_the_id_as_typed(tmp_path: Path) -> None:
    root = tmp_path / "set"
    number = export(root, NAME, name=f"{NAME}.svs")
    assert number.startswith("9")
    assert len(number) == 9
    assert patients(root) == {number}
    for path in root.rglob("*"):
        assert "Anna" not in path.name
        assert not path.is_file() or b"Anna" not in path.read_bytes()
    assert json.loads(key_path(root).read_text(encoding="utf-8"))["patients"] == {NAME: number}
    assert key_path(root).parent == tmp_path, "beside the set, so that a copy of the set leaves it"


def test_the_user_reads_the_id_that_was_typed(tmp_path: Path) -> None:
    assert repr(NAME) in plan(tmp_path / "set", NAME).summary


def test_a_patient_has_one_number_in_all_sets_of_this_computer_and_another_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = export(tmp_path / "a", NAME)
    assert export(tmp_path / "b", NAME.upper(), seed=1) == number
    secret = tmp_path / "user" / "patients.secret"
    assert secret.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path / "other" / "models"))
    assert export(tmp_path / "c", NAME) != number
    assert export(tmp_path / "a", NAME, seed=2) == number, "the key file goes before the secret"


def test_a_missing_key_file_is_one_sentence_and_nothing_is_lost(tmp_path: Path) -> None:
    root = tmp_path / "set"
    number = export(root, NAME)
    key_path(root).unlink()
    again = plan(root, NAME, seed=1)
    assert again.patient_digits == number
    assert sum("set.patients.json" in note for note in again.notes) == 1
    run_to_end(write_export(again))
    assert read_key(root) == {NAME: number}
    assert patients(root) == {number}


@pytest.mark.parametrize("text", ["", "zz", "abcd"])
def test_a_damaged_secret_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "patients.secret").write_text(text)
    with pytest.raises(DataError, match=r"patients\.secret"):
        plan(tmp_path / "set", NAME)


@pytest.mark.parametrize("text", ["{", '{"format": "x"}', '{"patients": {"a": "b"}}'])
def test_a_damaged_key_file_stops_the_export_in_one_sentence(tmp_path: Path, text: str) -> None:
    root = tmp_path / "set"
    export(root, NAME)
    key_path(root).write_text(text)
    with pytest.raises(DataError, match=r"set\.patients\.json"):
        plan(root, NAME, seed=1)


def test_an_id_that_the_set_holds_already_is_the_same_patient(tmp_path: Path) -> None:
    root = tmp_path / "set"
    run_to_end(write_export(run_to_end(plan_export(root, make_source(), make_settings(patient_id="2015362")))))
    assert export(root, "GT2015362", seed=1) == "2015362", "as published"
    number = export(root, NAME, seed=2)
    assert export(root, number, seed=3) == number


def test_a_patient_who_was_renamed_stays_one(tmp_path: Path) -> None:
    root = tmp_path / "set"
    number = export(root, NAME)
    said = join_patients(root, [NAME, "Schmidt, Anna"], open_dataset(root).patient_digits)
    assert number in said
    assert export(root, "Schmidt, Anna", seed=1) == number
    assert patients(root) == {number}


def test_patients_who_turn_out_to_be_one_are_one_in_every_split(tmp_path: Path) -> None:
    root = tmp_path / "set"
    numbers = [export(root, name, seed) for seed, name in enumerate(("A. B.", "B. A.", "C", "D"))]
    assert main(["pairs", "same-patient", str(root), "A. B.", "B. A."]) == 0
    assert patients(root) == {min(numbers[:2]), *numbers[2:]}
    assert main(["pairs", "same-patient", str(root), numbers[1], numbers[2]]) == 0
    records = index_tree(root)[0]
    assert {record.patient for record in records} == {min(numbers[:3]), numbers[3]}
    assert {record.patients for record in records} == {frozenset(numbers[:3]), frozenset()}
    split = split_by_patient(records, (0.5, 0.0, 0.5), 1)
    sides = {side: {record.patient for record in records if record.id in ids} for side, ids in split.sides.items()}
    assert not sides["train"] & sides["test"]
    copy = shutil.copytree(root, tmp_path / "copy")
    assert {record.patient for record in index_tree(Path(copy))[0]} == {min(numbers[:3]), numbers[3]}


@pytest.mark.parametrize(
    ("ids", "said"),
    [([NAME], "at least two"), ([NAME, NAME.lower()], "at least two"), (["x", "y"], "no pairs of x or y")],
)
def test_what_cannot_be_joined_is_said(tmp_path: Path, ids: list[str], said: str) -> None:
    root = tmp_path / "set"
    export(root, NAME)
    before = key_path(root).read_bytes()
    with pytest.raises(SettingsError, match=said):
        join_patients(root, ids, open_dataset(root).patient_digits)
    assert key_path(root).read_bytes() == before


def test_a_damaged_list_of_same_patients_is_one_sentence(tmp_path: Path) -> None:
    root = tmp_path / "set"
    export(root, NAME)
    (root / "patients.json").write_text('{"groups": 3}')
    with pytest.raises(DataError, match=r"patients\.json"):
        index_tree(root)
