"""Type heads learn inside objects only, with the published class weights; tissue frequencies follow the draw."""

import dataclasses

import numpy as np
import pytest
import torch

from napari_cerberus.errors import SettingsError
from napari_cerberus.tasks import CERBERUS_TASKS, NUCLEI_CLASSES
from napari_cerberus.training.data.sampler import TaskSampler, tissue_frequency
from napari_cerberus.training.data.tile_sources import collect
from napari_cerberus.training.engine.loop import TrainingData
from napari_cerberus.training.engine.trainer import Trainer
from napari_cerberus.training.run_settings import BatchSettings, SourceSettings
from training import tiny_run
from training.test_pairs_source import folder  # noqa: F401

TYPES = next(task for task in CERBERUS_TASKS if task.key == "nuclei_types")


def typed(**changes):
    return tiny_run.config(
        tasks=(*tiny_run.TASKS, TYPES),
        batches=(BatchSettings(tasks=("nuclei", "nuclei_types"), size=1, crop_px=32),),
        **changes,
    )


def typed_data():
    loaded = tiny_run.loaded_tile(1, "nuclei")
    classes = np.where(loaded.labels["nuclei"] == 1, 1, 0).astype(np.int32)  # the second nucleus has no class
    classes[30:34, 15:25] = 3
    loaded = dataclasses.replace(loaded, labels={**loaded.labels, "nuclei_types": classes})
    tile = dataclasses.replace(tiny_run.tile("n1", "nuclei"), tasks=frozenset({"nuclei", "nuclei_types"}))
    return TrainingData(train=[tile], validation=[tile], loaded={"n1": loaded})


def test_only_pixels_of_objects_with_a_class_count_and_rare_classes_count_more():
    data = typed_data()
    batch = TaskSampler(typed(), data.train, data.loaded).batch(0)
    target, weights = batch.targets["nuclei_types"], batch.weights["nuclei_types"]
    assert set(target.unique().tolist()) <= {0, 1, 3}
    assert torch.all((weights > 0) == (target > 0))
    assert set(weights[target == 1].tolist()) <= {12.0}
    assert set(weights[target == 3].tolist()) <= {2.0}
    ones = TaskSampler(typed(class_weights={}), data.train, data.loaded).batch(0)
    assert set(ones.weights["nuclei_types"].unique().tolist()) == {0.0, 1.0}


def test_the_type_decoder_moves_with_its_labels():
    data, config = typed_data(), typed()
    trainer = Trainer(config)
    before = trainer.network.heads["nuclei_types"][1].weight.clone()
    losses = trainer.advance(TaskSampler(config, data.train, data.loaded).batch(0))
    assert set(losses) == {"nuclei", "nuclei_types"}
    assert not torch.equal(before, trainer.network.heads["nuclei_types"][1].weight)


def test_classes_of_exported_objects_become_a_map(folder):  # noqa: F811
    source = SourceSettings(name="own", kind="pairs", path=folder.name, tasks=("nuclei", "nuclei_types"))
    tile = collect([source], typed().tasks, folder.parent)[0]
    assert tile.tasks == {"nuclei", "nuclei_types"}
    labels = tile.load().labels
    epithelial = NUCLEI_CLASSES.index("epithelial")
    assert np.array_equal(labels["nuclei_types"], epithelial * (labels["nuclei"] > 0))


def test_class_weights_must_fit_the_classes():
    with pytest.raises(SettingsError, match=r"class_weights\.nuclei_types must be 6"):
        typed(class_weights={"nuclei_types": (1.0, 2.0)})
    with pytest.raises(SettingsError, match="tissue_weighting"):
        tiny_run.config(tissue_weighting="much")


def test_frequencies_follow_the_balance():
    data = tiny_run.data()
    tiles = [dataclasses.replace(data.train[0], id=f"g{n}", stratum=("Polyp", "Normal")[n == 0]) for n in range(4)]
    tiles = [dataclasses.replace(tile, tissue=int(tile.stratum == "Polyp")) for tile in tiles]
    everything = (*tiles, data.train[1])
    plain = tissue_frequency(tiny_run.config(balance=0.0), everything)
    assert plain.tolist() == pytest.approx([0.25, 0.75, 0, 0, 0, 0])
    even = tissue_frequency(tiny_run.config(balance=1.0), everything)
    assert even.tolist() == pytest.approx([0.5, 0.5, 0, 0, 0, 0])
