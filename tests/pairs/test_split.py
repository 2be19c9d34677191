"""Splits: patients stay together, categories are balanced, the file is strict."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.split import (
    SUBSETS,
    Split,
    apply_split,
    read_split,
    split_by_image,
    split_by_patient,
    under_sources,
    write_split,
)


@dataclass(frozen=True)
class Tile:
    id: str
    patient: str
    stratum: str


def tiles(*spec: tuple[str, str, int]) -> list[Tile]:
    return [
        Tile(f"{stratum}/{patient}-{number}", patient, stratum)
        for patient, stratum, count in spec
        for number in range(count)
    ]


tile_lists = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("ABC"), st.integers(1, 6)), min_size=3, max_size=25
).map(lambda rows: tiles(*{(f"p{p}", s): (f"p{p}", s, n) for p, s, n in rows}.values()))


@given(tile_lists, st.integers(0, 5))
def test_every_tile_is_on_one_side_and_every_patient_too(records: list[Tile], seed: int) -> None:
    patients = {record.patient for record in records}
    if len(patients) < 3:
        with pytest.raises(DataError, match="patient"):
            split_by_patient(records, seed=seed)
        return
    split = split_by_patient(records, seed=seed)
    ids = [id_ for side in split.sides.values() for id_ in side]
    assert sorted(ids) == sorted(record.id for record in records)
    patient_of = {record.id: record.patient for record in records}
    sides = [{patient_of[id_] for id_ in side} for side in split.sides.values()]
    assert all(sides)
    assert sum(len(side) for side in sides) == len(patients)


@given(tile_lists, st.integers(0, 5), st.randoms())
def test_the_order_of_the_list_does_not_matter(records: list[Tile], seed: int, order: random.Random) -> None:
    shuffled = records[:]
    order.shuffle(shuffled)
    if len(records) >= 3:
        assert split_by_image(shuffled, seed=seed) == split_by_image(records, seed=seed)
    if len({record.patient for record in records}) >= 3:
        assert split_by_patient(shuffled, seed=seed) == split_by_patient(records, seed=seed)


def test_categories_are_balanced_where_patients_allow() -> None:
    records = tiles(*[(f"a{i}", "A", 4) for i in range(20)], *[(f"b{i}", "B", 2) for i in range(20)])
    split = split_by_patient(records, (0.6, 0.2, 0.2))
    assert split.counts == {
        "train": {"A": 48, "B": 24},
        "validation": {"A": 16, "B": 8},
        "test": {"A": 16, "B": 8},
    }


def test_another_seed_gives_another_split() -> None:
    records = tiles(*[(f"a{i}", "A", 4) for i in range(20)])
    assert split_by_patient(records, seed=0) != split_by_patient(records, seed=1)


def test_real_tree_is_split_by_patient_close_to_the_shares(data_dir: Path) -> None:
    records, _ = index_tree(data_dir / "ebhi-seg")
    split = split_by_patient(records)
    total = Counter(record.category for record in records)
    for side, share in zip(SUBSETS, (0.7, 0.15, 0.15), strict=True):
        for category, number in total.items():
            assert abs(split.counts[side][category] / number - share) < 0.05, (side, category)


def test_one_patient_cannot_be_split_but_can_train() -> None:
    records = tiles(("p", "A", 5), ("p", "B", 5))
    with pytest.raises(DataError, match="1 patient cannot be split into 3 sides without leaking"):
        split_by_patient(records)
    assert len(split_by_patient(records, (1.0, 0.0, 0.0)).train) == 10


def test_a_side_without_a_share_stays_empty() -> None:
    split = split_by_patient(tiles(("p", "A", 2), ("q", "A", 2), ("r", "A", 2)), (0.5, 0.5, 0.0))
    assert split.test == ()
    assert split.train
    assert split.validation


def test_by_image_may_tear_patients_apart() -> None:
    split = split_by_image(tiles(("p", "A", 30)))
    assert split.unit == "image"
    assert all(split.sides.values())


@pytest.mark.parametrize(
    "fractions", [(0.5, 0.5), (0.5, 0.5, 0.5), (-0.5, 1.0, 0.5), (0, 0.5, 0.5), (float("nan"), 1, 0)]
)
def test_senseless_fractions_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(SettingsError, match="fractions"):
        split_by_patient(tiles(("p", "A", 3), ("q", "A", 3), ("r", "A", 3)), fractions)


def test_two_tiles_of_one_id_are_refused() -> None:
    with pytest.raises(DataError, match="'x'"):
        split_by_patient([Tile("x", "p", "A"), Tile("x", "q", "A")])


SPLIT = split_by_patient(tiles(("p", "A", 2), ("q", "A", 2), ("r", "B", 2)), (0.4, 0.3, 0.3), seed=7)


def test_the_file_gives_the_split_back(tmp_path: Path) -> None:
    write_split(tmp_path / "split.json", SPLIT)
    assert read_split(tmp_path / "split.json") == SPLIT


def test_apply_gives_records_and_names_what_is_new() -> None:
    records = tiles(("p", "A", 2), ("q", "A", 2), ("r", "B", 2), ("s", "B", 1))
    parts = apply_split(SPLIT, records)
    assert {record.id for record in parts.train} == set(SPLIT.train)
    assert [record.id for record in parts.unassigned] == ["B/s-0"]


def test_apply_refuses_a_split_of_other_data() -> None:
    with pytest.raises(DataError, match="does not hold"):
        apply_split(SPLIT, tiles(("p", "A", 2)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other/1"}, "format"),
        ({"seed": True}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"unit": "slide"}, "unit"),
        ({"train": "A/p-0"}, "train"),
        ({"train": [1]}, "train"),
        ({"test": None}, "test"),
        ({"counts": {}}, "counts"),
        ({"counts": {"train": {"A": 99}, "validation": {}, "test": {}}}, "counts"),
        ({"extra": 1}, "extra"),
    ],
)
def test_hostile_split_files_are_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    path = tmp_path / "split.json"
    write_split(path, SPLIT)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=words):
        read_split(path)


def test_a_tile_named_twice_is_refused(tmp_path: Path) -> None:
    doubled = replace(SPLIT, test=SPLIT.train, counts={**SPLIT.counts, "test": SPLIT.counts["train"]})
    write_split(tmp_path / "split.json", doubled)
    with pytest.raises(DataError, match="more than once"):
        read_split(tmp_path / "split.json")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"seed": NaN}', "[" * 100_000, "\x00"])
def test_files_that_are_no_json_object_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(DataError, match=r"split\.json"):
        read_split(tmp_path / "split.json")


def test_a_missing_split_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_split(tmp_path / "no.json")


def test_split_keeps_its_parts() -> None:
    assert isinstance(SPLIT, Split)
    assert list(SPLIT.sides) == list(SUBSETS)


def test_a_split_of_a_folder_is_known_under_a_runs_sources() -> None:
    plain = Split(seed=1, unit="patient", train=("A/x", "A/y"), validation=("B/z",), test=("C/gone",), counts={})
    one = under_sources(plain, ["mine/A/x", "mine/A/y", "mine/B/z"])
    assert one.sides == {"train": ("mine/A/x", "mine/A/y"), "validation": ("mine/B/z",), "test": ("C/gone",)}
    assert under_sources(one, ["mine/A/x", "mine/A/y", "mine/B/z"]) == one
    twice = under_sources(plain, ["mine/A/x", "other/A/x", "mine/A/y"])
    assert twice.train == ("A/x", "mine/A/y"), "which A/x is meant cannot be known"
