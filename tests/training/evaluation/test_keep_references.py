"""Which tiles are kept with a model, and the yardstick of validation tiles."""

import numpy as np
import pytest

from napari_cerberus.errors import DataError
from napari_cerberus.model import reference_tiles
from napari_cerberus.model.reference_tiles import read_references, write_references
from napari_cerberus.pairs.split import Split, write_split
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.evaluation.keep_references import keep_references
from napari_cerberus.training.evaluation.selection import select_folder
from training.evaluation import trees


@pytest.fixture
def sides(tmp_path, monkeypatch):
    monkeypatch.setattr(reference_tiles, "VECTOR_LENGTH", 4)  # of the tiny network
    tree = trees.ebhi_tree(tmp_path / "tiles", {"Normal": ["1", "2", "3"], "Polyp": ["4", "5"]})
    names = [f"tiles/{kind}/GT{one}-1-400-001" for kind, one in zip("NNNPP", "12345", strict=True)]
    names = [name.replace("/N/", "/Normal/").replace("/P/", "/Polyp/") for name in names]
    counts = {"train": {"Normal": 2, "Polyp": 1}, "validation": {"Normal": 1, "Polyp": 1}, "test": {}}
    train, validation = (*names[:2], names[3]), (names[2], names[4])
    split = Split(seed=1, unit="patient", train=train, validation=validation, test=(), counts=counts)
    path = tmp_path / "split.json"
    write_split(path, split)
    model = trees.model()

    def side(name):
        return select_folder(tree, model.spec.tasks, split_path=path, side=name, pixel_size=None)

    return model, side("train"), side("validation")


def test_classes_take_turns_and_validation_tiles_are_the_yardstick(sides, tmp_path) -> None:
    model, train, validation = sides
    kept = run_to_end(keep_references(model, train, validation, count=2, attribution="Us, CC BY 4.0"))
    assert [kept.classes[index] for index in kept.class_of] == ["Normal", "Polyp"]
    assert len(kept.held_out) == 2
    assert (np.diff(kept.held_out) >= 0).all()
    assert all(picture[:2] == b"\xff\xd8" for picture in kept.thumbnails)
    write_references(tmp_path, kept)
    again = read_references(tmp_path, model.sha256)
    assert again is not None
    assert again.names == kept.names


def test_no_thumbnail_without_an_attribution(sides) -> None:
    model, train, validation = sides
    assert run_to_end(keep_references(model, train, validation, count=3)).thumbnails == ()


def test_the_sides_must_be_what_they_are(sides) -> None:
    model, train, validation = sides
    with pytest.raises(DataError, match="training side"):
        run_to_end(keep_references(model, validation, train, count=3))
