"""A comparison on disk: whole, strict, and never a path out of its folder."""

import json
from pathlib import Path

import pytest

from napari_cerberus.errors import DataError
from napari_cerberus.finetune.comparison.comparison_record import (
    ModelComparison,
    Pair,
    Row,
    comparison_path,
    read_comparison,
    write_record,
)

ROW = Row(
    task="glands",
    figure="dice",
    heading="Dice",
    base=0.8,
    candidate=0.85,
    difference=0.05,
    low=0.01,
    high=0.09,
    tiles=12,
    patients=6,
    primary=True,
)
NEW = Row(task="lumina", category="Polyp", figure="dice", candidate=0.5, tiles=1, patients=1, weak=True)


@pytest.fixture
def run(tmp_path):
    folder = comparison_path(tmp_path).parent
    folder.mkdir()
    pair = Pair(tile="s/a", before=folder / "1_before.png", after=folder / "1_after.png", difference=-0.2)
    comparison = ModelComparison(
        verdict="better",
        sentence="Better: glands.",
        rows=(ROW, NEW),
        gained={"glands": 3},
        lost={"glands": 1},
        forgetting=(ROW,),
        forgetting_sentence="Nothing was forgotten.",
        gallery=(pair,),
        notes=("Lumina are weak labels.",),
        base={"name": "starter", "sha256": "a"},
        candidate={"name": "mine", "sha256": "b"},
        held_out=("P1", "P2"),
        tries=3,
    )
    write_record(folder, comparison)
    return tmp_path, comparison


def changed(run, **changes):
    path = comparison_path(run)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_was_written_is_read(run):
    folder, comparison = run
    assert read_comparison(folder) == comparison


def test_a_run_folder_can_be_moved(run, tmp_path_factory):
    folder, _ = run
    elsewhere = tmp_path_factory.mktemp("other") / "run"
    folder.rename(elsewhere)
    assert read_comparison(elsewhere).gallery[0].before == comparison_path(elsewhere).parent / "1_before.png"


def test_none_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"comparison\.json cannot be read"):
        read_comparison(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "x"}, "not a comparison"),
        ({"verdict": "great"}, "verdict 'great'"),
        ({"sentence": 3}, "'sentence'"),
        ({"needed_patients": True}, "'needed_patients'"),
        ({"more": 1}, "unknown field 'more'"),
        ({"gained": {"glands": "3"}}, "'glands'"),
        ({"rows": [3]}, "every row"),
        ({"rows": [{"task": "x"}]}, "'category' is missing"),
        ({"notes": [3]}, "sentences"),
    ],
)
def test_damage_is_named(run, changes, said):
    folder, _ = run
    changed(folder, **changes)
    with pytest.raises(DataError, match=said):
        read_comparison(folder)


@pytest.mark.parametrize("name", ["../x.png", "/etc/x.png", "a\\b.png", "", ".."])
def test_pictures_lie_beside_it(run, name):
    folder, _ = run
    changed(folder, gallery=[{"tile": "t", "before": name, "after": "a.png", "difference": 0.0}])
    with pytest.raises(DataError, match="is not a name within"):
        read_comparison(folder)


def test_no_value_that_json_does_not_know(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_record(
            tmp_path,
            ModelComparison(
                verdict="worse", sentence="", rows=(Row(task="t", figure="f", base=float("nan"), tiles=1, patients=1),)
            ),
        )
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize(
    ("tries", "begins"),
    [
        (1, ""),
        (2, "Second comparison on these patients"),
        (3, "Third comparison"),
        (11, "Comparison number 11 on these"),
    ],
)
def test_it_says_which_comparison_on_these_patients_it_is(tries, begins):
    said = ModelComparison(verdict="better", sentence="", tries=tries).tries_sentence
    assert said.startswith(begins)
    assert bool(said) == bool(begins)
