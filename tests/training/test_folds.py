"""Few patients: each is left out of one model and judges that one, and the mean of the models is kept."""

import dataclasses

import pytest
import torch

from finetune import tiny_net
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.early_stopping import EarlyStopping
from napari_cerberus.training.engine import folds
from napari_cerberus.training.engine.callbacks import Callback
from napari_cerberus.training.engine.folds import dealt, train_folds
from napari_cerberus.training.engine.loop import TrainingData
from napari_cerberus.training.run_folder import CHECKPOINT_FILE, has_checkpoint
from training import tiny_run


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    tiny_net.shrink(monkeypatch.setattr)


def tile(name, patient, *others):
    return dataclasses.replace(tiny_run.tile(name, "glands"), patient=patient, patients=frozenset(others))


@pytest.fixture
def data():
    tiles = [tile(f"{patient}{number}", patient) for patient in "abc" for number in range(2)]
    loaded = {one.id: one.load() for one in tiles}
    return TrainingData(train=tiles[:4], validation=tiles[4:], loaded=loaded)


def config(base, **changes):
    batches = (dataclasses.replace(tiny_run.config().batches[0], tasks=("glands",)),)
    fields = {
        "tasks": tiny_net.TASKS,
        "tissue_window_cells": 2,
        "start": str(base),
        "batches": batches,
        "steps": 3,
        "folds": 3,
        "blend_shares": (0.5, 1.0),
        "early_stopping": EarlyStopping(keep="last"),
    }
    return tiny_run.config(**{**fields, **changes})


@pytest.fixture
def base(tmp_path):
    tiny_net.save_base(tmp_path / "base")
    return tmp_path / "base"


def test_a_patient_is_never_in_two_parts_and_the_parts_are_about_alike():
    tiles = [tile(f"{patient}{n}", patient) for patient, count in (("a", 5), ("b", 1), ("c", 3)) for n in range(count)]
    parts = dealt(tiles, 2)
    assert sorted(len(part) for part in parts) == [4, 5]
    assert len({one.patient for part in parts for one in part}) == sum(len({one.patient for one in p}) for p in parts)


def test_a_patient_of_two_names_is_one():
    tiles = [tile("1", "a", "a", "b"), tile("2", "b"), tile("3", "c")]
    parts = dealt(tiles, 3)
    assert sorted(sorted(one.id for one in part) for part in parts) == [["1", "2"], ["3"]]


class Watcher(Callback):
    def __init__(self, stop_at=None):
        self.steps, self._stop_at = [], stop_at

    def trained(self, step, losses):
        self.steps.append(step)

    def wants_end(self, step):
        return "last" if step == self._stop_at else None


def test_every_model_misses_its_patients_and_the_mean_is_kept(base, data, tmp_path):
    watcher = Watcher()
    trained, models = run_to_end(train_folds(config(base), data, tmp_path / "run", callback=watcher))
    assert watcher.steps == [1, 2, 3], "steps are counted through"
    for model in models:
        assert not {one.patient for one in model.train} & {one.patient for one in model.validation}
    assert sorted(one.id for model in models for one in model.validation) == sorted(data.loaded)
    name = next(name for name, value in trained.network.state_dict().items() if value.is_floating_point())
    mean = torch.stack([model.network.state_dict()[name] for model in models]).mean(0)
    assert torch.allclose(trained.network.state_dict()[name], mean)


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(base, data, tmp_path):
    whole, _ = run_to_end(train_folds(config(base), data, tmp_path / "whole"))
    job = train_folds(config(base), data, tmp_path / "cut")
    while not (tmp_path / "cut" / "fold-1" / CHECKPOINT_FILE).is_file():
        next(job)
    job.close()
    assert has_checkpoint(tmp_path / "cut")
    again, _ = run_to_end(train_folds(config(base), data, tmp_path / "cut"))
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


def test_a_wish_to_end_leaves_out_the_models_after_it(base, data, tmp_path):
    course = config(base, steps=6)
    stopped, models = run_to_end(train_folds(course, data, tmp_path / "a", callback=Watcher(stop_at=3)))
    assert (stopped.step, len(models)) == (3, 2)
    repeated = dataclasses.replace(course, early_stopping=EarlyStopping(at_step=3, keep="last"))
    again, others = run_to_end(train_folds(repeated, data, tmp_path / "b"))
    assert (again.step, len(others)) == (3, 2)
    assert all(torch.equal(v, again.network.state_dict()[k]) for k, v in stopped.network.state_dict().items())


def test_a_head_made_anew_starts_from_the_same_weights_in_every_model(base, data, tmp_path, monkeypatch):
    starts = []
    monkeypatch.setattr(folds, "train", recording(folds.train, starts))
    run_to_end(train_folds(config(base), data, tmp_path / "run"))
    assert len(starts) == 3
    assert len(set(starts)) == 1, "the mean of heads from different starts is noise"


def recording(train, seeds):
    def watched(course, *given, **options):
        seeds.append(course.seed)
        return (yield from train(course, *given, **options))

    return watched
