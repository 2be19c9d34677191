"""Training tiles in a stain that the base model does not know, in the colours of drawn tissue."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cerberus.model.checkpoint import save_model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.model.stain_profile import FIELD, ModelStain, fit_source, profile_of
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.synthetic import TileSettings, make_tile
from napari_cerberus.training.engine.trainer import Trainer
from napari_cerberus.training.transfer import distillation
from napari_cerberus.training.transfer.distillation import teacher_targets_of
from napari_cerberus.training.transfer.stain_matched import out_of_domain_tiles, stain_matched
from training import tiny_run


def drawn(seed, side=96):
    return make_tile(TileSettings(height_px=side, width_px=side, pixel_size_um=1.0, seed=seed)).image


@pytest.fixture
def base(tmp_path):
    """A model that knows the stain of drawn tissue."""
    profiles = [profile_of(drawn(seed)) for seed in range(8)]
    stain = ModelStain(sources=(fit_source("drawn", profiles, [str(seed) for seed in range(8)]),))
    spec = ModelSpec(name="b", tasks=tiny_run.TASKS, pixel_size_um=1.0, provenance={FIELD: stain.to_json()})
    torch.manual_seed(3)
    save_model(tmp_path / "base", Cerberus(tiny_run.TASKS), spec)
    return str(tmp_path / "base")


def learning(base):
    """Config, tiles, and their pixels: the first half drawn tissue, the others in green."""
    config = tiny_run.config(start=base, keep_statistics=True, distillation=1.0, train_from_layer=5)
    tiles = tiny_run.data().train
    images = {tile.id: drawn(20 + number) for number, tile in enumerate(tiles)}
    for tile in tiles[len(tiles) // 2 :]:
        images[tile.id] = images[tile.id][..., [1, 0, 1]]
    loaded = {
        tile.id: replace(tile.load(), image=images[tile.id], labels={}, pixel_size=PixelSize.square(1.0))
        for tile in tiles
    }
    return config, tiles, loaded


def test_only_tiles_in_an_unknown_stain_are_chosen(base):
    config, tiles, loaded = learning(base)
    half = [tile.id for tile in tiles[len(tiles) // 2 :]]
    spec = open_model(config.start).spec
    assert out_of_domain_tiles(spec, tiles, loaded, 100) == half
    assert len(out_of_domain_tiles(spec, tiles, loaded, 1)) == 1
    assert out_of_domain_tiles(replace(spec, provenance={}), tiles, loaded, 100) == []


def test_a_strange_tile_gets_the_colours_and_keeps_its_tissue(base):
    _config, tiles, loaded = learning(base)
    like, green = drawn(5), loaded[tiles[-1].id]
    there = stain_matched(green, like, 96, 1.0)
    assert there.shape == (1, 3, 96, 96)
    for channel in range(3):
        assert there[0, channel].mean() == pytest.approx(like[..., channel].mean(), abs=2)
    known = drawn(20 + len(tiles) - 1)[..., 1]
    assert np.corrcoef(there[0, 0].numpy().ravel(), known.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("side", [32, 160])
def test_a_tile_of_any_size_gives_the_side_that_is_asked_for(base, side):
    _config, tiles, loaded = learning(base)
    assert stain_matched(loaded[tiles[0].id], drawn(5), side, 1.3).shape == (1, 3, side, side)


def test_they_are_remembered_beside_the_drawn_ones(base, monkeypatch):
    monkeypatch.setattr(distillation, "TILES", 2)
    config, tiles, loaded = learning(base)
    trainer = Trainer(config)
    stages = list(teacher_targets_of(config, trainer.frozen, (), [loaded[tiles[-1].id]]))
    assert [(step.done, step.total) for step in stages] == [(0, 3), (1, 3), (2, 3)]
    run_to_end(trainer.teacher_targets(tiles, loaded))
    assert trainer._memory.loss(trainer.frozen, 0).item() == pytest.approx(0, abs=1e-3)
