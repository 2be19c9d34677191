"""The stain of a run's training tiles goes into the model's record, and that of its base with it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cerberus.errors import DataError
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.stain_profile import FIELD, ModelStain, fit_source, profile_of, stain_of
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.engine import training_run
from napari_cerberus.training.engine.trainer import Trained
from napari_cerberus.training.transfer.stain_record import measure_stain, require_sources
from napari_cerberus.training.validation import Scores
from tiny import spotted, tiny_model
from training.evaluation import trees


def test_sources_are_kept_apart_and_those_of_the_base_are_kept(tmp_path):
    tiles = [trees.tile(f"t{number}", patient=str(number // 2)) for number in range(6)]
    tiles.append(trees.tile("x"))
    object.__setattr__(tiles[-1], "id", "other/Polyp/x")
    old = fit_source("old", [profile_of(spotted((48, 48), seed=seed)) for seed in range(3)], ["a", "b", "c"])
    base = tiny_model().spec
    object.__setattr__(base, "provenance", {FIELD: ModelStain(sources=(old,)).to_json()})
    stain = run_to_end(measure_stain(tiles, base=base))
    assert [(one.source, one.tiles, one.patients) for one in stain.sources] == [("s", 6, 3), ("old", 3, 3)]
    object.__setattr__(base, "provenance", {FIELD: stain.to_json()})
    assert stain_of(base) == stain


def test_tiles_in_memory_are_not_read_again():
    tile = trees.tile("t", patient="1")
    loaded = {tile.id: tile.load()}
    object.__setattr__(tile, "load", lambda: pytest.fail("it was read again"))
    assert run_to_end(measure_stain([tile], loaded)).sources == ()


def test_nothing_but_glass_is_one_sentence(tmp_path):
    glass = ModelStain(sources=())
    assert profile_of(np.full((32, 32, 3), 250, np.uint8)) is None
    with pytest.raises(DataError, match="fewer than two training tiles"):
        require_sources(glass, tmp_path)


def test_a_run_records_sources_and_stain(tmp_path, monkeypatch):
    tree = trees.ebhi_tree(tmp_path / "tiles", {"Polyp": [str(number) for number in range(1, 9)]})
    config = tmp_path / "run.toml"
    config.write_text(
        'name = "x"\nseed = 0\ntasks = ["glands"]\npixel_size_um = 1.0\nsteps = 1\n'
        f'[[source]]\nname = "new"\nkind = "ebhi"\npath = "{tree}"\npixel_size_um = 1.3\ntasks = ["glands"]\n'
        '[[batch]]\ntasks = ["glands"]\n'
    )

    def no_training(config, data, folder, **others):
        yield from ()
        return Trained(network=Cerberus(config.tasks), scores=Scores(dice={"glands": 0.5}), step=1, seconds=1.0)

    monkeypatch.setattr(training_run, "train", no_training)
    spec = load_model(run_to_end(training_run.run_training(config, tmp_path / "out"))).spec
    (source,) = stain_of(spec).sources
    assert (source.source, source.tiles) == ("new", spec.provenance["tiles"]["train"])
    (stated,) = spec.provenance["sources"]
    assert (stated["name"], stated["kind"], stated["pixel_size_um"]) == ("new", "ebhi", 1.3)
