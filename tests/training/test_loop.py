"""Freezing, exact resumption and honest failure of the training loop, on the real network."""

import dataclasses
import multiprocessing

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_cerberus.errors import CerberusError, DataError
from napari_cerberus.progress import run_to_end
from napari_cerberus.training import run_folder
from napari_cerberus.training.data.prefetch import workers_for
from napari_cerberus.training.data.sampler import TaskSampler
from napari_cerberus.training.engine.loop import train
from napari_cerberus.training.engine.trainer import Trainer
from napari_cerberus.training.engine.weight_average import RunningAverage
from napari_cerberus.training.run_folder import CHECKPOINT_FILE, load_checkpoint, read_metrics, save_checkpoint
from napari_cerberus.training.run_settings import OptimiserSettings
from napari_cerberus.training.torch_errors import DeviceLostError, MemoryRanOutError
from training import tiny_run


def test_an_absent_tasks_decoder_keeps_weights_and_statistics_while_the_encoder_moves():
    config, data = tiny_run.config(sampling="fixed"), tiny_run.data()
    trainer = Trainer(config)
    sampler = TaskSampler(config, data.train, data.loaded)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    batch = next(b for b in map(sampler.batch, range(20)) if "nuclei" in b.rows)
    assert set(batch.rows) == {"nuclei"}
    trainer.advance(batch)
    after = trainer.network.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    frozen = ("decoders.glands.", "heads.glands.", "heads.tissue.")
    assert not [name for name in moved if name.startswith(frozen)]
    assert any(name.startswith("encoder.conv1") for name in moved)
    assert any(name.startswith("encoder.bn1.running_mean") for name in moved)
    assert any(name.startswith("decoders.nuclei.") and name.endswith("running_var") for name in moved)


def test_a_mixed_batch_holds_every_task():
    config, data = tiny_run.config(sampling="mixed"), tiny_run.data()
    batch = TaskSampler(config, data.train, data.loaded).batch(0)
    assert set(batch.rows) == {"glands", "nuclei", "tissue"}
    assert set(batch.rows["glands"].tolist()).isdisjoint(batch.rows["nuclei"].tolist())


def test_a_resumed_run_gives_the_same_losses_and_weights(tmp_path):
    config, data = tiny_run.config(), tiny_run.data()
    whole = run_to_end(train(config, data, _made(tmp_path / "whole")))
    job = train(config, data, _made(tmp_path / "cut"))
    while not (tmp_path / "cut" / CHECKPOINT_FILE).exists():
        next(job)
    next(job)
    next(job)  # goes past the checkpoint: these steps are lost, as in a kill
    del job
    resumed = run_to_end(train(config, data, tmp_path / "cut", resume=True))
    assert read_metrics(tmp_path / "cut") == read_metrics(tmp_path / "whole")
    assert resumed.step == whole.step
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="tiles of the test are not pickled")
def test_batches_from_other_processes_are_the_same_and_a_run_with_them_resumes_exactly(tmp_path):
    config, data = tiny_run.config(), tiny_run.data()
    run_to_end(train(config, data, _made(tmp_path / "alone")))
    config = dataclasses.replace(config, workers=2)
    job = train(config, data, _made(tmp_path / "helped"))
    while not (tmp_path / "helped" / CHECKPOINT_FILE).exists():
        next(job)
    helpers = multiprocessing.active_children()
    job.close()
    assert len(helpers) == 2
    assert not any(helper.is_alive() for helper in helpers)
    run_to_end(train(config, data, tmp_path / "helped", resume=True))
    assert read_metrics(tmp_path / "helped") == read_metrics(tmp_path / "alone")


def test_a_killed_helper_ends_the_run_with_a_sentence(tmp_path):
    config, data = tiny_run.config(workers=1), tiny_run.data()
    job = train(config, data, _made(tmp_path / "run"))
    next(job)
    for helper in multiprocessing.active_children():
        helper.kill()
        helper.join()
    with pytest.raises(CerberusError, match="Training failed at step"):
        run_to_end(job)


@pytest.mark.parametrize(("wanted", "device", "count"), [(None, "cpu", 0), (3, "cpu", 3), (0, "cuda", 0)])
def test_a_cpu_prepares_its_batches_itself_unless_told_otherwise(wanted, device, count):
    assert workers_for(wanted, torch.device(device)) == count


@pytest.mark.parametrize(("system", "process_group", "count"), [("Linux", 1, 7), ("Linux", 3, 2), ("Darwin", 1, 0)])
def test_helpers_share_the_cores_and_are_forked_on_linux_alone(monkeypatch, system, process_group, count):
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert workers_for(None, torch.device("cuda"), process_group) == count


def test_the_running_average_is_torchs_own_and_passes_over_what_is_frozen():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    network[0].requires_grad_(False)
    network[1].requires_grad_(False).eval()
    ours = RunningAverage(network, 0.5)
    theirs = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)
    for step in range(3):
        with torch.no_grad():
            network[2].weight += step + 1
            network[3].running_mean += 1.0
        ours.update_parameters(network)
        theirs.update_parameters(network)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name
    assert not torch.equal(ours.module[2].weight, network[2].weight)


def test_losses_fall_on_one_tile():
    config = tiny_run.config(steps=12, optimiser=OptimiserSettings(schedule="constant", ema_decay=0.0))
    data = tiny_run.data()
    trainer, sampler = Trainer(config), TaskSampler(config, data.train, data.loaded)
    batch = next(b for b in map(sampler.batch, range(20)) if "glands" in b.rows)
    losses = [trainer.advance(batch)["glands"] for _ in range(12)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    config, data = tiny_run.config(steps=6), tiny_run.data()
    job = train(config, data, _made(tmp_path))
    while not (tmp_path / CHECKPOINT_FILE).exists():
        next(job)
    good = load_checkpoint(tmp_path)["step"]
    monkeypatch.setattr("napari_cerberus.training.engine.trainer.dense_loss", lambda *_: torch.tensor(float("nan")))
    with pytest.raises(DataError, match="not finite at step"):
        run_to_end(job)
    assert load_checkpoint(tmp_path)["step"] == good


def test_gradients_that_are_not_finite_stop_before_anything_moves(tmp_path):
    config, data = tiny_run.config(optimiser=OptimiserSettings(clip_norm=0.0)), tiny_run.data()
    trainer, sampler = Trainer(config), TaskSampler(config, data.train, data.loaded)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    trainer.network.encoder.conv1.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(DataError, match="gradients are not finite at step 0"):
        trainer.advance(sampler.batch(0))
    assert all(torch.equal(value, before[name]) for name, value in trainer.network.named_parameters())
    assert trainer.step == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [(torch.OutOfMemoryError("CUDA out of memory."), MemoryRanOutError), (RuntimeError("CUDA error"), DeviceLostError)],
)
@pytest.mark.parametrize("where", ["loop.validate", "trainer.RunningAverage", "trainer.nn.utils.clip_grad_norm_"])
def test_a_failure_of_torch_is_explained_wherever_it_comes(tmp_path, monkeypatch, where, error, kind):
    def fail(*_):
        raise error

    monkeypatch.setattr(f"napari_cerberus.training.engine.{where}", fail)
    with pytest.raises(kind):
        run_to_end(train(tiny_run.config(), tiny_run.data(), _made(tmp_path)))


def test_two_kills_at_the_worst_moment_leave_a_checkpoint_that_is_known(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, {"step": 1})
    note = run_folder._note_hashes

    def note_and_die(folder, hashes):
        note(folder, hashes)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "_note_hashes", note_and_die)
        for step in (2, 3):
            with pytest.raises(KeyboardInterrupt):
                save_checkpoint(tmp_path, {"step": step})
    assert load_checkpoint(tmp_path) == {"step": 1}
    save_checkpoint(tmp_path, {"step": 4})
    assert load_checkpoint(tmp_path) == {"step": 4}
    assert len((tmp_path / "checkpoint.sha256").read_text().split()) == 1


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    config = tiny_run.config()
    state = Trainer(config).state()
    source = dataclasses.replace(config.sources[0], tasks=("nuclei",))
    other = dataclasses.replace(config, tasks=config.tasks[1:2], batches=config.batches[1:], sources=(source,))
    with pytest.raises(DataError, match="another configuration"):
        Trainer(other).restore(state)


def test_nothing_to_resume_and_damaged_checkpoints_are_named(tmp_path):
    with pytest.raises(DataError, match="without --resume"):
        load_checkpoint(tmp_path)
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"cut off")
    with pytest.raises(DataError, match="damaged"):
        load_checkpoint(tmp_path)


def _made(folder):
    folder.mkdir(exist_ok=True)
    return folder
