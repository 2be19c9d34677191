"""Result layers: their place, names, colours and features; untouched ones are replaced, edited ones are kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from fake_jobs import annotation_of, he_like, square_labels, tissue_map
from napari_cerberus.pixel_size import PixelSize, PixelSizeSource
from napari_cerberus.tasks import CLASS_COLOURS, TASK_COLOURS
from napari_cerberus.viewer import colours
from napari_cerberus.viewer.colours import class_colour, direct_colormap
from napari_cerberus.viewer.layer_provenance import KEY, LayerRecord, record_of, was_edited
from napari_cerberus.viewer.layers import TISSUE_MAP, Added, ViewerLayers
from napari_cerberus.viewer.placement import placement
from napari_cerberus.viewer.session import ColourBy, Display

RECORD = LayerRecord(
    task="",
    image_fingerprint="print",
    image_name="tile",
    image_path="",
    region=(0, 0, 20, 24),
    factors=(1, 1),
    pixel_size=PixelSize.square(0.5, PixelSizeSource.LAYER),
    model_name="starter",
    model_sha256="ab" * 32,
    device="cpu",
    precision="bf16",
    sensitivity=0.0,
    made_at="2026-11-23T00:00:00+00:00",
)


class Bench:
    """A viewer model with one image and our bridge to it."""

    def __init__(self) -> None:
        self.viewer = ViewerModel()
        self.image = Image(he_like(20, 24), rgb=True, name="tile", scale=(0.5, 0.5), units=("um", "um"))
        self.viewer.add_layer(self.image)
        self.layers = ViewerLayers(self.viewer)

    def add(self, labels: Any = None, record: LayerRecord = RECORD, display: Display | None = None) -> Added:
        annotation = annotation_of(labels or square_labels(20, 24))
        where = placement(self.image, (record.region[0], record.region[1]))
        return self.layers.add_annotation(annotation, self.image.name, where, record, display or Display())

    def names(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers]

    def __getitem__(self, name: str) -> Any:
        return self.viewer.layers[name]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_result_is_three_layers_over_the_image(bench: Bench) -> None:
    added = bench.add()
    assert bench.names() == ["tile", "tile glands", "tile lumina", "tile nuclei"]
    assert (added.replaced, added.kept) == ((), ())
    for task in ("glands", "lumina", "nuclei"):
        layer = bench[f"tile {task}"]
        assert layer.units == bench.image.units
        np.testing.assert_array_equal(layer.scale, bench.image.scale)
        np.testing.assert_array_equal(layer.data, square_labels(20, 24)[task])
    assert bench.viewer.layers.selection.active is bench["tile glands"]


def test_features_show_on_hover_by_id(bench: Bench) -> None:
    bench.add()
    nuclei = bench["tile nuclei"]
    assert list(nuclei.features.columns[:4]) == ["index", "class", "class_probability", "confidence"]
    inside = nuclei.data_to_world((8, 8))
    shown = nuclei._get_tooltip_text(np.array(inside), world=True, dims_displayed=[0, 1], view_direction=None)
    assert "lymphocyte" in shown
    assert "class" not in bench["tile glands"].features


def test_provenance_is_plain_and_complete(bench: Bench) -> None:
    bench.add()
    layer = bench["tile glands"]
    record = record_of(layer)
    assert record is not None
    assert (record.task, record.layer_name, record.model_sha256) == ("glands", "tile glands", "ab" * 32)
    assert set(layer.metadata[KEY]) >= {"image_fingerprint", "region", "pixel_size"}
    assert not was_edited(layer, record)


def test_the_answer_keeps_its_own_array(bench: Bench) -> None:
    labels = square_labels(20, 24)
    bench.add(labels)
    bench["tile glands"].data_setitem((np.array([0]), np.array([0])), 9)
    assert labels["glands"][0, 0] == 0


def paint(layer: Labels) -> None:
    layer.data_setitem((np.array([15]), np.array([15])), 7)


def write_past_napari(layer: Labels) -> None:
    layer.data[15, 15] = 7


def reclassify(layer: Labels) -> None:
    layer.features = layer.features.assign(note="seen")


def replace_data(layer: Labels) -> None:
    layer.data = np.ones((20, 24), np.uint16)


def add_a_column_of_lists(layer: Labels) -> None:
    layer.features = layer.features.assign(notes=[[1]] * len(layer.features))


def rename(layer: Labels) -> None:
    layer.name = "my glands"


EDITS: list[Callable[[Labels], None]] = [
    paint,
    write_past_napari,
    reclassify,
    replace_data,
    add_a_column_of_lists,
    rename,
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_layer_is_kept_and_the_new_one_comes_beside(bench: Bench, edit: Callable[[Labels], None]) -> None:
    bench.add()
    old = bench["tile glands"]
    edit(old)
    content = np.array(old.data)
    added = bench.add()
    assert old in bench.viewer.layers
    np.testing.assert_array_equal(old.data, content)
    assert added.kept == (old.name,)
    assert sorted(added.replaced) == ["tile lumina", "tile nuclei"]
    assert len(bench.viewer.layers) == 5


def test_an_untouched_layer_is_replaced_in_its_place_with_its_looks(bench: Bench) -> None:
    bench.add()
    old = bench["tile glands"]
    old.visible, old.opacity, old.contour = False, 0.3, 4
    labels = square_labels(20, 24)
    labels["glands"][12:15, 12:15] = 2
    added = bench.add(labels)
    new = bench["tile glands"]
    assert new is not old
    assert sorted(added.replaced) == ["tile glands", "tile lumina", "tile nuclei"]
    assert bench.names() == ["tile", "tile glands", "tile lumina", "tile nuclei"]
    assert (new.visible, new.opacity, new.contour) == (False, 0.3, 4)
    np.testing.assert_array_equal(new.data, labels["glands"])


def test_undo_after_a_second_run_cannot_reach_into_the_first(bench: Bench) -> None:
    bench.add()
    old = bench["tile glands"]
    paint(old)
    old.undo()
    bench.add()
    new = bench["tile glands"]
    before = np.array(new.data)
    new.undo()
    np.testing.assert_array_equal(new.data, before)


def test_an_edit_that_was_undone_is_no_edit(bench: Bench) -> None:
    bench.add()
    layer = bench["tile glands"]
    record = record_of(layer)
    assert record is not None
    paint(layer)
    assert was_edited(layer, record)
    layer.undo()
    assert not was_edited(layer, record)


def test_an_edited_layer_is_kept_for_ever_and_the_one_beside_it_is_replaced(bench: Bench) -> None:
    bench.add()
    paint(bench["tile glands"])
    bench.add()
    bench.add()
    assert [name for name in bench.names() if "glands" in name] == ["tile glands", "tile glands [1]"]


def test_another_region_replaces_nothing(bench: Bench) -> None:
    bench.add()
    part = {task: array[:10, :12] for task, array in square_labels(20, 24).items()}
    from dataclasses import replace

    added = bench.add(part, replace(RECORD, region=(5, 6, 15, 18)))
    assert added.replaced == ()
    assert len(bench.viewer.layers) == 7
    corner = bench["tile glands [1]"].data_to_world((0, 0))
    np.testing.assert_allclose(corner, bench.image.data_to_world((5, 6)))


def test_layers_of_others_are_left_alone(bench: Bench) -> None:
    mine = bench.viewer.add_labels(np.ones((20, 24), int), name="tile glands")
    damaged = bench.viewer.add_labels(np.ones((20, 24), int), name="x", metadata={KEY: {"task": "glands"}})
    bench.add()
    assert mine in bench.viewer.layers
    assert record_of(damaged) is None


def test_colours_follow_the_choice(bench: Bench) -> None:
    bench.add()
    nuclei, glands = bench["tile nuclei"], bench["tile glands"]
    assert _hex(nuclei.get_color(1)) == CLASS_COLOURS["epithelial"]
    assert _hex(nuclei.get_color(2)) == CLASS_COLOURS["lymphocyte"]
    assert _hex(nuclei.get_color(77)) == TASK_COLOURS["nuclei"], "an object drawn by the user has the task's colour"
    assert glands.contour > 0
    bench.layers.restyle("print", Display(colour_by=ColourBy.OBJECT, filled=True))
    assert glands.contour == 0
    assert len({_hex(nuclei.get_color(number)) for number in range(1, 20)}) > 10
    bench.layers.restyle("another image", Display())
    assert glands.contour == 0


def _hex(colour: Any) -> str:
    return "#" + "".join(f"{round(float(part) * 255):02x}" for part in colour[:3])


def test_an_unknown_class_always_has_the_same_colour() -> None:
    assert class_colour("never heard of") == class_colour("never heard of")
    assert class_colour("epithelial") == CLASS_COLOURS["epithelial"]


def test_twenty_thousand_objects_are_coloured_quickly() -> None:
    names = np.array(["epithelial", "lymphocyte", "plasma"])[np.arange(20_000) % 3]
    labels = np.zeros((400, 400), np.int32)
    labels.flat[::8] = np.arange(1, 20_001)
    layer = Labels(labels, features=pd.DataFrame({"index": np.arange(1, 20_001), "class": names}))
    started = time.perf_counter()
    layer.colormap = direct_colormap("#ffffff", zip(range(1, 20_001), names, strict=True))
    assert time.perf_counter() - started < 3
    assert _hex(layer.get_color(20_000)) == CLASS_COLOURS["lymphocyte"]


def test_the_tissue_map_lies_over_the_image_and_under_the_objects(bench: Bench) -> None:
    bench.add()
    annotation = annotation_of(square_labels(20, 24), tissue_map=tissue_map(2, 2))
    where = placement(bench.image, (0, 0), (16.0, 16.0))
    for _ in range(2):
        bench.layers.add_tissue_map(annotation, bench.image, where, RECORD)
    assert bench.names() == ["tile", f"tile {TISSUE_MAP}", "tile glands", "tile lumina", "tile nuclei"]
    layer = bench[f"tile {TISSUE_MAP}"]
    np.testing.assert_array_equal(layer.data, [[1, 1], [1, 0]])
    np.testing.assert_allclose(layer.data_to_world((-0.5, -0.5)), bench.image.data_to_world((-0.5, -0.5)))


def test_images_are_listed_from_the_top_and_the_active_layer_says_which_is_meant(bench: Bench) -> None:
    other = bench.viewer.add_image(he_like(), rgb=True, name="other")
    bench.add()
    assert [name for _, name in bench.layers.images()] == ["other", "tile"]
    assert bench.layers.active_image() == str(bench.image.unique_id), "glands of tile are active"
    bench.viewer.layers.selection.active = other
    assert bench.layers.active_image() == str(other.unique_id)
    bench.viewer.layers.selection.clear()
    assert bench.layers.active_image() == str(other.unique_id)
    bench.viewer.layers.clear()
    assert bench.layers.active_image() == ""


def test_drawing_a_rectangle_starts_afresh_each_time(bench: Bench) -> None:
    bench.layers.draw_rectangle(bench.image)
    (shapes,) = bench.layers.shapes()
    assert shapes.mode == "add_rectangle"
    assert bench.viewer.layers.selection.active is shapes
    shapes.add_rectangles(np.array([[0, 0], [3, 3]]))
    bench.layers.draw_rectangle(bench.image)
    assert [len(one.data) for one in bench.layers.shapes()] == [0]


def test_very_many_objects_are_drawn_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colours, "find_spec", lambda name: None)
    last = colours.LARGEST_PLAIN_ID + 2
    labels = np.array([[0, 1, last - 2, last]], np.int32)
    table = pd.DataFrame({"index": np.arange(1, last + 1), "class": "lymphocyte"})
    colormap = colours.colormap_for("nuclei", table, Display(colour_by=ColourBy.CLASS))
    layer = Labels(labels, colormap=colormap)
    shown = [layer.get_color(index) for index in (1, last - 2, last)]
    np.testing.assert_allclose(shown[0], shown[1])
    assert not np.allclose(shown[0], shown[2]), "past the limit: the colour of the task"
    layer.data_setitem((np.array([0]), np.array([0])), last)
    assert layer.data[0, 0] == last
