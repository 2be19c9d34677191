"""Label TIFFs: ids and pixel size come back, for us, for tifffile and for other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings

from napari_cerberus.errors import CerberusError, DataError
from napari_cerberus.interop.ome_tiff import read_label_tiff, write_label_tiff
from napari_cerberus.pixel_size import PixelSize
from pairs.make_labels import label_maps


@pytest.mark.parametrize("name", ["labels.tif", "labels.ome.tif"])
@settings(max_examples=20)
@given(label_maps)
def test_labels_come_back_exactly(tmp_path: Path, name: str, labels: np.ndarray) -> None:
    write_label_tiff(tmp_path / name, {"nuclei": labels, "glands": labels[::-1]}, PixelSize.square(0.2525))
    back = read_label_tiff(tmp_path / name)
    assert list(back.planes) == ["nuclei", "glands"]
    np.testing.assert_array_equal(back.planes["nuclei"], labels)
    np.testing.assert_array_equal(back.planes["glands"], labels[::-1])
    assert back.pixel_size_um == pytest.approx(0.2525, rel=1e-5)


def test_ome_says_size_unit_and_channels(tmp_path: Path) -> None:
    path = tmp_path / "labels.ome.tif"
    write_label_tiff(path, {"glands": np.ones((4, 5), int)}, PixelSize.square(0.5))
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        xml = file.ome_metadata
        assert 'PhysicalSizeX="0.5"' in xml
        assert 'PhysicalSizeYUnit="µm"' in xml
        assert 'Name="glands"' in xml
        assert file.series[0].shape in ((1, 4, 5), (4, 5))


@pytest.mark.parametrize("name", ["labels.tif", "labels.ome.tif", "LABELS.OME.TIFF"])
@pytest.mark.parametrize("pixel_size_um", [0.05, 0.2525, 1.3, 20.0])
def test_tifffile_reads_the_physical_size_back(tmp_path: Path, name: str, pixel_size_um: float) -> None:
    """As any reader of tags and OME-XML sees it, without our own code."""
    write_label_tiff(
        tmp_path / name,
        {"nuclei": np.ones((4, 5), int), "glands": np.ones((4, 5), int)},
        PixelSize.square(pixel_size_um),
    )
    with tifffile.TiffFile(tmp_path / name) as file:
        for page in file.pages:
            assert page.tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
            for tag in ("XResolution", "YResolution"):
                numerator, denominator = page.tags[tag].value
                assert 10_000 * denominator / numerator == pytest.approx(pixel_size_um, rel=1e-4)
        if "ome" in name.lower():
            pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
            assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeY"]) == (pixel_size_um, pixel_size_um)
            assert (pixels["PhysicalSizeXUnit"], pixels["PhysicalSizeYUnit"]) == ("µm", "µm")
            assert [channel["Name"] for channel in pixels["Channel"]] == ["nuclei", "glands"]
            assert (pixels["SizeC"], pixels["SizeY"], pixels["SizeX"]) == (2, 4, 5)


@pytest.mark.parametrize(("highest", "kind"), [(65_535, np.uint16), (65_536, np.uint32), (2**31 - 1, np.uint32)])
def test_large_ids_take_32_bits(tmp_path: Path, highest: int, kind: type) -> None:
    path = tmp_path / "labels.tif"
    write_label_tiff(path, {"glands": np.array([[0, highest]])}, PixelSize.square(0.5))
    assert tifffile.imread(path).dtype == kind
    assert read_label_tiff(path).planes["glands"].max() == highest


def test_files_of_other_programs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, np.array([[0, 3]], np.uint8))
    back = read_label_tiff(path)
    assert back.planes["labels"].tolist() == [[0, 3]]
    assert back.pixel_size_um is None
    tifffile.imwrite(path, np.zeros((2, 4, 5), np.uint16), resolution=(25_400, 25_400), resolutionunit="INCH")
    back = read_label_tiff(path)
    assert list(back.planes) == ["labels", "labels 2"]
    assert back.pixel_size_um == pytest.approx(1.0)


@pytest.mark.parametrize("array", [np.zeros((3, 3), np.float32), np.zeros((2, 2, 3, 3), np.uint8)])
def test_files_without_label_planes_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "x.tif", array)
    with pytest.raises(DataError, match="no label planes"):
        read_label_tiff(tmp_path / "x.tif")


@pytest.mark.parametrize("content", [b"", b"II*\x00", b"not a tiff", b"II*\x00\xff\xff\xff\x7f" + bytes(40)])
def test_damaged_files_give_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tif"):
        read_label_tiff(tmp_path / "x.tif")


def test_what_cannot_be_written_is_refused_and_the_old_file_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    path.write_text("old")
    plane = np.zeros((3, 3), int)
    for planes in (
        {"a": plane - 1},
        {"a": plane + 2**32},
        {"a": plane, "b": plane[1:]},
        {},
    ):
        with pytest.raises(DataError, match=r"labels\.tif"):
            write_label_tiff(path, planes, PixelSize.square(0.5))
    with pytest.raises(CerberusError):
        write_label_tiff(path / "below.tif", {"a": plane}, PixelSize.square(0.5))
    assert path.read_text() == "old"
