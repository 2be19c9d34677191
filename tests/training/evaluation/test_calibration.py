"""Temperature and thresholds: fitted on validation, in the terms of what the user reads."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from napari_cerberus.cli import calibrate_command as command
from napari_cerberus.errors import DataError, OutputError
from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.model.spec import load_spec
from napari_cerberus.pairs.split import Split
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS, LUMINA
from napari_cerberus.training.evaluation.calibrate_model import Calibrated, calibrate
from napari_cerberus.training.evaluation.calibration import (
    THRESHOLDS,
    ThresholdPoint,
    TissueAnswer,
    choose_threshold,
    fit_temperature,
    threshold_point,
)
from napari_cerberus.training.evaluation.read_tile import cut_objects, see_tile
from napari_cerberus.training.evaluation.scoring import compare_labels
from napari_cerberus.training.evaluation.selection import Selection
from training.evaluation import trees


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=0))
    return shares / shares.sum(axis=0)


def answers(count, sharpness, seed=0):
    """Answers whose logits are ``sharpness`` times too large for how often they are right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, 4))
    truth = [int(rng.choice(4, p=softmax(one))) for one in logits]
    shown = [softmax(sharpness * one)[:, None].astype(np.float32) for one in logits]
    return [TissueAnswer(probabilities=p, truth=t) for p, t in zip(shown, truth, strict=True)]


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_the_answers_too_sure(sharpness):
    fit = fit_temperature(answers(1000, sharpness), present=2.0)
    assert fit.temperature == pytest.approx(2.0 * sharpness, rel=0.12)
    assert fit.log_loss_after <= fit.log_loss_before
    assert fit.ece_after < 0.05
    assert fit.tiles == 1000


def test_a_fit_is_never_worse_than_none():
    certain = [TissueAnswer(probabilities=np.array([[1.0], [0.0]], np.float32), truth=0)] * 5
    fit = fit_temperature(certain)
    assert fit.log_loss_after <= fit.log_loss_before
    with pytest.raises(DataError, match="No validation tile"):
        fit_temperature([])


def test_the_readout_is_the_mean_of_softened_windows():
    logits = np.random.default_rng(0).normal(0, 2, (3, 5))
    answer = TissueAnswer(probabilities=softmax(logits / 1.5).astype(np.float32), truth=0)
    assert answer.readout(2.0) == pytest.approx(softmax(logits / 3.0).mean(axis=1), abs=1e-5)


def test_a_fitted_temperature_gives_the_readout_it_was_fitted_on():
    model, tile = trees.model(), trees.tile("t")
    seen = run_to_end(see_tile(model, tile, device="cpu"))
    before = seen.prediction.tissue[:, seen.holds_tissue]
    expected = TissueAnswer(probabilities=before, truth=0).readout(1.7)
    warmer = dataclasses.replace(model, spec=dataclasses.replace(model.spec, temperatures={"tissue": 1.7}))
    settings = AnnotateSettings(pixel_size_um=1.3, device="cpu")
    answer = run_to_end(annotate(tile.load().image, warmer, settings)).tissue
    assert list(answer.values()) == pytest.approx(expected.tolist(), abs=1e-4)


def test_objects_of_a_seen_tile_are_those_of_annotate():
    model, tile = trees.model(), trees.tile("t")
    settings = AnnotateSettings(pixel_size_um=1.3, device="cpu")
    seen = run_to_end(see_tile(model, tile, device="cpu"))
    cut = run_to_end(cut_objects(seen, model, settings, {GLANDS, LUMINA}))
    whole = run_to_end(annotate(tile.load().image, model, settings)).labels
    assert set(cut) == {GLANDS, LUMINA}
    assert all(np.array_equal(labels, whole[task]) for task, labels in cut.items())


def point(threshold, dice, precision, recall, f1=0.5):
    return ThresholdPoint(threshold=threshold, dice=dice, precision=precision, recall=recall, f1=f1)


def test_the_best_threshold_among_those_that_lean_to_recall():
    curve = [point(0.3, 0.80, 0.7, 0.95), point(0.5, 0.90, 0.88, 0.92), point(0.7, 0.92, 0.96, 0.85)]
    choice = choose_threshold(curve, tiles=3)
    assert (choice.threshold, choice.leans_to_recall) == (0.55, True)  # recall meets precision at 0.5 + 0.2 · 4/15
    assert choose_threshold(curve[:2], tiles=3).threshold == 0.5
    assert choose_threshold([*curve[:2], point(0.7, 0.89, 0.96, 0.85)], tiles=3).threshold == 0.5
    better_objects = dataclasses.replace(curve[0], f1=0.9)
    assert choose_threshold([better_objects, *curve[1:]], tiles=3).threshold == 0.3


def test_where_recall_would_cost_too_much_the_best_score_is_taken_and_said():
    curve = [point(0.3, 0.5, 0.9, 0.7), point(0.5, 0.6, 0.99, 0.6), point(0.7, 0.0, np.nan, 0.0)]
    choice = choose_threshold(curve, tiles=3)
    assert (choice.threshold, choice.leans_to_recall) == (0.5, False)
    leaning = point(0.05, 0.5, 0.2, 0.7)  # as lumina once were, with every goblet cell
    assert choose_threshold([leaning, *curve], tiles=3).threshold == 0.5
    assert choose_threshold([dataclasses.replace(leaning, dice=0.57), *curve], tiles=3).threshold == 0.05
    with pytest.raises(DataError):
        choose_threshold([], tiles=0)


def test_a_point_sums_up_tiles_as_the_report_does():
    truth = trees.square(4, 4, 8)
    scores = [compare_labels(truth, truth), compare_labels(truth, trees.square(4, 8, 8))]
    summed = threshold_point(0.5, scores)
    assert (summed.dice, summed.precision, summed.recall, summed.f1) == (0.75, 0.75, 0.75, 0.5)
    assert summed.score == pytest.approx(0.625)


def validation(tmp_path, side="validation"):
    tiles = [trees.tile(f"t{i}", labels={"glands": trees.square(4, 4, 20)}, tmp_path=tmp_path) for i in range(3)]
    tiles += [trees.tile("bad", labels={"glands": trees.square(0, 0, 1)[:5]}, tmp_path=tmp_path)]
    rest = trees.tile("other", tmp_path=tmp_path)
    ids = tuple(tile.id for tile in tiles)
    split = Split(seed=0, unit="patient", train=(rest.id,), validation=ids, test=(), counts={})
    return Selection(tiles=tuple(tiles), everything=(*tiles, rest), side=side, split=split, split_sha256="b" * 64)


def test_calibrating_writes_a_new_model_with_its_record(tmp_path):
    model = trees.model()
    record = {"split_sha256": "b" * 64, "run": "r"}
    model = dataclasses.replace(model, spec=dataclasses.replace(model.spec, provenance=record))
    outcome = run_to_end(calibrate(model, validation(tmp_path), tmp_path / "new", device="cpu"))
    spec, sha256 = load_spec(tmp_path / "new")
    assert sha256 == outcome.sha256
    assert spec.thresholds == {"glands": outcome.thresholds["glands"].threshold}
    assert THRESHOLDS[0] <= spec.thresholds["glands"] <= THRESHOLDS[-1]
    assert spec.temperatures == {"tissue": pytest.approx(outcome.temperature.temperature)}
    assert outcome.temperature.tiles == 3
    assert len(outcome.skipped) == 1
    assert "bad" in outcome.skipped[0]
    assert spec.provenance["run"] == "r"
    assert spec.provenance["train_patients"] == ["s:other"]
    assert len(spec.provenance["calibration"]["thresholds"]["glands"]["curve"]) == len(THRESHOLDS)
    assert model.spec.thresholds == {}
    sentences = command.describe(outcome)
    assert any(line.startswith("glands: threshold") for line in sentences)


def test_a_threshold_between_two_candidates_is_told_with_the_figures_of_the_one_below():
    choice = choose_threshold([point(0.5, 0.90, 0.88, 0.92), point(0.7, 0.92, 0.96, 0.85)], tiles=3)
    outcome = Calibrated(folder=Path("new"), sha256="", temperature=None, thresholds={"glands": choice}, skipped=())
    (sentence,) = command.describe(outcome)
    assert sentence.startswith("glands: threshold 0.55 from 3 tiles; at 0.5 Dice 0.900, precision 0.880")


@pytest.mark.parametrize("side", ["train", "test", "all"])
def test_no_other_side_is_ever_touched(tmp_path, side):
    with pytest.raises(DataError, match="validation side"):
        run_to_end(calibrate(trees.model(), validation(tmp_path, side), tmp_path / "new"))


def test_an_existing_folder_is_kept(tmp_path):
    (tmp_path / "new").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        run_to_end(calibrate(trees.model(), validation(tmp_path), tmp_path / "new"))


def test_tiles_that_cannot_be_used_stop_with_a_reason(tmp_path):
    chosen = validation(tmp_path)
    only_bad = dataclasses.replace(chosen, tiles=chosen.tiles[3:])
    with pytest.raises(DataError, match="No validation tile could be used: s/Polyp/bad"):
        run_to_end(calibrate(trees.model(), only_bad, tmp_path / "new", device="cpu"))
    assert not (tmp_path / "new").exists()


def test_a_run_folder_brings_its_model_and_its_split(tmp_path):
    assert command.locate("starter", None) == ("starter", None)
    (tmp_path / "model").mkdir()
    assert command.locate(str(tmp_path), None) == (str(tmp_path / "model"), None)
    (tmp_path / "split.json").touch()
    assert command.locate(str(tmp_path), None) == (str(tmp_path / "model"), tmp_path / "split.json")
    assert command.locate(str(tmp_path), tmp_path / "mine")[1] == tmp_path / "mine"


def test_weak_labels_have_no_say_where_somebody_drew_some(tmp_path):
    selection = validation(tmp_path)
    ruled = [dataclasses.replace(tile, weak=frozenset({"glands"})) for tile in selection.tiles[:2]]
    mixed = dataclasses.replace(selection, tiles=(*ruled, *selection.tiles[2:]), weak=frozenset({"glands"}))
    outcome = run_to_end(calibrate(trees.model(), mixed, tmp_path / "mixed", device="cpu", tasks=["glands"]))
    assert outcome.thresholds["glands"].tiles == 1
    spec, _ = load_spec(tmp_path / "mixed")
    assert spec.provenance["calibration"]["thresholds"]["glands"]["weak_labels"] is False
    only_weak = dataclasses.replace(mixed, tiles=tuple(ruled))
    outcome = run_to_end(calibrate(trees.model(), only_weak, tmp_path / "weak", device="cpu", tasks=["glands"]))
    assert outcome.thresholds["glands"].tiles == 2
    spec, _ = load_spec(tmp_path / "weak")
    assert spec.provenance["calibration"]["thresholds"]["glands"]["weak_labels"] is True
