"""Colours that every eye can tell apart, and outlines that stay as wide as they were on the screen."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from desk import Desk
from napari_cerberus.tasks import TASK_COLOURS
from napari_cerberus.viewer.colours import is_colour, task_colour
from napari_cerberus.viewer.correct.sight.camera import camera_of
from napari_cerberus.viewer.correct.sight.outline_width import outline_px

EYES = {
    "usual": np.eye(3),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
"""Machado, Oliveira & Fernandes 2009 (IEEE TVCG 15:1291), severity 1, on linear RGB."""
HE = {"eosin": "#e2a4c4", "stroma": "#d696be", "nucleus": "#785596", "dark nucleus": "#5c3a80", "glass": "#f3f1f4"}
APART = 20.0
"""CIEDE2000; about 2 is the least that is seen side by side. The colours before these were 9 apart."""


def seen(colour: str, eye: str) -> np.ndarray[Any, Any]:
    """A colour in CIELAB, as an eye sees it."""
    value = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    shown = np.clip(EYES[eye] @ linear, 0, 1)
    back = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(back[None, None])[0, 0])


def distance(first: str, second: str, eye: str) -> float:
    return float(deltaE_ciede2000(seen(first, eye), seen(second, eye)))


@pytest.mark.parametrize("eye", EYES)
def test_every_eye_tells_the_tasks_apart_and_from_the_stain(eye: str) -> None:
    for first, second in combinations(TASK_COLOURS.values(), 2):
        assert distance(first, second, eye) > APART, (first, second)
    for colour in TASK_COLOURS.values():
        for name, stain in HE.items():
            assert distance(colour, stain, eye) > APART, (colour, name)


def test_the_measure_knows_red_from_green_and_that_a_deuteranope_does_not() -> None:
    assert distance("#a05000", "#5a6e00", "usual") > 2 * distance("#a05000", "#5a6e00", "deuteranope")
    assert distance("#2fc46b", "#ffb000", "protanope") < APART, "the colours before"


def test_a_chosen_colour_is_drawn_and_remembered(make_desk: Callable[..., Desk], tmp_path: Path) -> None:
    desk = make_desk(memory=tmp_path / "memory.json")
    glands = desk.layer("glands").layer
    desk.controller.choose.colour("glands", "#ff0000")
    np.testing.assert_allclose(glands.colormap.map(1), [1, 0, 0, 1], atol=0.01)
    again = make_desk(memory=tmp_path / "memory.json")
    assert again.session.task_colours == {"glands": "#ff0000"}
    np.testing.assert_allclose(again.layer("glands").layer.colormap.map(1), [1, 0, 0, 1], atol=0.01)
    again.controller.choose.colour("glands", "")
    assert again.session.task_colours == {}
    assert task_colour("glands", again.session.task_colours) == TASK_COLOURS["glands"]


def test_a_damaged_colour_is_none(make_desk: Callable[..., Desk], tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text('{"preferences": {"glands_colour": "red; }", "nuclei_colour": "#12345"}}')
    assert make_desk(memory=tmp_path / "memory.json").session.task_colours == {}
    assert not is_colour("#ff00zz")


@pytest.mark.parametrize(("zoom", "pixels"), [(8.0, 1), (1.0, 2), (0.5, 4), (0.25, 8), (0.001, 24)])
def test_an_outline_is_as_wide_on_the_screen(zoom: float, pixels: int) -> None:
    assert outline_px(2, zoom) == pixels


def test_outlines_follow_the_zoom_and_leave_the_users_own_width(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    glands, nuclei = desk.layer("glands").layer, desk.layer("nuclei").layer
    camera_of(desk.viewer).zoom = 0.5  # of 0.5 µm pixels: a quarter of a screen pixel each
    desk.qtbot.waitUntil(lambda: glands.contour == 8)
    assert nuclei.contour == 4
    nuclei.contour = 3
    camera_of(desk.viewer).zoom = 2.0
    desk.qtbot.waitUntil(lambda: glands.contour == 2)
    assert nuclei.contour == 3
