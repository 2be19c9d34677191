"""Full brightness of a 16-bit layer: shown and changed in the dock, the same for every part, kept when it is saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desk import Desk
from fake_jobs import he_like
from napari_cerberus.annotation.store import load_annotation, save_annotation
from napari_cerberus.errors import SettingsError
from napari_cerberus.inference.images.rgb import as_rgb8
from napari_cerberus.viewer.annotate.image_region import read_again, take_region
from napari_cerberus.viewer.annotated_layers import annotated_of
from napari_cerberus.viewer.placement import Box
from napari_cerberus.viewer.session import Region


@pytest.fixture
def desk(qtbot: QtBot) -> Desk:
    """A 12-bit image in 16 bits, its left half far darker than a quarter, and one hot pixel."""
    desk = Desk(qtbot, annotated=False)
    deep = he_like(40, 56).astype(np.uint16) * 16
    deep[:, :28] //= 5
    deep[0, 55] = 65535
    layer = desk.viewer.add_image(deep, rgb=True, name="deep", scale=(0.5, 0.5), units=("um", "um"))
    desk.controller.choose.image(str(layer.unique_id))
    return desk


def test_it_is_found_from_the_whole_image_and_shown(desk: Desk) -> None:
    found = desk.session.full_brightness
    assert found is not None
    assert (found.value, found.said, str(found)) == (4095, False, "4,095")
    desk.controller.choose.image(str(desk.viewer.layers["tile"].unique_id))
    assert desk.session.full_brightness is None, "8-bit"


def test_a_part_is_read_as_bright_as_the_whole(desk: Desk) -> None:
    layer = desk.viewer.layers["deep"]
    whole = take_region(desk.viewer, layer, Region.WHOLE).read()
    part = read_again(layer, Box(y0=5, x0=2, y1=35, x1=26), (1.0, 1.0))()
    assert part.max() < 64, "by itself it would be taken for a 10-bit image"
    np.testing.assert_array_equal(part, whole[5:35, 2:26])


def test_what_the_user_says_holds_for_the_run_its_record_and_its_folder(desk: Desk, tmp_path: Path) -> None:
    layer = desk.viewer.layers["deep"]
    desk.controller.choose.full_brightness(8190.0)
    assert str(desk.session.full_brightness) == "8,190"
    np.testing.assert_array_equal(
        take_region(desk.viewer, layer, Region.WHOLE).read(), as_rgb8(np.asarray(layer.data), 8190.0)
    )
    desk.annotate()
    made = annotated_of([one.as_layer_data_tuple() for one in desk.viewer.layers])
    save_annotation(tmp_path / "a.cerberus", made)
    assert load_annotation(tmp_path / "a.cerberus").full_brightness == 8190.0
    desk.controller.choose.full_brightness(0.0)
    assert str(desk.session.full_brightness) == "4,095"
    with pytest.raises(SettingsError, match="Full brightness"):
        desk.controller.choose.full_brightness(-3.0)
