"""Holding on to the base model's answers on drawn tissue: nothing at first, a pull back once weights have moved."""

import dataclasses

import pytest
import torch

from napari_cerberus.errors import SettingsError
from napari_cerberus.model.checkpoint import save_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import instances
from napari_cerberus.training.data.sampler import TaskSampler
from napari_cerberus.training.engine.loop import train
from napari_cerberus.training.engine.trainer import Trainer
from napari_cerberus.training.run_folder import read_metrics
from napari_cerberus.training.run_settings import OptimiserSettings
from napari_cerberus.training.transfer import distillation
from napari_cerberus.training.transfer.distillation import teacher_targets_of
from training import tiny_run


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(3)
    save_model(folder / "base", Cerberus(tiny_run.TASKS), ModelSpec(name="b", tasks=tiny_run.TASKS, pixel_size_um=1.0))
    return str(folder / "base")


@pytest.fixture(autouse=True)
def few_tiles(monkeypatch):
    monkeypatch.setattr(distillation, "TILES", 3)


def config(base, **changes):
    fields = {"start": base, "keep_statistics": True, "distillation": 1.0, "train_from_layer": 5, "sampling": "mixed"}
    return tiny_run.config(**{**fields, **changes})


@pytest.mark.parametrize("freezing", [(5, 4), (5, 1), (5, 5), (3, 1)])
def test_the_base_model_forgets_nothing_and_a_moved_one_is_pulled_back(base, freezing):
    layer, block = freezing
    trainer = Trainer(config(base, train_from_layer=layer, train_decoder_from_block=block))
    memory = run_to_end(teacher_targets_of(config(base), trainer.frozen, ()))
    assert memory.loss(trainer.frozen, 0).item() == pytest.approx(0, abs=1e-3)
    weight = trainer.network.heads["glands"][-1].bias
    with torch.no_grad():
        weight[1] += 3.0
    moved = memory.loss(trainer.frozen, 0)
    assert moved.item() > 0.1
    moved.backward()
    assert weight.grad[1] > 0  # down again


def drift(base, weight):
    """How far three large steps take the answers on drawn tissue."""
    steps = OptimiserSettings(name="sgd", learning_rate=0.1, schedule="constant", ema_decay=0.0)
    chosen, data = config(base, distillation=weight, train_decoder_from_block=5, optimiser=steps), tiny_run.data()
    trainer, unmoved = Trainer(chosen), Trainer(chosen)
    run_to_end(trainer.teacher_targets())
    sampler = TaskSampler(chosen, data.train, data.loaded)
    for step in range(3):
        trainer.advance(sampler.batch(step))
    memory = run_to_end(teacher_targets_of(chosen, unmoved.frozen, ()))
    return sum(memory.loss(trainer.frozen, step).item() for step in range(4))


def test_a_run_that_remembers_drifts_less(base):
    assert drift(base, 10.0) < 0.7 * drift(base, 0.0)


def test_a_resumed_run_remembers_the_same(base, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    plan = config(base, steps=4, validate_every=1)
    run_to_end(train(plan, tiny_run.data(), whole))
    job = train(plan, tiny_run.data(), cut)
    while not any(row.get("step") == 2 and "validation" in row for row in read_metrics(cut)):
        next(job)
    next(job)
    job.close()
    run_to_end(train(plan, tiny_run.data(), cut, resume=True))
    losses = [[row for row in read_metrics(folder) if "rate" in row] for folder in (whole, cut)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("cached", [False, True])
def test_a_run_in_bfloat16_remembers_too(base, tmp_path, cached):
    plan = config(base, precision="bf16", cache_features=cached, cache_views=1, train_decoder_from_block=4, steps=2)
    trained = run_to_end(train(plan, tiny_run.data(), tmp_path))
    assert trained.step == 2
    assert all(torch.isfinite(value).all() for value in trained.network.state_dict().values())


def test_heads_that_the_base_model_lacks_are_not_asked(base):
    tasks = (*tiny_run.TASKS, instances("lumina"))
    batches = (dataclasses.replace(tiny_run.config().batches[0], tasks=("glands", "lumina")),)
    trainer = Trainer(config(base, tasks=tasks, batches=batches))
    run_to_end(trainer.teacher_targets())
    assert trainer._memory._keys == ["glands"]


@pytest.mark.parametrize(("layer", "keys"), [(5, ["nuclei"]), (4, ["glands", "nuclei"])])
def test_where_the_encoder_moves_every_dense_head_is_held(base, layer, keys):
    batches = tiny_run.config().batches[1:]
    trainer = Trainer(config(base, batches=batches, train_from_layer=layer))
    run_to_end(trainer.teacher_targets())
    assert trainer._memory._keys == keys


def test_where_only_the_tissue_head_trains_there_is_nothing_to_ask(base):
    batches = (dataclasses.replace(tiny_run.config().batches[0], tasks=("tissue",)),)
    trainer = Trainer(config(base, batches=batches))
    run_to_end(trainer.teacher_targets())
    assert trainer._memory is None


@pytest.mark.parametrize(
    "change", [{"start": "scratch"}, {"keep_statistics": False}, {"train_from_layer": 1}, {"distillation": -1.0}]
)
def test_a_config_in_which_nothing_can_be_remembered_is_refused(base, change):
    with pytest.raises(SettingsError, match="distillation"):
        config(base, **change)
