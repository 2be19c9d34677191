"""Which tiles are scored, and whether the model has seen them."""

import dataclasses
import re

import pytest

from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.pairs.split import Split, write_split
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.tasks import CERBERUS_TASKS, EBHI_TASKS
from napari_cerberus.training.evaluation.leakage_status import leakage_status
from napari_cerberus.training.evaluation.selection import kind_of, select_config, select_folder
from training.evaluation import trees

PATIENTS = {"Normal": ["1", "2"], "Polyp": ["3", "4", "5"]}


def write(path, *, name="ebhi", unit="patient", **sides):
    ids = {side: tuple(f"{name}/{one}" for one in sides.get(side, ())) for side in ("train", "validation", "test")}
    counts = {side: {"any": len(members)} if members else {} for side, members in ids.items()}
    write_split(path, Split(seed=0, unit=unit, counts=counts, **ids))
    return path


def id_of(category, patient):
    return f"{category}/GT{patient}-1-400-001"


@pytest.fixture
def tree(tmp_path):
    return trees.ebhi_tree(tmp_path / "tiles", PATIENTS)


@pytest.fixture
def split(tmp_path):
    return write(
        tmp_path / "split.json",
        train=[id_of("Normal", 1), id_of("Polyp", 3)],
        validation=[id_of("Polyp", 4)],
        test=[id_of("Normal", 2)],
    )


def select(folder, split_path=None, side=None, pixel_size_um=None, tasks=EBHI_TASKS):
    size = None if pixel_size_um is None else PixelSize.square(pixel_size_um)
    return select_folder(folder, tasks, split_path=split_path, side=side, pixel_size=size)


def test_a_tree_without_a_split_is_scored_whole_at_the_estimated_pixel_size(tree):
    chosen = select(tree)
    assert (chosen.side, len(chosen.tiles), chosen.split) == ("all", 5, None)
    assert chosen.tiles[0].load().pixel_size.yx_um == (1.13, 1.50)
    assert any("estimate" in note for note in chosen.notes)
    assert chosen.weak == {"lumina"}
    assert any("weak labels" in note for note in chosen.notes)


def test_a_given_pixel_size_is_used(tree):
    assert select(tree, pixel_size_um=0.7).tiles[0].load().pixel_size.mean_um == 0.7


def test_the_test_side_of_a_split_under_another_source_name(tree, split):
    chosen = select(tree, split)
    assert [tile.id for tile in chosen.tiles] == ["ebhi/Normal/GT2-1-400-001"]
    assert chosen.side == "test"
    assert any("1 tile(s) of the data are not named" in note for note in chosen.notes)
    assert [tile.patient for tile in select(tree, split, "validation").tiles] == ["ebhi:4"]
    assert len(select(tree, split, "all").tiles) == 5


def test_other_sources_of_a_split_do_not_matter(tree, tmp_path):
    both = write(tmp_path / "both.json", test=[id_of("Normal", 2)], train=[id_of("Polyp", 3)])
    text = both.read_text(encoding="utf-8")
    both.write_text(
        text.replace('"ebhi/Polyp/GT3-1-400-001"', '"ebhi/Polyp/GT3-1-400-001", "tnbc/01_1"').replace(
            '"train": {\n   "any": 1', '"train": {\n   "any": 2'
        ),
        encoding="utf-8",
    )
    assert [tile.id for tile in select(tree, both).tiles] == ["ebhi/Normal/GT2-1-400-001"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"side": "test"}, "a split file is needed"),
        ({"side": "tset"}, "must be one of"),
    ],
)
def test_sides_that_cannot_be_scored(tree, changes, words):
    with pytest.raises(SettingsError, match=words):
        select(tree, **changes)


def test_an_empty_side_and_a_foreign_split_are_named(tree, tmp_path):
    with pytest.raises(DataError, match="test side of the split holds no tile"):
        select(tree, write(tmp_path / "a.json", train=[id_of("Normal", 1)]))
    with pytest.raises(DataError, match="names no tile"):
        select(tree, write(tmp_path / "b.json", test=["Normal/GT99-1-400-001"]))
    with pytest.raises(DataError, match="the data does not hold"):
        select(tree, write(tmp_path / "c.json", test=[id_of("Normal", 2), id_of("Normal", 99)]))


def test_instance_folders_need_a_pixel_size(tmp_path):
    folder = trees.instance_folder(tmp_path / "nuclei", ["01_1", "01_2", "02_1"])
    assert kind_of(folder) == "instances"
    with pytest.raises(SettingsError, match="--pixel-size-um"):
        select(folder)
    chosen = select(folder, pixel_size_um=0.25)
    assert {tile.patient for tile in chosen.tiles} == {"nuclei:01", "nuclei:02"}
    assert set(chosen.tiles[0].load().labels) == {"nuclei"}
    assert not chosen.weak


def test_a_folder_of_nothing_known_and_a_model_that_cannot_are_named(tmp_path, tree):
    with pytest.raises(DataError, match="not a folder"):
        kind_of(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds neither"):
        kind_of(tmp_path / "empty")
    with pytest.raises(DataError, match="predicts none"):
        select(tree, tasks=CERBERUS_TASKS[2:3])


def test_a_limit_spreads_evenly_and_is_noted(tree):
    chosen = select(tree).limited(3)
    assert [tile.patient for tile in chosen.tiles] == ["tiles:1", "tiles:3", "tiles:5"]
    assert "Only 3 of 5 tiles" in chosen.notes[-1]
    assert select(tree).limited(9).notes == select(tree).notes
    with pytest.raises(SettingsError, match="limit"):
        select(tree).limited(0)


def test_a_config_brings_its_sources_and_its_split(tree, split, tmp_path, monkeypatch):
    monkeypatch.delenv("CERBERUS_DATA", raising=False)
    config = tmp_path / "run.toml"
    config.write_text(
        'name = "r"\nseed = 1\ntasks = ["glands", "tissue"]\npixel_size_um = 1.0\nsteps = 1\n'
        f'data_root = "{tree.parent.as_posix()}"\nsplit_file = "split.json"\n'
        '[[source]]\nname = "ebhi"\nkind = "ebhi"\npath = "tiles"\ntasks = ["glands", "tissue"]\npixel_size_um = 2.0\n'
        '[[batch]]\ntasks = ["glands"]\n',
        encoding="utf-8",
    )
    chosen = select_config(config, split_path=None, side=None)
    assert [tile.patient for tile in chosen.tiles] == ["ebhi:2"]
    assert (chosen.split_name, len(chosen.split_sha256)) == ("split.json", 64)
    assert not chosen.weak


def spec_with(**provenance):
    return dataclasses.replace(trees.model().spec, provenance=provenance)


def test_standing_by_the_models_own_split(tree, split):
    own = spec_with(test_patients=["ebhi:2", "tnbc:03"])
    kinds = {
        side: leakage_status(own, select(tree, split, side)).kind for side in ("test", "validation", "train", "all")
    }
    assert kinds == {"test": "held out", "validation": "validation", "train": "training", "all": "training"}


def test_standing_by_the_hash_of_the_split(tree, split):
    chosen = select(tree, split, "train")
    assert leakage_status(spec_with(split_sha256=chosen.split_sha256), chosen).kind == "training"
    assert leakage_status(spec_with(split_sha256="0" * 64), chosen).kind == "unknown"


def test_standing_by_patients_whatever_the_split(tree, split):
    record = {"train_patients": ["ebhi:1", "ebhi:3"], "validation_patients": ["ebhi:4"], "test_patients": ["ebhi:2"]}
    train = leakage_status(spec_with(**record), select(tree, split, "train"))
    assert train.kind == "training"
    assert re.match("2 of the 2 scored patients", train.sentence)
    assert leakage_status(spec_with(**record), select(tree, split, "validation")).kind == "validation"
    assert leakage_status(spec_with(**record), select(tree, split, "test")).kind == "held out"


def test_patients_under_another_source_name_are_not_called_new(tree):
    chosen = select(tree)  # ids begin with the folder's name
    assert chosen.tiles[0].patient == "tiles:1"
    seen = leakage_status(spec_with(train_patients=["ebhi:1"]), chosen)
    assert seen.kind == "unknown"
    assert "1 of the 5 scored patients" in seen.sentence
    assert leakage_status(spec_with(train_patients=["ebhi:77"]), chosen).kind == "held out"


@pytest.mark.parametrize("record", [{}, {"test_patients": "ebhi:2"}, {"test_patients": [3]}, {"train_patients": {}}])
def test_a_record_that_tells_nothing(tree, split, record):
    assert leakage_status(spec_with(**record), select(tree, split)).kind == "unknown"
