"""How a run ends before its last step, what it keeps of its base model, and whose checkpoint it takes."""

import dataclasses
from pathlib import Path

import pytest
import torch

from finetune import tiny_net
from napari_cerberus.errors import DataError, ModelError, SettingsError
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.data.sampler import TaskSampler
from napari_cerberus.training.early_stopping import EarlyStopping
from napari_cerberus.training.engine import loop
from napari_cerberus.training.engine.callbacks import Callback
from napari_cerberus.training.engine.loop import train
from napari_cerberus.training.engine.trainer import Trainer
from napari_cerberus.training.run_folder import CHECKPOINT_FILE, load_checkpoint, save_checkpoint
from napari_cerberus.training.run_settings import OptimiserSettings
from napari_cerberus.training.transfer.initial_weights import open_base
from napari_cerberus.training.transfer.weight_interpolation import WeightInterpolation
from napari_cerberus.training.validation import Scores
from training import tiny_run


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    tiny_net.shrink(monkeypatch.setattr)


@pytest.fixture
def base(tmp_path):
    tiny_net.save_base(tmp_path / "base")
    return tmp_path / "base"


def config(**changes):
    fields = {"steps": 8, "validate_every": 1, "batches": tiny_run.config().batches[:1]}
    return tiny_run.config(**{**fields, **changes})


def from_base(base, **changes):
    batches = (dataclasses.replace(tiny_run.config().batches[0], tasks=("glands",)),)
    fields = {"tasks": tiny_net.TASKS, "tissue_window_cells": 2, "start": str(base), "batches": batches}
    return config(**{**fields, **changes})


def folder(tmp_path, name="run"):
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


def judging(monkeypatch, *dice):
    """Validations that give these Dice one after another, then 0."""
    left = list(dice)
    monkeypatch.setattr(loop, "validate", lambda *_: Scores(dice={"glands": left.pop(0) if left else 0.0}))


def test_patience_ends_a_run_says_why_and_keeps_the_best(tmp_path, monkeypatch):
    judging(monkeypatch, 0.5, 0.8, 0.7, 0.6)
    trained = run_to_end(train(config(early_stopping=EarlyStopping(patience=2)), tiny_run.data(), folder(tmp_path)))
    assert (trained.step, trained.scores.dice) == (2, {"glands": 0.8})
    assert trained.ended == "Ended early at step 4: 2 validations in a row brought nothing better than step 2."


def test_a_step_to_end_at_repeats_what_a_stop_gave(tmp_path):
    class Stop(Callback):
        def wants_end(self, step):
            return "last" if step == 3 else None

    stopped = run_to_end(train(config(validate_every=5), tiny_run.data(), folder(tmp_path, "a"), callback=Stop()))
    early_stopping = EarlyStopping(at_step=3, keep="last")
    again = run_to_end(
        train(config(validate_every=5, early_stopping=early_stopping), tiny_run.data(), folder(tmp_path, "b"))
    )
    assert stopped.step == again.step == 3
    for name, value in stopped.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


def test_the_last_weights_are_kept_where_asked_for(tmp_path, monkeypatch):
    judging(monkeypatch, 0.9)
    trained = run_to_end(
        train(config(steps=3, early_stopping=EarlyStopping(keep="last")), tiny_run.data(), folder(tmp_path))
    )
    assert (trained.step, trained.scores.dice) == (3, {"glands": 0.0})


def test_a_watch_gets_its_checkpoint(tmp_path):
    class Save(Callback):
        def wants_checkpoint(self):
            return True

    job = train(config(validate_every=8), tiny_run.data(), folder(tmp_path), callback=Save())
    while next(job).stage != "Training":
        pass
    assert load_checkpoint(tmp_path / "run")["step"] == 1


@pytest.mark.parametrize("change", [{"patience": -1}, {"at_step": -1}, {"keep": "worst"}])
def test_an_ending_that_makes_no_sense_is_refused(change):
    with pytest.raises(SettingsError, match="early_stopping"):
        EarlyStopping(**change)


def test_an_ending_is_read_from_the_config(tmp_path):
    text = (Path(__file__).parents[2] / "configs" / "starter.toml").read_text(encoding="utf-8")
    (tmp_path / "run.toml").write_text(f"{text}\n[early_stopping]\npatience = 3\n", encoding="utf-8")
    assert read_config(tmp_path / "run.toml").early_stopping == EarlyStopping(patience=3)


def test_statistics_of_the_base_model_stay_and_those_of_a_new_head_move(base):
    tasks = (*tiny_net.TASKS[:2], dataclasses.replace(tiny_net.TASKS[2], classes=("Normal", "Sessile")))
    batches = tiny_run.config().batches[:1]
    chosen = from_base(base, keep_statistics=True, tasks=tasks, batches=batches)
    trainer, data = Trainer(chosen), tiny_run.data()
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trainer.advance(TaskSampler(chosen, data.train, data.loaded).batch(0))
    after = trainer.network.state_dict()
    moved = {name for name in after if "running" in name and not torch.equal(after[name], before[name])}
    assert moved
    assert all(name.startswith("heads.tissue.") for name in moved)
    assert not torch.equal(
        after["decoders.glands.stages.3.1.conv.weight"], before["decoders.glands.stages.3.1.conv.weight"]
    )


def test_a_blend_keeps_its_share_of_the_base_model(base):
    chosen = from_base(base, blend=0.25, optimiser=OptimiserSettings(ema_decay=0.0))
    trainer = Trainer(chosen)
    before = load_model(base).network.state_dict()
    with torch.no_grad():
        for value in trainer.network.parameters():
            value.add_(1.0)
    kept = trainer.kept().state_dict()
    name = "encoder.layer3.0.conv1.weight"
    torch.testing.assert_close(kept[name], before[name] + 0.25)
    torch.testing.assert_close(trainer.network.state_dict()[name], before[name] + 1.0)


def test_without_a_base_model_there_is_nothing_to_keep():
    trainer = Trainer(config(keep_statistics=True, blend=0.5))
    assert WeightInterpolation(config(blend=0.5), None).blended(trainer.network) is trainer.network


def test_a_checkpoint_that_the_run_has_not_written_is_refused(tmp_path):
    for step in (1, 2):
        save_checkpoint(tmp_path, {"step": step})
    assert load_checkpoint(tmp_path)["step"] == 2
    other = folder(tmp_path, "other")
    save_checkpoint(other, {"step": 9})
    (tmp_path / CHECKPOINT_FILE).write_bytes((other / CHECKPOINT_FILE).read_bytes())
    with pytest.raises(DataError, match="not what this run has written"):
        load_checkpoint(tmp_path)


def test_another_base_model_than_the_planned_one_is_refused(base):
    sha256 = load_model(base).sha256
    open_base(from_base(base, start_sha256=sha256))
    tiny_net.save_base(base, seed=4)
    with pytest.raises(ModelError, match="not the one this run was planned with"):
        open_base(from_base(base, start_sha256=sha256))
