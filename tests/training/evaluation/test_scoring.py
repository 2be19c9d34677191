"""Scoring of one tile, and scores that survive a cut-off run."""

import dataclasses
import json

import numpy as np
import pytest

from napari_cerberus.errors import DataError, DeviceError, OutputError
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import EBHI_CLASSES
from napari_cerberus.training.evaluation import scoring
from napari_cerberus.training.evaluation.score_store import SCORES_FILE, ScoreStore
from napari_cerberus.training.evaluation.scoring import Scored, ScoreSettings, TileScore, compare, score_tile
from training.evaluation import trees

SHARES = dict(zip(EBHI_CLASSES, (0.1, 0.5, 0.1, 0.1, 0.1, 0.1), strict=True))


def polyp_score() -> Scored:
    tile = trees.tile("one")
    found = {"glands": trees.square(4, 8, 8), "nuclei": trees.square(0, 0, 3)}
    return compare(tile, tile.load(), trees.annotation(found, SHARES))


def test_a_tile_is_annotated_at_its_own_pixel_size_and_scored_on_its_own_grid(monkeypatch):
    asked = []
    found = {"glands": trees.square(4, 8, 8)}
    monkeypatch.setattr(scoring, "annotate", trees.always(trees.annotation(found), asked))
    scored = run_to_end(score_tile(trees.model(), trees.tile("one"), ScoreSettings(sensitivity=0.5)))
    assert [settings.pixel_size_um for _, settings in asked] == [PixelSize.square(1.3)]
    assert asked[0][1].sensitivity == 0.5
    pixels = scored.score.tasks["glands"].pixels
    assert (pixels.tp, pixels.fp, pixels.fn) == (32, 32, 32)
    assert np.array_equal(scored.labels["glands"], found["glands"])


def test_only_tasks_that_both_have_are_compared():
    assert set(polyp_score().score.tasks) == {"glands"}


def test_the_tissue_truth_is_the_models_class_of_that_name():
    tile = trees.tile("one", stratum="Polyp")
    turned = dict(reversed(SHARES.items()))
    score = compare(tile, tile.load(), trees.annotation({}, turned)).score
    assert list(turned)[score.tissue_truth] == "Polyp"
    assert score.tissue_answer == score.tissue_truth
    foreign = compare(tile, tile.load(), trees.annotation({}, {"stroma": 0.4, "muscle": 0.6})).score
    assert (foreign.tissue_truth, foreign.tissue) == (-1, ())


def test_a_tile_that_cannot_be_scored_is_a_problem_not_an_end():
    wrong_size = trees.tile("bad", labels={"glands": np.zeros((5, 7), np.int32)})
    score = run_to_end(score_tile(trees.model(), wrong_size)).score
    assert "7 × 5 px" in score.problem
    assert not score.tasks


def test_a_missing_device_is_no_fault_of_the_tile(monkeypatch):
    def annotate(*_):
        raise DeviceError("no memory")
        yield

    monkeypatch.setattr(scoring, "annotate", annotate)
    with pytest.raises(DeviceError):
        run_to_end(score_tile(trees.model(), trees.tile("one")))


def test_scores_survive_json():
    score = dataclasses.replace(polyp_score().score, types={"gland_types": ((0, 0), (1, 2))})
    assert TileScore.from_json(json.loads(json.dumps(score.to_json()))) == score


def test_a_store_goes_on_after_a_cut_line(tmp_path):
    first, second = polyp_score(), polyp_score()
    second = dataclasses.replace(second, score=dataclasses.replace(second.score, id="s/Polyp/two"))
    ScoreStore(tmp_path, {"model": "m"}).add(first)
    with (tmp_path / SCORES_FILE).open("a", encoding="utf-8") as stream:
        stream.write('{"id": "s/Polyp/tw')  # killed while writing
    store = ScoreStore(tmp_path, {"model": "m"}, resume=True)
    assert list(store.scores) == [first.score.id]
    store.add(second)
    again = ScoreStore(tmp_path, {"model": "m"}, resume=True)
    assert again.scores == {first.score.id: first.score, "s/Polyp/two": second.score}
    assert np.array_equal(again.labels(first.score.id)["glands"], first.labels["glands"])
    assert again.labels("never scored") == {}


def test_scores_of_something_else_do_not_mix_in(tmp_path):
    ScoreStore(tmp_path, {"model": "m", "side": "test"})
    with pytest.raises(OutputError, match="--resume"):
        ScoreStore(tmp_path, {"model": "m", "side": "test"})
    with pytest.raises(DataError, match="another side"):
        ScoreStore(tmp_path, {"model": "m", "side": "train"}, resume=True)


def test_ids_with_odd_characters_can_be_kept(tmp_path):
    odd = Scored(score=TileScore(id="s/../\udcff\n<x>", patient="p", stratum="?"))
    ScoreStore(tmp_path, {}).add(odd)
    assert list(ScoreStore(tmp_path, {}, resume=True).scores) == [odd.score.id]
    assert {path.parent.name for path in tmp_path.rglob("*.npz")} == {"labels"}
