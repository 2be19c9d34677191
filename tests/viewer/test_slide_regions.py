"""A region of a slide is annotated like a tile, with the tissue around it: its objects are those of the whole slide."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from skimage.draw import polygon2mask

from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.viewer.annotate.annotate_jobs import Annotator, Request
from napari_cerberus.viewer.annotate.image_region import ImageRegion, take_region
from napari_cerberus.viewer.session import Region
from tiny import EXACT, spotted, tiny_model

UM = 0.5
PIXELS = spotted((520, 480), spots=120, radius_px=9.0)
CORNERS = np.array([[150, 140], [150, 330], [360, 330], [360, 140]])


def slide_layer() -> Image:
    levels = [da.from_array(PIXELS[::step, ::step], chunks=(64, 64, 3)) for step in (1, 2)]
    return Image(levels, multiscale=True, rgb=True, name="slide", scale=(UM, UM), units=("um", "um"))


def drawn(corners: np.ndarray, kind: str) -> Shapes:
    return Shapes([corners * UM], shape_type=kind, units=("um", "um"))


def taken(corners: np.ndarray, kind: str) -> ImageRegion:
    viewer, layer = ViewerModel(), slide_layer()
    viewer.add_layer(layer)
    return take_region(viewer, layer, Region.RECTANGLE, [drawn(corners, kind)], context_px=128)


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_cerberus.inference.device.choose_runtime", lambda *_choice, **_size: EXACT)


def annotated(picture: ImageRegion) -> Any:
    request = Request(
        picture=picture,
        pixel_size=PixelSize.square(UM),
        model_name="tiny",
        device="cpu",
        sensitivity=0.0,
    )
    return run_to_end(Annotator({"tiny": tiny_model()})(request))


def test_a_rectangle_has_the_objects_of_the_whole_slide() -> None:
    whole = run_to_end(annotate(PIXELS, tiny_model(), AnnotateSettings(pixel_size_um=UM)))
    picture = taken(CORNERS, "rectangle")
    np.testing.assert_array_equal(picture.read(), PIXELS[picture.box.slices])
    part = annotated(picture)
    for task, labels in part.labels.items():
        expected = whole.labels[task][picture.box.slices]
        np.testing.assert_array_equal(labels > 0, expected > 0)
        pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(expected)) == labels.max() + 1
        rows = part.objects[part.objects["task"] == task]
        assert rows["area_um2"].sum() == pytest.approx(np.count_nonzero(labels) * UM**2)
        confidence = whole.objects[whole.objects["task"] == task].set_index("index")["confidence"]
        for mine, theirs in pairs[:, 1:].T:
            assert rows.set_index("index")["confidence"][mine] == pytest.approx(confidence[theirs])
    assert part.labels["nuclei"].max() > 3


def test_a_polygon_keeps_the_objects_whose_centre_it_holds() -> None:
    triangle = CORNERS[:3]
    picture = taken(triangle, "polygon")
    part, box = annotated(picture), annotated(taken(CORNERS, "rectangle"))
    assert part.labels["nuclei"].shape == picture.box.shape
    inside = polygon2mask(picture.box.shape, triangle - np.asarray(picture.box.origin))
    centres = box.objects[box.objects["task"] == "nuclei"]
    rows, columns = (np.rint(centres[f"centroid_{axis}_px"]).astype(int) for axis in "yx")
    kept = inside[rows, columns]
    assert 0 < kept.sum() < len(kept)
    assert (part.objects["task"] == "nuclei").sum() == kept.sum()
