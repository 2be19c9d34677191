"""The picture is a copy of the right pixels, and what cannot be annotated is refused in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from fake_jobs import he_like
from napari_cerberus.annotation import frame
from napari_cerberus.errors import ImageError
from napari_cerberus.viewer.annotate import image_region
from napari_cerberus.viewer.annotate.image_region import fingerprint, take_region, why_not
from napari_cerberus.viewer.session import Region


def shown(layer: Any) -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_layer(layer)
    return viewer


def rgb_layer(pixels: Any = None, **settings: Any) -> Image:
    return Image(he_like() if pixels is None else pixels, rgb=True, name="tile", **settings)


def pyramid(size: int = 64) -> list[Any]:
    full = he_like(size, 2 * size)
    return [full, full[::2, ::2], full[::4, ::4]]


class Lazy:
    """An array that counts how often it is read, as one on disk would."""

    def __init__(self, pixels: Any) -> None:
        self.pixels, self.reads = pixels, 0
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim

    def __getitem__(self, index: Any) -> Lazy:
        return Lazy(self.pixels[index])

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        self.reads += 1
        return self.pixels


def test_the_whole_image_is_copied() -> None:
    layer = rgb_layer()
    taken = take_region(shown(layer), layer, Region.WHOLE)
    before = np.array(layer.data)
    layer.data[:] = 0
    np.testing.assert_array_equal(taken.read(), before)
    assert taken.box.as_tuple() == (0, 0, 48, 64)
    assert (taken.image_id, taken.image_name, taken.factors) == (str(layer.unique_id), "tile", (1, 1))


def test_16_bit_colour_is_brought_to_8_bit_by_the_whole_image() -> None:
    layer = rgb_layer(he_like().astype(np.uint16) * 257)
    assert why_not(layer) == ""
    np.testing.assert_array_equal(take_region(shown(layer), layer, Region.WHOLE).read(), he_like())


@pytest.mark.parametrize(
    "pixels",
    [
        he_like().astype(np.float32) / 255,
        np.dstack([he_like(), np.full((48, 64), 255, np.uint8)]),
    ],
    ids=["float", "RGBA"],
)
def test_other_kinds_of_colour_are_taken_as_they_are(pixels: Any) -> None:
    layer = rgb_layer(pixels)
    assert why_not(layer) == ""
    np.testing.assert_array_equal(take_region(shown(layer), layer, Region.WHOLE).read(), pixels)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Image(np.zeros((8, 9))), "is a grey image"),
        (Image(np.zeros((5, 8, 9))), "a stack of 5 grey planes"),
        (Image(np.zeros((2, 5, 8, 9))), "a stack of 10 grey planes"),
        (Image(np.zeros((4, 8, 9, 3)), rgb=True), "Split Stack"),
        (Labels(np.zeros((8, 9), int)), "is not an image"),
    ],
)
def test_what_cannot_be_annotated_is_refused_with_a_way_out(layer: Any, words: str) -> None:
    reason = why_not(layer)
    assert words in reason
    assert "\n" not in reason
    with pytest.raises(ImageError, match=words):
        take_region(shown(layer), layer, Region.WHOLE)


def test_the_field_of_view_is_what_napari_last_drew() -> None:
    layer = rgb_layer()
    viewer = shown(layer)
    layer.corner_pixels = np.array([[10, 20], [19, 39]])
    taken = take_region(viewer, layer, Region.VIEW)
    assert taken.box.as_tuple() == (10, 20, 20, 40)
    np.testing.assert_array_equal(taken.read(), layer.data[10:20, 20:40])


def test_the_field_of_view_of_a_multiscale_image_is_narrowed_by_the_camera() -> None:
    layer = rgb_layer(pyramid(), multiscale=True, scale=(0.5, 0.5), units=("um", "um"))
    viewer = shown(layer)
    layer.data_level = 1
    layer.corner_pixels = np.array([[0, 0], [31, 63]])
    viewer.canvas.size = (100, 200)
    viewer.scene.camera.zoom = 10  # 10 × 20 µm are seen: 20 × 40 pixels
    viewer.scene.camera.center = (0, 16, 32)
    y0, x0, y1, x1 = take_region(viewer, layer, Region.VIEW).box.as_tuple()
    assert (y1 - y0, x1 - x0) == (21, 41)
    assert ((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2) == (32, 64)


def test_a_view_beside_the_image_and_a_hidden_image_are_refused() -> None:
    layer = rgb_layer()
    viewer = shown(layer)
    layer.corner_pixels = np.array([[60, 0], [70, 10]])
    with pytest.raises(ImageError, match="Nothing of “tile” is in view"):
        take_region(viewer, layer, Region.VIEW)
    layer.visible = False
    with pytest.raises(ImageError, match="hidden"):
        take_region(viewer, layer, Region.VIEW)


def test_a_rectangle_is_read_through_both_layers_transforms() -> None:
    layer = rgb_layer(scale=(0.5, 0.5), translate=(100, 200))
    corners = np.array([[102, 205], [102, 210], [107, 210], [107, 205]])
    shapes = Shapes([corners / 2], scale=(2, 2))
    taken = take_region(shown(layer), layer, Region.RECTANGLE, [shapes])
    assert taken.box.as_tuple() == (4, 10, 15, 21)
    np.testing.assert_array_equal(taken.read(), layer.data[4:15, 10:21])


def test_the_selected_rectangle_counts_else_the_newest() -> None:
    layer = rgb_layer()
    first, second = np.array([[0, 0], [9, 9]]), np.array([[20, 20], [29, 34]])
    shapes = Shapes([first, second], shape_type="rectangle")
    assert take_region(shown(layer), layer, Region.RECTANGLE, [shapes]).box.as_tuple() == (20, 20, 30, 35)
    shapes.selected_data = {0}
    assert take_region(shown(layer), layer, Region.RECTANGLE, [shapes]).box.as_tuple() == (0, 0, 10, 10)


def test_no_rectangle_or_one_beside_the_image_is_refused() -> None:
    layer = rgb_layer()
    with pytest.raises(ImageError, match="press Draw"):
        take_region(shown(layer), layer, Region.RECTANGLE, [Shapes()])
    temporary = Shapes([np.array([[200, 200], [220, 220]])], shape_type="rectangle")
    with pytest.raises(ImageError, match="does not touch"):
        take_region(shown(layer), layer, Region.RECTANGLE, [temporary])


def test_a_multiscale_image_is_read_at_full_resolution_where_it_fits() -> None:
    layer = rgb_layer(pyramid(), multiscale=True)
    taken = take_region(shown(layer), layer, Region.WHOLE)
    assert taken.read().shape == (64, 128, 3)
    assert not taken.note


def test_a_large_multiscale_image_is_read_at_a_coarser_level_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_region, "MAX_PIXELS", 3000)
    levels = pyramid()
    layer = rgb_layer(levels, multiscale=True)
    taken = take_region(shown(layer), layer, Region.WHOLE)
    np.testing.assert_array_equal(taken.read(), levels[1])
    assert taken.factors == (2, 2)
    assert "2× coarser" in taken.note


def test_an_image_that_is_too_large_at_every_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_region, "MAX_PIXELS", 100)
    layer = rgb_layer()
    with pytest.raises(ImageError, match="draw a rectangle"):
        take_region(shown(layer), layer, Region.WHOLE)


def test_an_image_on_disk_is_read_in_the_worker_only() -> None:
    lazy = Lazy(he_like())
    read = image_region._reader(lazy, image_region.Box(y0=0, x0=0, y1=4, x1=5), None)
    assert lazy.reads == 0
    assert read().shape == (4, 5, 3)


def test_the_fingerprint_is_of_the_content() -> None:
    pixels = he_like()
    first = fingerprint(rgb_layer(pixels))
    assert fingerprint(Image(pixels.copy(), rgb=True, name="other", scale=(3, 3))) == first
    changed = pixels.copy()
    changed[-1, -1, -1] ^= 1
    assert fingerprint(rgb_layer(changed)) != first
    assert fingerprint(rgb_layer(pixels[:, ::-1])) != first


def test_a_large_image_is_known_by_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "_WHOLE_BYTES", 100)
    pixels = he_like(300, 280)
    corner = pixels.copy()
    corner[0, 0] ^= 255
    assert fingerprint(rgb_layer(pixels)) == fingerprint(rgb_layer(pixels.copy()))
    assert fingerprint(rgb_layer(pixels)) != fingerprint(rgb_layer(corner))
