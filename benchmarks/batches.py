"""Preparing batches: ours against torchvision's elastic deformation, and against the network's step.

    python benchmarks/batches.py [--crop 224] [--batches 8]

Random tiles with discs as glands, the starter's augmentations, one thread. Printed: processor seconds a batch of 8
crops, the same with torchvision's ``ElasticTransform`` (which smooths in two dimensions at once; the displacement is
the same), and their ratio; and the time of a training step of one decoder on this machine, which says how many
processes (``workers``) it takes to keep up with it.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torchvision.transforms import v2

from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.tasks import EBHI_CLASSES, TaskSpec, instances
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.data import augment
from napari_cerberus.training.data.sampler import TaskSampler
from napari_cerberus.training.data.tile_sources import LoadedTile, Tile
from napari_cerberus.training.engine.trainer import Trainer
from napari_cerberus.training.run_settings import BatchSettings, SourceSettings

_TILE_PX = 300
_TASKS = ("glands", "tissue")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crop", type=int, default=224, help="side of a crop, px")
    parser.add_argument("--batches", type=int, default=8, help="batches timed each way")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = _config(arguments.crop)
    tiles = [_tile(number) for number in range(8)]
    sampler = TaskSampler(config, tiles, {tile.id: tile.load() for tile in tiles})
    ours, theirs = [], []
    own = augment.Elastic
    for step in range(arguments.batches):  # in turn: the machine is shared
        ours.append(_seconds(lambda step=step: sampler.batch(step)))
        augment.Elastic = v2.ElasticTransform  # type: ignore[misc,assignment]
        theirs.append(_seconds(lambda step=step: sampler.batch(step)))
        augment.Elastic = own  # type: ignore[misc]
    trainer, batch = Trainer(config), sampler.batch(0)
    trainer.advance(batch)
    step = _seconds(lambda: trainer.advance(batch))
    mean = float(np.mean(ours))
    print("| 8 crops of one batch | processor s | against ours |\n|---|---|---|")
    print(f"| ours | {mean:.3f} | 1 |")
    print(f"| torchvision's elastic deformation | {np.mean(theirs):.3f} | {np.mean(theirs) / mean:.1f} |")
    print(f"| a training step of the network, {trainer.device.type} | {step:.3f} | {step / mean:.1f} |")


def _seconds(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _config(crop_px: int) -> TrainConfig:
    tissue = TaskSpec(key="tissue", kind="tissue", classes=EBHI_CLASSES)
    return TrainConfig(
        name="batches",
        seed=1,
        sources=(SourceSettings(name="s", kind="ebhi", path=".", tasks=_TASKS, pixel_size_um=1.0),),
        batches=(BatchSettings(tasks=_TASKS, size=8, crop_px=crop_px),),
        tasks=(instances("glands"), tissue),
        pixel_size_um=1.0,
        steps=10,
    )


def _tile(number: int) -> Tile:
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:_TILE_PX, :_TILE_PX]
    labels = np.zeros((_TILE_PX, _TILE_PX), np.int32)
    for index in range(1, 13):
        labels[(y - rng.integers(_TILE_PX)) ** 2 + (x - rng.integers(_TILE_PX)) ** 2 < 28**2] = index
    image = rng.integers(60, 240, (_TILE_PX, _TILE_PX, 3), dtype=np.uint8)
    loaded = LoadedTile(image=image, labels={"glands": labels}, pixel_size=PixelSize.square(1.0))
    return Tile(
        id=f"t{number}",
        patient=f"p{number}",
        stratum="Normal",
        tasks=frozenset(_TASKS),
        load=lambda: loaded,
        image_path=__file__,  # type: ignore[arg-type]
        tissue=number % 6,
    )


if __name__ == "__main__":
    main()
