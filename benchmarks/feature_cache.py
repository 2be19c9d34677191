"""How much faster do heads train when the frozen part's outputs are kept? Both ways, in one run, on the same tiles.

    python benchmarks/feature_cache.py [--tiles 20] [--views 4] [--batch 8] [--steps 6] [--threads N]

Tiles are drawn (napari_cerberus.synthetic), the network is the shipped starter. For every way of freezing the table
gives the seconds of a step that augments, runs the frozen layers and trains; of a step from what was kept; what the
views take in memory and how long it took to look at all of them; and what this makes of a run of 300 steps. A step is
the median of ``--steps`` steps, the two ways taken in turns, so that a busy computer is busy for both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from napari_cerberus.model.runtime import keep_freed_memory
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.synthetic import TileSettings, make_tile
from napari_cerberus.tasks import EBHI_CLASSES, EBHI_TASKS
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.data.sampler import TaskSampler
from napari_cerberus.training.data.tile_sources import LoadedTile, Tile
from napari_cerberus.training.data.views import ViewSampler
from napari_cerberus.training.engine.trainer import Trainer
from napari_cerberus.training.run_settings import BatchSettings, OptimiserSettings, SourceSettings
from napari_cerberus.training.transfer.feature_cache import FeatureCache, ViewStore

SIDE_PX, PIXEL_SIZE_UM = 224, 1.3
RUN_STEPS = 300


@dataclass(frozen=True)
class Way:
    """A way of freezing: the tasks that learn, and where their decoders begin to train."""

    name: str
    tasks: tuple[str, ...]
    block: int


WAYS = (
    Way("tissue head", ("tissue",), 5),
    Way("heads of glands and tissue", ("glands", "tissue"), 5),
    Way("last block and heads of glands and tissue", ("glands", "tissue"), 4),
    Way("whole decoder of glands, tissue head", ("glands", "tissue"), 1),
)


def main() -> int:
    """Print the table."""
    arguments = _parsed()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    tiles = [_tile(number) for number in range(arguments.tiles)]
    loaded = {tile.id: tile.load() for tile in tiles}
    print(
        f"{arguments.tiles} tiles of {SIDE_PX} px, {arguments.views} views each, batches of {arguments.batch}, "
        f"{torch.get_num_threads()} CPU threads; only the encoder and what the table does not name are frozen.\n"
    )
    print("| what trains | step without | step with | times faster | looking once | kept | ", end="")
    print(f"{RUN_STEPS} steps without | with | times faster |")
    print("|---|---|---|---|---|---|---|---|---|")
    for way in WAYS:
        print(_row(way, arguments, tiles, loaded), flush=True)
    return 0


def _row(way: Way, arguments: argparse.Namespace, tiles: list[Tile], loaded: dict[str, LoadedTile]) -> str:
    config = _config(way, arguments)
    plain, fast = Trainer(config), Trainer(config)
    sampler = TaskSampler(config, tiles, loaded)
    with tempfile.TemporaryDirectory() as folder:
        store = ViewStore(Path(folder) / "features", config.cache_memory_mb * 2**20)
        cache = FeatureCache(ViewSampler(config, tiles, loaded), fast.frozen, store)
        looking = _seconds(lambda: run_to_end(cache.fill(range(RUN_STEPS))))
        without, kept = [], []
        for step in range(arguments.steps + 1):
            without.append(_seconds(lambda step=step: plain.advance(sampler.batch(step))))
            kept.append(_seconds(lambda step=step: fast.advance(cache.batch(step))))
        before, after = statistics.median(without[1:]), statistics.median(kept[1:])
        size = (config.cache_memory_mb * 2**20 - store.free_bytes) / 2**20
        store.close()
    whole = (RUN_STEPS * before, RUN_STEPS * after + looking)
    return (
        f"| {way.name} | {before:.2f} s | {after:.3f} s | **{before / after:.1f}** | {looking:.0f} s | {size:.0f} MB "
        f"| {whole[0] / 60:.1f} min | {whole[1] / 60:.1f} min | **{whole[0] / whole[1]:.1f}** |"
    )


def _config(way: Way, arguments: argparse.Namespace) -> TrainConfig:
    source = SourceSettings(name="drawn", kind="pairs", path=".", tasks=("glands", "tissue"))
    return TrainConfig(
        name="benchmark",
        seed=0,
        sources=(source,),
        batches=(BatchSettings(tasks=way.tasks, size=arguments.batch, crop_px=SIDE_PX),),
        tasks=EBHI_TASKS,
        pixel_size_um=1.0,
        steps=RUN_STEPS,
        tissue_window_cells=14,
        start="starter",
        train_from_layer=5,
        train_decoder_from_block=way.block,
        cache_features=True,
        cache_views=arguments.views,
        cache_memory_mb=arguments.memory_mb,
        optimiser=OptimiserSettings(ema_decay=0.99),
        device="cpu",
    )


def _tile(number: int) -> Tile:
    def load() -> LoadedTile:
        drawn = make_tile(TileSettings(height_px=SIDE_PX, width_px=SIDE_PX, pixel_size_um=PIXEL_SIZE_UM, seed=number))
        return LoadedTile(
            image=drawn.image, labels={"glands": drawn.labels["glands"]}, pixel_size=PixelSize.square(PIXEL_SIZE_UM)
        )

    return Tile(
        id=f"drawn/{number:03d}",
        patient=str(number),
        stratum=EBHI_CLASSES[number % 6],
        tasks=frozenset({"glands", "tissue"}),
        load=load,
        image_path=Path(f"{number:03d}.png"),
        tissue=number % 6,
    )


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=20)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=6, help="steps that are timed, each way")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; default: torch's choice")
    parser.add_argument("--memory-mb", type=int, default=2048, help="what may be kept in memory")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
