"""Whatever was scored on test more than once says how often."""

from pathlib import Path

import pytest

from napari_cerberus.training.evaluation.scored_before import ledger_path, times_scored


@pytest.fixture(autouse=True)
def _own_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_CERBERUS_TEST_LEDGER", str(tmp_path / "a" / "ledger.jsonl"))


def test_each_model_on_the_same_patients_is_counted_once() -> None:
    patients = ["tnbc:1", "tnbc:2"]
    assert "first time" in times_scored({"model": "a"}, patients)
    assert "first time" in times_scored({"model": "a"}, patients), "an evaluation that goes on is the same one"
    assert "2 times" in times_scored({"model": "b"}, patients)
    assert "3 times" in times_scored({"model": "c"}, [*patients, "tnbc:3"]), "half of them are the same"
    assert "first time" in times_scored({"model": "d"}, ["tnbc:7", "tnbc:8"])
    assert "tnbc" not in ledger_path().read_text()


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"what": 1}\n', "\x00", '[]\n{"what": "x", "patients": 3}\n'])
def test_a_damaged_ledger_counts_what_is_whole(text: str) -> None:
    ledger_path().parent.mkdir()
    ledger_path().write_text(text + "\n")
    assert "first time" in times_scored({"model": "a"}, ["1"])
    assert "2 times" in times_scored({"model": "b"}, ["1"])


def test_a_ledger_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    assert "not counted" in times_scored({"model": "a"}, ["1"])
