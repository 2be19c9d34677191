"""Pixels of two axes, tiles without an object, and painted tiles as sources."""

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.synthetic.__main__ import main as paint
from napari_cerberus.tasks import instances
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.data.augment import crop_window
from napari_cerberus.training.data.tile_sources import collect
from napari_cerberus.training.run_settings import BatchSettings, SourceSettings


def config(source: SourceSettings, **more) -> TrainConfig:
    return TrainConfig(
        name="x",
        seed=0,
        sources=(source,),
        batches=tuple(BatchSettings(tasks=(key,)) for key in source.tasks),
        tasks=tuple(instances(key) for key in source.tasks),
        pixel_size_um=1.0,
        steps=1,
        **more,
    )


def test_gland_free_folders_give_exact_empty_labels(tmp_path):
    for name in ("stroma", "tumour"):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.fromarray(np.full((20, 30, 3), 200, np.uint8)).save(tmp_path / "set" / name / "a.png")
    source = SourceSettings(
        name="n", kind="negative", path="set", tasks=("glands",), pixel_size_um=0.5, folders=("stroma",)
    )
    (only,) = collect([source], config(source).tasks, tmp_path)
    loaded = only.load()
    assert only.stratum == "n stroma"
    assert loaded.labels["glands"].shape == (20, 30)
    assert not loaded.labels["glands"].any()
    lost = SourceSettings(name="n", kind="negative", path="set", tasks=("glands",), pixel_size_um=0.5, folders=("fat",))
    with pytest.raises(DataError, match="fat"):
        collect([lost], config(lost).tasks, tmp_path)


def test_painted_tiles_are_read_as_they_were_drawn(tmp_path, capsys):
    size = ["--height-px", "64", "--width-px", "80", "--pixel-size-um", "1.5"]
    assert paint([str(tmp_path / "p"), "--varied", "--count", "2", "--seed", "7", *size]) == 0
    source = SourceSettings(name="painted", kind="painted", path="p", tasks=("nuclei", "glands"))
    tiles = collect([source], config(source).tasks, tmp_path)
    assert [tile.id for tile in tiles] == ["painted/00007", "painted/00008"]
    loaded = tiles[0].load()
    assert loaded.pixel_size.yx_um == (1.5, 1.5)
    assert set(loaded.labels) == {"nuclei", "glands"}
    assert not np.array_equal(loaded.image, tiles[1].load().image)
    (tmp_path / "p" / "00007" / "glands.tif").unlink()
    with pytest.raises(DataError, match="00007"):
        tiles[0].load()


def test_a_squeezed_disc_is_round_on_the_model_grid():
    y, x = np.mgrid[:120, :90]
    labels = (((y - 60) * 1.0) ** 2 + ((x - 45) * 4 / 3) ** 2 < 30**2).astype(np.int32)
    image = np.zeros((120, 90, 3), np.uint8)
    _, masks = crop_window(image, {"glands": labels}, side_px=120, zoom=(1.0, 4 / 3), rng=np.random.default_rng(0))
    rows, columns = (np.flatnonzero(masks["glands"].numpy().any(axis)) for axis in (1, 0))
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)


def test_a_batch_holds_tasks_of_one_pixel_size():
    source = SourceSettings(name="s", kind="pairs", path=".", tasks=("nuclei", "glands"))
    fine = config(source, task_pixel_size_um={"nuclei": 0.5})
    assert fine.grids(("glands", "nuclei")) == {1.0: ("glands",), 0.5: ("nuclei",)}
    with pytest.raises(SettingsError, match="one pixel size"):
        config(source, task_pixel_size_um={"nuclei": 0.5}, sampling="mixed")


def test_a_source_takes_height_and_width():
    source = SourceSettings(name="s", kind="ebhi", path=".", tasks=("glands",), pixel_size_um=(1.13, 1.5))
    assert source.pixel_size is not None
    assert source.pixel_size.yx_um == (1.13, 1.5)
    with pytest.raises(SettingsError, match="height and width"):
        SourceSettings(name="s", kind="ebhi", path=".", tasks=("glands",), pixel_size_um=(1.0, 1.0, 1.0))
