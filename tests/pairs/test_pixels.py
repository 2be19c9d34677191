"""Reading tiles, masks and labels: every kind of file gives one plain array or one clear sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_cerberus.errors import DataError
from napari_cerberus.pairs.layout.tile_pixels import image_shape, read_grey, read_labels, read_mask, read_rgb

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_lossless_images_come_back_pixel_for_pixel(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tile{suffix}"
    Image.fromarray(COLOURS).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    np.testing.assert_array_equal(read_rgb(path), COLOURS)
    assert image_shape(path) == (6, 9)


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    rgba = np.dstack([COLOURS, np.full((6, 9), 255, np.uint8)])
    rgba[0, 0, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "t.png")
    image = read_rgb(tmp_path / "t.png")
    assert image[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(image[1:], COLOURS[1:])


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_grey_images_are_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "grey.png")
    with pytest.raises(DataError, match=r"grey\.png is a grey image"):
        read_rgb(tmp_path / "grey.png")


def test_soft_edges_are_cut_above_127(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == [[False, False, True, True]]


def test_masks_stored_as_colours_or_bits_are_read(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([np.array([[0, 200]], np.uint8)] * 3)).save(tmp_path / "rgb.png")
    Image.fromarray(np.array([[False, True]])).save(tmp_path / "bits.png")
    assert read_mask(tmp_path / "rgb.png").tolist() == [[False, True]]
    assert read_mask(tmp_path / "bits.png").tolist() == [[False, True]]


def test_sixteen_bit_masks_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 300]], np.uint16)).save(tmp_path / "m.png")
    with pytest.raises(DataError, match="more than 8 bits"):
        read_grey(tmp_path / "m.png")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_labels_keep_their_ids(tmp_path: Path, suffix: str) -> None:
    labels = np.array([[0, 1, 65535]], np.uint16)
    path = tmp_path / f"labels{suffix}"
    if suffix == ".png":
        Image.fromarray(labels).save(path)
    else:
        tifffile.imwrite(path, labels, compression="zlib")
    back = read_labels(path)
    assert back.dtype == np.int32
    assert back.tolist() == [[0, 1, 65535]]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4), np.float32), "not a label image"),
        (np.zeros((4, 4, 3), np.uint8), "not a label image"),
        (np.array([[0, 2**31]], np.uint32), "above 2147483647"),
        (np.array([[0, -1]], np.int32), "below 0"),
    ],
)
def test_arrays_that_are_no_labels_are_refused(tmp_path: Path, array: np.ndarray, words: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", array)
    with pytest.raises(DataError, match=words):
        read_labels(tmp_path / "x.tif")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_damaged_files_give_one_sentence(tmp_path: Path, suffix: str, damage: str) -> None:
    path = tmp_path / f"tile{suffix}"
    Image.fromarray(np.tile(COLOURS, (20, 20, 1))).save(path)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "text": b"not an image at all", "cut": whole[: len(whole) // 2]}[damage])
    for reader in (read_rgb, read_mask, read_labels):
        with pytest.raises(DataError, match=path.name):
            reader(path)


def test_a_missing_file_is_called_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_rgb(tmp_path / "no.png")
