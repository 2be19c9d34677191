"""How nuclei are best cut: panoptic quality and the number found, for smoothings of the seeds and least areas.

    python benchmarks/nuclei_rule.py --config configs/starter_next.toml --tiles 8

Tiles of the validation side, never of the test side, as they are and once more made as coarse as a photograph of
1.3 µm/px: there one nucleus is a few pixels, and fell into crumbs. "painted" tiles come from the generator.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from skimage.transform import resize

from napari_cerberus.inference.device import choose_runtime
from napari_cerberus.inference.grid.model_grid import ModelGrid
from napari_cerberus.inference.grid.rescale import to_model_grid
from napari_cerberus.inference.objects.postprocess import find_objects, settings_for
from napari_cerberus.inference.predict import predict
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import NUCLEI
from napari_cerberus.training.data.tile_sources import Tile
from napari_cerberus.training.evaluation.metrics.object_metrics import compare_objects, pq
from napari_cerberus.training.evaluation.selection import select_config

COARSE_UM = 1.3
SMOOTHINGS_UM = (1.0, 1.25, 1.5, 1.75)
LEAST_AREAS_UM2 = (8.0, 12.0)


def main() -> None:
    """Print one line for each source, pixel size, smoothing and least area."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="names the data and the split")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--tiles", type=int, default=8, help="of each source, at most")
    args = parser.parse_args()
    tiles = select_config(args.config, split_path=None, side="validation").tiles
    sources: dict[str, list[Tile]] = defaultdict(list)
    for tile in tiles:
        if NUCLEI in tile.tasks:
            sources[tile.id.partition("/")[0]].append(tile)
    for source, members in sources.items():
        few = np.random.default_rng(0).permutation(len(members))[: args.tiles]
        measure(source, [members[place] for place in few], args.model)


def measure(source: str, tiles: Sequence[Tile], model_name: str) -> None:
    """Cut every tile in every way, and print the sums over the tiles."""
    model, runtime = open_model(model_name), choose_runtime("cpu")
    read_um = model.spec.pixel_size_of(NUCLEI)
    rule = settings_for(NUCLEI, model.spec.thresholds.get(NUCLEI), published=False)
    sums: dict[tuple[bool, float, float], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for tile in tiles:
        for coarse, image, size, truth in views(tile):
            grid = ModelGrid.of(image.shape[:2], size, read_um)
            job = predict(to_model_grid(image, grid), model, runtime, keys=[NUCLEI])
            inner, contour = run_to_end(job).probabilities[NUCLEI].astype(np.float32)
            for smoothing, area in product(SMOOTHINGS_UM, LEAST_AREAS_UM2):
                settings = replace(rule, seed_smoothing_um=smoothing, min_area_um2=area)
                found = nearest(find_objects(NUCLEI, inner, contour, read_um, settings), truth.shape)
                total = sums[coarse, smoothing, area]
                for name, value in compare_objects(truth, found).sums().items():
                    total[name] += value
                total["found"] += len(np.unique(found[found > 0]))
                total["drawn"] += len(np.unique(truth[truth > 0]))
    for (coarse, smoothing, area), total in sums.items():
        print(
            f"{source:8} {len(tiles):3} tiles {f'at {COARSE_UM} µm/px' if coarse else 'as they are':13}"
            f"  smoothing {smoothing:4.2f} µm  least {area:4.1f} µm²"
            f"  PQ {float(pq(total)):.3f}  found/drawn {total['found'] / max(total['drawn'], 1):.2f}",
            flush=True,
        )


def views(tile: Tile) -> Iterator[tuple[bool, np.ndarray, PixelSize, np.ndarray]]:
    """Whether made coarse, the image, its pixel size, and the truth as it was drawn."""
    loaded = tile.load()
    image, truth = np.asarray(loaded.image), np.asarray(loaded.labels[NUCLEI])
    size = loaded.pixel_size
    yield False, image, size, truth
    shape = tuple(round(side * um / max(um, COARSE_UM)) for side, um in zip(image.shape[:2], size.yx_um, strict=True))
    small = np.rint(resize(image.astype(float), shape, order=1, anti_aliasing=True, preserve_range=True))
    yield True, small.astype(np.uint8), PixelSize(*(max(um, COARSE_UM) for um in size.yx_um)), truth


def nearest(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Labels on a grid of another size, by the nearest pixel."""
    rows, columns = (
        np.minimum((np.arange(new) + 0.5) * old // new, old - 1).astype(int)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


if __name__ == "__main__":
    main()
