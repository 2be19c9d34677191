"""The drawn tile: exact, repeatable truth at any size and scale."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import label as components

from napari_cerberus.errors import SettingsError
from napari_cerberus.samples import SYNTHETIC_COLON
from napari_cerberus.synthetic import SyntheticTile, TileSettings, make_tile
from napari_cerberus.synthetic.__main__ import main
from napari_cerberus.synthetic.crypt_layout import plan_layout
from napari_cerberus.synthetic.write_tile import labels_sha256

NUCLEUS_CLASSES = {"epithelial", "lymphocyte", "plasma", "eosinophil", "connective"}


@pytest.fixture(scope="module")
def tile() -> SyntheticTile:
    return make_tile(TileSettings(height_px=192, width_px=256, pixel_size_um=1.0, seed=5))


@settings(max_examples=25)
@given(
    height=st.integers(16, 70),
    width=st.integers(16, 70),
    pixel_size=st.floats(0.2, 8.0),
    seed=st.integers(0, 10_000),
)
def test_any_size_scale_and_seed_gives_a_consistent_tile(height: int, width: int, pixel_size: float, seed: int) -> None:
    tile = make_tile(TileSettings(height_px=height, width_px=width, pixel_size_um=pixel_size, seed=seed))
    assert tile.image.shape == (height, width, 3)
    assert tile.image.dtype == np.uint8
    for labels in tile.labels.values():
        assert labels.shape == (height, width)
        assert labels.dtype == np.int32
        present = np.unique(labels[labels > 0])
        assert present.tolist() == list(range(1, len(present) + 1))
        for each in present:
            assert components(labels == each, np.ones((3, 3)))[1] == 1
    assert sorted(tile.nucleus_classes) == list(range(1, int(tile.labels["nuclei"].max()) + 1))
    assert np.all(tile.labels["glands"][tile.labels["lumina"] > 0] > 0)
    assert not np.any((tile.labels["nuclei"] > 0) & (tile.labels["lumina"] > 0))


def test_epithelium_lies_in_glands_and_all_other_nuclei_in_the_stroma(tile: SyntheticTile) -> None:
    assert set(tile.nucleus_classes.values()) == NUCLEUS_CLASSES
    in_gland = tile.labels["glands"] > 0
    for label, kind in tile.nucleus_classes.items():
        inside = in_gland[tile.labels["nuclei"] == label]
        assert inside.all() if kind == "epithelial" else not inside.any()


def test_the_same_seed_draws_the_same_tile_and_another_seed_another() -> None:
    chosen = TileSettings(height_px=64, width_px=48, pixel_size_um=1.5, seed=7)
    first, again = make_tile(chosen), make_tile(chosen)
    other = make_tile(TileSettings(height_px=64, width_px=48, pixel_size_um=1.5, seed=8))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels["nuclei"], again.labels["nuclei"])
    assert not np.array_equal(first.labels["glands"], other.labels["glands"])


def test_the_same_extent_shows_the_same_tissue_at_any_pixel_size() -> None:
    fine = make_tile(TileSettings(height_px=240, width_px=160, pixel_size_um=0.5, seed=2)).labels["glands"] > 0
    coarse = make_tile(TileSettings(height_px=120, width_px=80, pixel_size_um=1.0, seed=2)).labels["glands"] > 0
    shrunk = fine.reshape(120, 2, 80, 2).mean(axis=(1, 3)) > 0.5
    assert np.mean(shrunk == coarse) > 0.99


def test_colours_are_those_of_haematoxylin_and_eosin(tile: SyntheticTile) -> None:
    nuclei, lumina = tile.labels["nuclei"] > 0, tile.labels["lumina"] > 0
    ground = ~nuclei & ~lumina & (tile.image.min(axis=-1) < 220)
    red, green, blue = tile.image[nuclei].mean(axis=0)
    assert blue > red > green
    red, green, blue = tile.image[ground].mean(axis=0)
    assert red > blue > green
    assert tile.image[lumina].mean() > 205 > tile.image[ground].mean() > tile.image[nuclei].mean() + 30


def test_large_fields_show_bare_glass_and_small_ones_a_whole_crypt() -> None:
    large = make_tile(TileSettings(height_px=80, width_px=80, pixel_size_um=5.0, seed=1))
    empty = (large.image.min(axis=-1) > 225) & (large.labels["lumina"] == 0)
    assert 0.05 < empty.mean() < 0.5
    small = make_tile(TileSettings(height_px=64, width_px=64, pixel_size_um=2.0, seed=1))
    assert min(int(labels.max()) for labels in small.labels.values()) >= 1


def test_the_warp_of_the_plane_can_be_undone() -> None:
    warp = plan_layout(TileSettings(seed=4)).warp
    points = np.random.default_rng(0).uniform(0.0, 500.0, (200, 2))
    real = warp.undo(points)
    np.testing.assert_allclose(real + warp.displacement(real), points, atol=1e-2)


@pytest.mark.parametrize(
    ("field", "value"),
    [("height_px", 15), ("width_px", 0), ("pixel_size_um", float("nan")), ("pixel_size_um", 0.0), ("seed", -1)],
)
def test_a_senseless_setting_is_named(field: str, value: float) -> None:
    with pytest.raises(SettingsError, match=field):
        TileSettings(**{field: value})  # type: ignore[arg-type]


def test_the_command_writes_picture_labels_and_truth(tmp_path: Path) -> None:
    arguments = ["--height-px", "40", "--width-px", "32", "--pixel-size-um", "2", "--seed", "9"]
    assert main([str(tmp_path / "tile"), *arguments]) == 0
    truth = json.loads((tmp_path / "tile" / "truth.json").read_text(encoding="utf-8"))
    expected = make_tile(TileSettings(**truth["settings"]))
    picture = Image.open(tmp_path / "tile" / "image.png")
    np.testing.assert_array_equal(np.asarray(picture), expected.image)
    assert picture.info["dpi"][0] == pytest.approx(12_700.0, rel=1e-4)
    for key, labels in expected.labels.items():
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "tile" / f"{key}.tif"), labels)
        assert truth["label_sha256"][key] == labels_sha256(labels)


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "tile"), "--seed", "-3"]) == 1
    assert capsys.readouterr().err == "Error: seed must not be negative; it is -3.\n"
    assert not (tmp_path / "tile").exists()


def test_the_shipped_tile_is_what_its_truth_file_says_and_can_be_drawn_again() -> None:
    truth = json.loads((SYNTHETIC_COLON.image_path.parent / "truth.json").read_text(encoding="utf-8"))
    tile = make_tile(TileSettings(**truth["settings"]))
    np.testing.assert_array_equal(np.asarray(Image.open(SYNTHETIC_COLON.image_path)), tile.image)
    for key in SYNTHETIC_COLON.truth_tasks:
        shipped = tifffile.imread(SYNTHETIC_COLON.labels_path(key))
        assert shipped.dtype == np.uint16
        np.testing.assert_array_equal(shipped, tile.labels[key])
        assert labels_sha256(shipped) == truth["label_sha256"][key]
    assert {int(key): name for key, name in truth["nucleus_classes"].items()} == tile.nucleus_classes
