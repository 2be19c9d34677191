"""A run small enough for tests: random tiles, 32 px crops, a handful of steps of the real network."""

from pathlib import Path

import numpy as np

from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.tasks import EBHI_CLASSES, TaskSpec, instances
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.data.tile_sources import LoadedTile, Tile
from napari_cerberus.training.engine.loop import TrainingData
from napari_cerberus.training.run_settings import AugmentSettings, BatchSettings, OptimiserSettings, SourceSettings

TASKS = (instances("glands"), instances("nuclei"), TaskSpec(key="tissue", kind="tissue", classes=EBHI_CLASSES))


def config(**changes) -> TrainConfig:
    fields = {
        "name": "tiny",
        "seed": 5,
        "tasks": TASKS,
        "pixel_size_um": 1.0,
        "steps": 4,
        "validate_every": 2,
        "checkpoint_every_s": 3600,
        "precision": "fp32",
        "device": "cpu",
        "sources": (SourceSettings(name="s", kind="ebhi", path=".", tasks=("glands", "tissue"), pixel_size_um=1.0),),
        "batches": (
            BatchSettings(tasks=("glands", "tissue"), size=2, crop_px=32),
            BatchSettings(tasks=("nuclei",), size=2, crop_px=32),
        ),
        "optimiser": OptimiserSettings(ema_decay=0.5),
        "augment": AugmentSettings(),
    }
    return TrainConfig(**{**fields, **changes})


def loaded_tile(seed: int, key: str) -> LoadedTile:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)
    labels = np.zeros((48, 40), np.int32)
    labels[5:20, 5:20], labels[22:40, 10:30] = 1, 2
    return LoadedTile(image=image, labels={key: labels}, pixel_size=PixelSize.square(1.0))


def tile(name: str, key: str) -> Tile:
    glands = key == "glands"
    return Tile(
        id=name,
        patient=name,
        stratum="Normal",
        tasks=frozenset({key, "tissue"} if glands else {key}),
        load=lambda: loaded_tile(len(name), key),
        image_path=Path(name),
        tissue=0 if glands else -1,
    )


def data() -> TrainingData:
    tiles = [tile("g1", "glands"), tile("n1", "nuclei"), tile("g22", "glands"), tile("n22", "nuclei")]
    loaded = {one.id: one.load() for one in tiles}
    return TrainingData(train=tiles[:2], validation=tiles[2:], loaded=loaded)
