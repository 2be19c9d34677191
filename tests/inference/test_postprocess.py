"""The rules for cutting objects, piece by piece."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import watershed

from napari_cerberus.errors import SettingsError
from napari_cerberus.inference.objects.nuclei_rules import _flood
from napari_cerberus.inference.objects.postprocess import (
    PUBLISHED,
    drop_outside,
    find_objects,
    foreground_level,
    settings_for,
)
from napari_cerberus.inference.objects.structuring import components, dilate, ellipse, erode, odd_diameter_px
from napari_cerberus.inference.objects.thresholds import OURS
from napari_cerberus.tasks import GLANDS, LUMINA, NUCLEI

ELLIPSES = {
    2: ["01", "11"],
    3: ["010", "111", "010"],
    5: ["00100", "11111", "11111", "11111", "00100"],
    10: [
        "0000010000",
        "0011111110",
        "0111111111",
        "1111111111",
        "1111111111",
        "1111111111",
        "1111111111",
        "1111111111",
        "0111111111",
        "0011111110",
    ],
}


@pytest.mark.parametrize("size", ELLIPSES)
def test_ellipses_are_opencvs(size: int) -> None:
    expected = np.array([[pixel == "1" for pixel in row] for row in ELLIPSES[size]])
    np.testing.assert_array_equal(ellipse(size), expected)


@given(height=st.integers(1, 20), width=st.integers(1, 20), size=st.integers(2, 12), seed=st.integers(0, 99))
def test_dilation_and_erosion_are_the_plain_ones(height: int, width: int, size: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.2
    element = ellipse(size)
    expected = ndimage.maximum_filter(mask.astype(np.uint8), footprint=element, mode="constant", cval=0) > 0
    np.testing.assert_array_equal(dilate(mask, element), expected)
    expected = ndimage.minimum_filter(mask.astype(np.uint8), footprint=element, mode="constant", cval=1) > 0
    np.testing.assert_array_equal(erode(mask, element), expected)


@pytest.mark.parametrize(
    ("um", "pixel_size_um", "px"),
    [(1.5, 0.5, 3), (5.5, 0.5, 11), (5.5, 1.0, 5), (1.5, 1.0, 3), (5.5, 0.25, 21)],
)
def test_diameters_in_pixels(um: float, pixel_size_um: float, px: int) -> None:
    assert odd_diameter_px(um, pixel_size_um) == px


def test_published_sizes_at_half_a_micrometre() -> None:
    assert PUBLISHED[NUCLEI].min_px(0.5) == 8
    assert PUBLISHED[NUCLEI].marker_min_px(0.5) == 4
    assert PUBLISHED[GLANDS].min_px(0.5) == 1000
    assert PUBLISHED[LUMINA].min_px(0.5) == 150
    assert PUBLISHED[LUMINA].min_px(1.0) == 38


def block(shape: tuple[int, int], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    array = np.zeros(shape, np.float32)
    for y0, x0, y1, x1 in boxes:
        array[y0:y1, x0:x1] = 0.9
    return array


def test_an_object_of_exactly_the_limit_stays() -> None:
    inner = block((40, 60), (5, 5, 15, 20), (20, 5, 30, 20))
    inner[29, 19] = 0.0  # 149 px
    labels = find_objects(LUMINA, inner, np.zeros_like(inner), 0.5)
    assert labels.max() == 1
    assert labels[10, 10] == 1
    assert labels[25, 10] == 0


def test_contour_parts_glands() -> None:
    inner = block((60, 120), (5, 5, 55, 115))
    contour = block((60, 120), (0, 58, 60, 62))
    assert find_objects(GLANDS, inner, np.zeros_like(inner), 0.5).max() == 1
    labels = find_objects(GLANDS, inner, contour, 0.5)
    assert set(np.unique(labels[30])) == {0, 1, 2}


def test_lumina_outside_of_every_gland_are_dropped() -> None:
    lumina = np.array([[1, 0, 2], [1, 0, 2]], np.int32)
    glands = np.array([[0, 0, 5], [0, 0, 0]], np.int32)
    np.testing.assert_array_equal(drop_outside(lumina, glands), [[0, 0, 1], [0, 0, 1]])


@given(seed=st.integers(0, 50))
@settings(max_examples=25)
def test_flooding_by_component_is_flooding_at_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inner = ndimage.gaussian_filter(rng.random((60, 50)), 2).astype(np.float32)
    inner = (inner - inner.min()) / np.ptp(inner)
    foreground, seeds = components(inner > 0.4), components(inner > 0.6)
    ours = _flood(foreground, seeds, inner, keep_seedless=False)
    at_once = watershed(-inner, seeds, mask=foreground > 0)
    np.testing.assert_array_equal(ours > 0, at_once > 0)
    pairs = np.unique(np.stack([ours.ravel(), at_once.ravel()]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("task", [NUCLEI, GLANDS, LUMINA])
def test_leaning_toward_recall_adds_foreground_only(task: str, published: bool) -> None:
    rng = np.random.default_rng(3)
    inner = ndimage.gaussian_filter(rng.random((300, 300)), 14).astype(np.float32)
    inner = (inner - inner.min()) / np.ptp(inner)
    previous, areas = np.zeros(inner.shape, bool), []
    for sensitivity in (-1.0, -0.3, 0.0, 0.4, 1.0):
        chosen = settings_for(task, published=published).leaning(sensitivity)
        found = find_objects(task, inner, np.zeros_like(inner), 0.5, chosen) > 0
        assert not (previous & ~found).any()
        previous, areas = found, [*areas, int(found.sum())]
    assert areas == sorted(set(areas))  # each step matters


@pytest.mark.parametrize("sensitivity", [-1.0, -0.4, 0.6, 1.0])
def test_sensitivity_neither_glues_nor_splits_nuclei(sensitivity: float) -> None:
    inner = np.full((40, 90), 0.01, np.float32)
    inner[10:30, 10:40] = 0.4  # a bridge between two nuclei
    inner[12:28, 11:22], inner[12:28, 28:39] = 0.95, 0.9
    inner[14:18, 15:17] = 0.6  # a dull spot inside a bright one
    inner[12:28, 60:75] = 0.35  # a faint nucleus
    contour = np.where(inner < 0.6, 0.2, 0.0).astype(np.float32)
    found = find_objects(NUCLEI, inner, contour, 0.5, settings_for(NUCLEI).leaning(sensitivity))
    ids = [int(found[20, x]) for x in (13, 34, 67)]
    assert ids[0] > 0
    assert ids[1] > 0
    assert ids[0] != ids[1]
    assert (ids[2] > 0) == (sensitivity > 0.3)
    assert found.max() == len(set(ids) - {0})


def test_balanced_sensitivity_is_the_published_rule() -> None:
    assert settings_for(NUCLEI).leaning(0.0) == PUBLISHED[NUCLEI]
    assert settings_for(GLANDS, 0.42).leaning(0.0).threshold == 0.42


def training_patients(objects: np.ndarray, certainty: float) -> tuple[np.ndarray, np.ndarray]:
    """Inner and contour as training draws them around one object, blurred and made uncertain."""
    inner, grown = erode(objects, ellipse(3)), dilate(objects, ellipse(3))
    shares = (ndimage.gaussian_filter(part.astype(np.float32), 0.5) * certainty for part in (inner, grown & ~inner))
    return next(shares), next(shares)


def test_midline_finds_the_outline_of_small_uncertain_nuclei() -> None:
    """At 1 µm/px: a nucleus 6 px wide that the network half believes in. The published rule loses it."""
    y, x = np.mgrid[:24, :40]
    objects = (np.hypot(y - 12, x - 10) < 3.3) | (np.hypot(y - 12, x - 28) < 4.2)
    inner, contour = training_patients(objects, 0.75)
    inner[:, :19] *= 0.6  # the left one is fainter still: no pixel of inner reaches 0.5
    assert find_objects(NUCLEI, inner, contour, 1.0).max() == 1
    ours = find_objects(NUCLEI, inner, contour, 1.0, OURS[NUCLEI])
    assert ours.max() == 2
    assert ((ours > 0) & objects).sum() * 2 / ((ours > 0).sum() + objects.sum()) > 0.9


def test_midline_parts_touching_nuclei_at_their_peaks() -> None:
    y, x = np.mgrid[:30, :40]
    left, right = np.hypot(y - 15, x - 13) < 6, np.hypot(y - 15, x - 24) < 6
    inner = ndimage.gaussian_filter((erode(left, ellipse(5)) | erode(right, ellipse(5))).astype(np.float32), 0.7)
    contour = np.clip(ndimage.gaussian_filter((left | right).astype(np.float32), 0.7) - inner, 0, 1)
    found = find_objects(NUCLEI, inner, contour, 1.0, OURS[NUCLEI])
    assert found.max() == 2
    assert found[15, 13] != found[15, 24]


def test_midline_gives_fragments_to_their_neighbours() -> None:
    """A second peak at the rim of a nucleus is no nucleus of two pixels; its pixels are not lost."""
    y, x = np.mgrid[:24, :24]
    nucleus = np.hypot(y - 12, x - 12) < 6
    inner, contour = training_patients(nucleus, 0.9)
    inner[6, 12] = 0.9
    fine = replace(OURS[NUCLEI], seed_smoothing_um=0.1)
    found = find_objects(NUCLEI, inner, contour, 1.0, fine)
    assert found.max() == 1
    np.testing.assert_array_equal(found > 0, foreground_level(NUCLEI, inner, contour, 1.0, fine) > 0)


def test_midline_keeps_a_nucleus_whose_peak_lies_elsewhere() -> None:
    """Beside a brighter pixel that is not foreground itself there is no peak; the nucleus stays all the same."""
    labels = _flood(
        np.array([[1, 1, 0, 2]], np.int32),
        np.array([[0, 0, 0, 1]], np.int32),
        np.zeros((1, 4), np.float32),
        keep_seedless=True,
    )
    np.testing.assert_array_equal(labels, [[2, 2, 0, 1]])


@pytest.mark.parametrize("value", [-1.01, 2.0, float("nan")])
def test_sensitivity_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="sensitivity"):
        settings_for(NUCLEI).leaning(value)


@pytest.mark.parametrize("value", [0.0, 1.0, 3.0])
def test_a_threshold_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="threshold"):
        settings_for(NUCLEI, value)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("task", [NUCLEI, GLANDS, LUMINA])
def test_the_level_agrees_with_the_objects(task: str, published: bool) -> None:
    """Apart from filled holes and dropped specks, the level is positive exactly inside the objects."""
    y, x = np.mgrid[:120, :120]
    inner = np.clip(1.2 - np.hypot(y - 60, x - 55) / 40, 0, 1).astype(np.float32)
    contour = np.zeros_like(inner)
    chosen = settings_for(task, published=published)
    labels = find_objects(task, inner, contour, 0.5, chosen)
    level = foreground_level(task, inner, contour, 0.5, chosen)
    assert labels.max() == 1
    np.testing.assert_array_equal(level > 0, labels > 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 1)])
@pytest.mark.parametrize("task", [NUCLEI, GLANDS, LUMINA])
def test_tiny_maps(task: str, shape: tuple[int, int]) -> None:
    ones = np.ones(shape, np.float32)
    assert find_objects(task, ones, 0 * ones, 16.0).max() == 1
    assert find_objects(task, 0 * ones, 0 * ones, 16.0).max() == 0
