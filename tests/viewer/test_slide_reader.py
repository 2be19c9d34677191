"""Slides open as multiscale layers in µm; ordinary pictures are left to other readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from make_slides import write_pyramid, write_zarr
from napari.components import ViewerModel
from napari.layers import Layer

from napari_cerberus.viewer.io.slide_reader import SLIDE_KEY, get_reader, read_slide
from tiny import spotted


@pytest.mark.parametrize("kind", ["tif", "zarr"])
def test_a_slide_becomes_one_multiscale_layer_in_um(tmp_path: Path, kind: str) -> None:
    pixels = spotted((200, 160))
    write = write_pyramid if kind == "tif" else write_zarr
    path = str(write(tmp_path / f"biopsy.{kind}", pixels, um=0.25))
    assert get_reader(path) is read_slide
    viewer = ViewerModel()
    viewer.add_layer(Layer.create(*read_slide(path)[0]))
    (layer,) = viewer.layers
    assert (layer.name, layer.rgb, layer.multiscale) == ("biopsy", True, True)
    assert layer.scale[1] == pytest.approx(0.25, rel=1e-6)
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    np.testing.assert_array_equal(np.asarray(layer.data[0][50:60, 40:50]), pixels[50:60, 40:50])
    assert len(layer.metadata[SLIDE_KEY]["image_key"]) == 64


def test_without_a_pixel_size_there_is_no_scale_to_believe(tmp_path: Path) -> None:
    (_levels, details, kind) = read_slide(str(write_pyramid(tmp_path / "a.tif", spotted((90, 80)))))[0]
    assert kind == "image"
    assert not {"scale", "units"} & set(details)


def test_ordinary_pictures_and_folders_are_left_to_others(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", spotted((40, 40)), photometric="rgb")
    (tmp_path / "text.tif").write_text("nothing")
    for path in (tmp_path / "plain.tif", tmp_path / "text.tif", tmp_path):
        assert get_reader(str(path)) is None
    assert get_reader([str(tmp_path / "a.svs"), str(tmp_path / "b.svs")]) is None
