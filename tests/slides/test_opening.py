"""Slides open lazily, with their own pixel size or none, and say in one sentence why they do not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from make_slides import write_pyramid, write_zarr

from napari_cerberus.errors import CerberusError, ImageError, InstallationError
from napari_cerberus.inference.grid.model_grid import Window
from napari_cerberus.pixel_size import PixelSizeSource
from napari_cerberus.slides import open_slide

PART = Window(70, 30, 190, 200)


@pytest.mark.parametrize("ome", [False, True])
def test_a_pyramidal_tiff_opens_with_its_levels_and_pixel_size(tmp_path: Path, tissue: np.ndarray, ome: bool) -> None:
    slide = open_slide(write_pyramid(tmp_path / ("one.ome.tif" if ome else "one.tif"), tissue, um=0.5, ome=ome))
    assert [level.shape for level in slide.levels] == [(300, 260, 3), (150, 130, 3), (75, 65, 3)]
    assert slide.format == ("OME-TIFF" if ome else "TIFF")
    assert slide.name == "one"
    np.testing.assert_array_equal(slide.read(PART), tissue[PART.slices])
    assert slide.pixel_size is not None
    assert slide.pixel_size.yx_um == pytest.approx((1.0 if ome else 0.5, 0.5), rel=1e-6)
    assert slide.pixel_size.source is PixelSizeSource.FILE


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_zarr_opens_with_its_levels_and_pixel_size(tmp_path: Path, tissue: np.ndarray, version: str) -> None:
    slide = open_slide(write_zarr(tmp_path / "one.ome.zarr", tissue, version=version))
    assert slide.format == f"OME-Zarr {version}"
    assert [level.shape for level in slide.levels] == [(300, 260, 3), (150, 130, 3)]
    assert slide.pixel_size is not None
    assert slide.pixel_size.yx_um == (1.0, 0.5)
    np.testing.assert_array_equal(slide.read(PART), tissue[PART.slices])
    assert slide.name == "one"


@pytest.mark.parametrize("um", [None, 352.9, 0.01])
def test_a_pixel_size_that_is_missing_or_implausible_is_none(
    tmp_path: Path, tissue: np.ndarray, um: float | None
) -> None:
    assert open_slide(write_pyramid(tmp_path / "one.tif", tissue, um=um)).pixel_size is None
    assert open_slide(write_zarr(tmp_path / "one.zarr", tissue, um=um)).pixel_size is None


def test_nothing_is_read_before_it_is_used(tmp_path: Path, tissue: np.ndarray) -> None:
    path = write_zarr(tmp_path / "one.zarr", tissue)
    slide = open_slide(path)
    zarr.open_array(path / "0", mode="r+")[:, :, :, :64, :64] = 7
    assert (slide.read(Window(0, 0, 64, 64)) == 7).all()


def test_identity_depends_on_content_not_on_path_or_container(tmp_path: Path, tissue: np.ndarray) -> None:
    first = open_slide(write_pyramid(tmp_path / "one.tif", tissue)).key
    again = open_slide(write_pyramid(tmp_path / "two.ome.tif", tissue, ome=True)).key
    other = open_slide(write_pyramid(tmp_path / "three.tif", 255 - tissue)).key
    assert first == again != other


def test_tiles_that_the_scanner_left_out_are_glass(tmp_path: Path, tissue: np.ndarray) -> None:
    path = tmp_path / "sparse.tif"
    tiles = [tissue[y : y + 64, x : x + 64] for y in (0, 64) for x in (0, 64)]
    data = iter([tiles[0], None, tiles[2], tiles[3]])
    tifffile.imwrite(path, data, shape=(128, 128, 3), dtype=np.uint8, tile=(64, 64), photometric="rgb")
    pixels = open_slide(path).read(Window(0, 0, 128, 128))
    assert (pixels[:64, 64:] == 255).all()
    np.testing.assert_array_equal(pixels[64:], tissue[64:128, :128])


def test_damaged_files_are_named_in_one_sentence(tmp_path: Path, tissue: np.ndarray) -> None:
    whole = write_pyramid(tmp_path / "whole.tif", np.tile(tissue, (4, 4, 1)), levels=0).read_bytes()
    for kept in (3, 20, 200, len(whole) // 2):
        path = tmp_path / f"cut{kept}.tif"
        path.write_bytes(whole[:kept])
        with pytest.raises(ImageError, match=path.name):
            open_slide(path)
    scrambled = bytearray(whole)
    scrambled[len(whole) // 3 : 2 * len(whole) // 3] = bytes(len(whole) // 3)
    path = tmp_path / "holes.tif"
    path.write_bytes(scrambled)
    with pytest.raises(ImageError, match=r"holes\.tif"):
        _read_everything(path)


def _read_everything(path: Path) -> None:
    slide = open_slide(path)
    slide.read(Window(0, 0, *slide.shape))


@pytest.mark.parametrize("kind", ["text", "missing", "folder", "grey", "fluorescence", "other zarr"])
def test_what_is_no_slide_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing.tif"
    if kind == "text":
        path.write_text("not a slide")
    elif kind == "folder":
        path.mkdir()
    elif kind == "grey":
        tifffile.imwrite(path, np.zeros((32, 32), np.uint8))
    elif kind == "fluorescence":
        tifffile.imwrite(path, np.zeros((5, 32, 32), np.uint16), metadata={"axes": "CYX"}, ome=True)
    elif kind == "other zarr":
        zarr.open_group(path, mode="w").attrs["something"] = 1
    with pytest.raises(ImageError) as caught:
        open_slide(path)
    assert "thing.tif" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("a.mrxs", "openslide", "openslide"), ("a.dcm", "wsidicom", "dicom")]
)
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(InstallationError, match=rf"napari-cerberus\[{extra}\]"):
        open_slide(tmp_path / name)


def test_real_slides(slides_dir: Path) -> None:
    aperio = open_slide(slides_dir / "CMU-1-Small-Region.svs")
    assert (aperio.shape, len(aperio.levels), aperio.format) == ((2967, 2220), 1, "Aperio SVS")
    assert str(aperio.pixel_size) == "0.499 µm"
    jpeg2000 = open_slide(slides_dir / "tcga-cr-7395-01a-01-ts1.svs")
    assert [level.shape[0] for level in jpeg2000.levels] == [3567, 1783]
    assert jpeg2000.pixel_size is None
    assert jpeg2000.read(Window(1000, 1000, 1100, 1100)).std() > 5
    false_resolution = open_slide(slides_dir / "small_HE_levels.tiff")
    assert (len(false_resolution.levels), false_resolution.pixel_size) == (4, None)
    with pytest.raises(ImageError, match=r"broken\.svs"):
        open_slide(slides_dir / "broken.svs")


def test_a_real_dicom_slide_has_the_pixels_of_the_svs(slides_dir: Path) -> None:
    pytest.importorskip("wsidicom")
    folder = slides_dir / "CMU-1-Small-Region-dicom"
    slide = open_slide(folder)
    assert (slide.format, slide.shape, len(slide.levels)) == ("DICOM", (2967, 2220), 1)
    assert str(slide.pixel_size) == "0.499 µm"
    part = Window(500, 300, 620, 440)
    same = open_slide(slides_dir / "CMU-1-Small-Region.svs").read(part)
    assert np.abs(slide.read(part).astype(int) - same).mean() < 3  # compressed once more
    with pytest.raises(CerberusError):
        open_slide(folder.parent / "nothing.dcm")
