"""A split where some tiles are missing or new: what is left, and what is said."""

import pytest

from napari_cerberus.errors import DataError
from napari_cerberus.pairs.check.availability import present
from napari_cerberus.pairs.split import Split, apply_split
from pairs.test_split import Tile

NAMES = [f"tile{number:02d}" for number in range(40)]
SPLIT = Split(
    seed=0,
    unit="patient",
    train=tuple(NAMES[:30]),
    validation=tuple(NAMES[30:35]),
    test=tuple(NAMES[35:]),
    counts={"train": {"Polyp": 30}, "validation": {"Polyp": 5}, "test": {"Polyp": 5}},
)


def tiles(names):
    return [Tile(name, name, "Polyp") for name in names]


def test_nothing_is_said_where_all_is_there():
    assert present(SPLIT, tiles(NAMES)) == (SPLIT, ())


def test_two_of_forty_may_be_missing_and_three_may_not():
    left, (sentence,) = present(SPLIT, tiles(NAMES[1:-1]))
    assert (len(left.train), len(left.test)) == (29, 4)
    assert left.counts["train"] == {"Polyp": 29}
    assert "2 tiles" in sentence
    assert "'tile00'" in sentence
    refused, notes = present(SPLIT, tiles(NAMES[3:]))
    assert notes == ()
    with pytest.raises(DataError, match="names 3 tiles"):
        apply_split(refused, tiles(NAMES[3:]))


def test_strangers_are_counted():
    left, (sentence,) = present(SPLIT, tiles([*NAMES, "new"]))
    assert left == SPLIT
    assert "1 tile left alone" in sentence
