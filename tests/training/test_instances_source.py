"""Instance folders of unknown scale: the pixel size is estimated from an image's objects, or from other images'."""

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.errors import DataError
from napari_cerberus.tasks import instances
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.data.tile_sources import collect
from napari_cerberus.training.run_settings import BatchSettings, SourceSettings


def tiles_of(tmp_path, sides):
    """Tiles with one square object each, of so many pixels a side; 0: none."""
    for part in ("images", "labels"):
        (tmp_path / "nuclei" / part).mkdir(parents=True)
    for number, side in enumerate(sides):
        labels = np.zeros((40, 40), np.uint16)
        labels[4 : 4 + side, 4 : 4 + side] = side > 0
        Image.fromarray(np.full((40, 40, 3), 90 + number, np.uint8)).save(tmp_path / f"nuclei/images/p_{number}.png")
        Image.fromarray(labels).save(tmp_path / f"nuclei/labels/p_{number}.png")
    source = SourceSettings(name="n", kind="instances", path="nuclei", tasks=("nuclei",), object_diameter_um=8.0)
    batches = (BatchSettings(tasks=("nuclei",)),)
    tasks = (instances("nuclei"),)
    config = TrainConfig(name="n", seed=0, sources=(source,), batches=batches, tasks=tasks, pixel_size_um=1.0, steps=1)
    return collect(config.sources, config.tasks, tmp_path)


def test_an_image_without_objects_has_the_usual_pixel_size(tmp_path):
    sizes = [tile.load().pixel_size.mean_um for tile in tiles_of(tmp_path, (8, 0, 16, 10))]
    assert sizes[0] == pytest.approx(8 / (8 * np.sqrt(4 / np.pi)))
    assert sizes[0] == pytest.approx(2 * sizes[2])
    assert sizes[1] == pytest.approx(sizes[3])


def test_a_folder_without_any_object_is_named(tmp_path):
    tiles = tiles_of(tmp_path, (0, 0))
    with pytest.raises(DataError, match="holds an object"):
        tiles[0].load()
