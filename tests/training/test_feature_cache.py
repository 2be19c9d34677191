"""The feature cache: the same losses as without it, resumable, as small as can be, refused where useless."""

import dataclasses

import pytest
import torch

from napari_cerberus.errors import OutputError, SettingsError
from napari_cerberus.model.checkpoint import save_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.data.views import ViewSampler
from napari_cerberus.training.engine.loop import train
from napari_cerberus.training.engine.trainer import Trainer
from napari_cerberus.training.run_folder import CHECKPOINT_FILE, FEATURES_FOLDER, read_metrics
from napari_cerberus.training.run_settings import OptimiserSettings
from napari_cerberus.training.transfer.feature_cache import FeatureCache, KeptView, ViewStore
from napari_cerberus.training.transfer.frozen_part import FrozenPart
from training import tiny_run

MANY_MB = 64


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(3)
    network = Cerberus(tiny_run.TASKS)
    for module in network.modules():  # statistics that are not those of a new network, so that a missed one shows
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    save_model(folder / "base", network, ModelSpec(name="base", tasks=tiny_run.TASKS, pixel_size_um=1.0))
    return str(folder / "base")


def config(base, **changes):
    return tiny_run.config(**{"start": base, "cache_features": True, "cache_views": 2, "sampling": "mixed", **changes})


def cached(plan, trainer, folder, limit_mb=MANY_MB):
    data = tiny_run.data()
    sampler = ViewSampler(plan, data.train, data.loaded)
    return FeatureCache(sampler, trainer.frozen, ViewStore(folder / "features", limit_mb * 2**20)), sampler


CALM = OptimiserSettings(name="sgd", learning_rate=1e-3, schedule="constant", ema_decay=0.0)


@pytest.mark.parametrize(
    ("layer", "block", "dtype", "tolerance"),
    [
        (3, 1, torch.float32, 1e-3),
        (5, 4, torch.float32, 1e-3),
        (5, 5, torch.float16, 0.01),
    ],
)
def test_losses_are_those_of_the_same_views_without_a_cache(
    base, tmp_path, monkeypatch, layer, block, dtype, tolerance
):
    monkeypatch.setattr("napari_cerberus.training.transfer.frozen_part.KEPT", dtype)
    monkeypatch.setattr("napari_cerberus.training.transfer.feature_cache.KEPT", dtype)
    plan = config(
        base,
        train_from_layer=layer,
        train_decoder_from_block=block,
        optimiser=CALM,
        batches=tiny_run.config().batches[:1],
    )
    plain, fast = Trainer(plan), Trainer(plan)
    cache, sampler = cached(plan, fast, tmp_path)
    for step in range(2):
        wanted = plain.advance(sampler.batch(step))
        # after a step, normalising two images that are nearly alike has made much of rounding
        assert fast.advance(cache.batch(step)) == pytest.approx(wanted, rel=0.03 if step else tolerance), step
    left, right = plain.network.state_dict(), fast.network.state_dict()
    for name, value in left.items():
        assert torch.allclose(value.float(), right[name].float(), atol=0.02), name


def test_a_view_is_one_augmentation_and_views_differ(base):
    plan, data = config(base, train_from_layer=5), tiny_run.data()
    sampler = ViewSampler(plan, data.train, data.loaded)
    views = {view for step in range(12) for view in sampler.draw(step)[0]}
    assert len(views) == plan.cache_views * len(data.train)
    glands = sorted((view for view in views if view.tile.id == "g1"), key=lambda view: view.number)
    first, second = (sampler.crop(view) for view in glands)
    assert torch.equal(first.image, sampler.crop(glands[0]).image)
    assert not torch.equal(first.image, second.image)


def test_what_is_kept_is_as_deep_as_freezing_permits(base):
    def shapes(**freezing):
        network = Trainer(config(base, **freezing)).network
        kept = FrozenPart(network).compute(torch.zeros(1, 3, 32, 32), ["glands", "tissue"])
        return {name: tuple(one.shape) for name, one in kept.items()}, {one.dtype for one in kept.values()}

    pooled = {"tissue/pooled": (512, 1, 1)}
    assert shapes(train_from_layer=5, train_decoder_from_block=5) == (
        {"glands/4": (64, 32, 32), **pooled},
        {torch.float16},
    )
    skip = {"x0": (64, 32, 32)}
    assert shapes(train_from_layer=5, train_decoder_from_block=4)[0] == {"glands/3": (64, 16, 16), **skip, **pooled}
    assert shapes(train_from_layer=3)[0] == {"x0": (64, 32, 32), "x1": (64, 16, 16), "x2": (128, 8, 8)}


def test_a_resumed_run_with_a_cache_gives_the_same_losses_and_leaves_no_cache(base, tmp_path):
    plan, data = config(base, train_from_layer=5, train_decoder_from_block=4, cache_memory_mb=0), tiny_run.data()
    folders = [tmp_path / "whole", tmp_path / "cut"]
    for folder in folders:
        folder.mkdir()
    whole = run_to_end(train(plan, data, folders[0]))
    job = train(plan, data, folders[1])
    while not (folders[1] / CHECKPOINT_FILE).exists():
        next(job)
    next(job)
    assert list((folders[1] / FEATURES_FOLDER).rglob("*.safetensors"))
    job.close()
    resumed = run_to_end(train(plan, data, folders[1], resume=True))
    assert read_metrics(folders[1]) == read_metrics(folders[0])
    assert resumed.step == whole.step
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert not list((folders[1] / FEATURES_FOLDER).rglob("*.safetensors"))


def test_memory_first_then_disk_and_the_same_back(base, tmp_path):
    plan = config(base, train_from_layer=5)
    trainer = Trainer(plan)
    cache, sampler = cached(plan, trainer, tmp_path / "memory")
    slow, _ = cached(plan, trainer, tmp_path / "disk", limit_mb=0)
    for batch in (0, 1, 0):
        left, right = cache.batch(batch), slow.batch(batch)
        for key, maps in left.own.items():
            for name, one in maps.items():
                assert torch.equal(one, right.own[key][name])
            assert torch.equal(left.targets[key], right.targets[key])
    assert not (tmp_path / "memory" / "features").exists()
    views = set(sampler.draw(0)[0]) | set(sampler.draw(1)[0])
    assert len(list((tmp_path / "disk" / "features").iterdir())) == len(views)


def test_filling_looks_at_each_view_once(base, tmp_path):
    plan = config(base, train_from_layer=5, train_decoder_from_block=5)
    cache, sampler = cached(plan, Trainer(plan), tmp_path)
    views = {view for step in range(6) for view in sampler.draw(step)[0]}
    assert len(list(cache.fill(range(6)))) == len(views)
    assert list(cache.fill(range(6))) == []


def test_a_full_disk_and_a_lost_file_are_said(base, tmp_path):
    view = ViewSampler(config(base, train_from_layer=5), tiny_run.data().train, tiny_run.data().loaded).draw(0)[0][0]
    kept = KeptView(maps={"x0": torch.zeros(1, 2, 2)}, targets={}, weights={})
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="free some space"):
        ViewStore(tmp_path / "file" / "inside", 0).add(view, kept)
    store = ViewStore(tmp_path / "features", 0)
    store.add(view, kept)
    next((tmp_path / "features").iterdir()).unlink()
    with pytest.raises(OutputError, match="--resume"):
        store.get(view)


def test_a_cache_is_refused_where_nothing_is_frozen():
    with pytest.raises(SettingsError, match="train_from_layer"):
        tiny_run.config(cache_features=True)
    with pytest.raises(SettingsError, match="nothing to cache"):
        FrozenPart(Cerberus(tiny_run.TASKS))


def test_decoders_from_a_block_on_keep_earlier_weights_and_statistics(base):
    plan = dataclasses.replace(config(base, train_from_layer=5, train_decoder_from_block=4), cache_features=False)
    data = tiny_run.data()
    trainer = Trainer(plan)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trainer.advance(ViewSampler(plan, data.train, data.loaded).batch(0))
    moved = {name for name, value in trainer.network.state_dict().items() if not torch.equal(value, before[name])}
    still = ("encoder.", "reduce.", *(f"decoders.glands.stages.{i}." for i in range(3)))
    assert not [name for name in moved if name.startswith(still)]
    assert "decoders.glands.stages.3.0.conv.weight" in moved
    assert "decoders.glands.stages.3.1.bn.running_var" in moved
    assert "heads.glands.1.weight" in moved
    heads = Trainer(dataclasses.replace(plan, train_decoder_from_block=5)).network
    assert not [name for name, p in heads.named_parameters() if p.requires_grad and not name.startswith("heads.")]


def test_a_decoder_that_the_base_lacks_trains_whole_and_this_is_said(base, tmp_path):
    own = tiny_run.TASKS[:1]
    save_model(tmp_path / "glands", Cerberus(own), ModelSpec(name="glands", tasks=own, pixel_size_um=1.0))
    plan = config(str(tmp_path / "glands"), train_from_layer=5, train_decoder_from_block=5)
    trainer = Trainer(plan)
    assert trainer.network.decoders["glands"].trains_from == 5
    assert trainer.network.decoders["nuclei"].trains_from == 1
    assert "Decoders of nuclei train whole" in trainer.notes[-1]
    names = trainer.frozen.names
    assert names("nuclei") == ("x0", "x1", "x2", "x3", "reduced")
    assert names("glands") == ("glands/4",)


@pytest.mark.parametrize(
    ("field", "value"), [("train_decoder_from_block", 6), ("train_from_layer", 0), ("cache_views", 0)]
)
def test_wrong_freezing_is_named(field, value):
    with pytest.raises(SettingsError, match=field):
        tiny_run.config(**{field: value})
