"""The object table, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from skimage.measure import regionprops

from napari_cerberus.annotation.object_columns import MODEL_COLUMNS, empty_table
from napari_cerberus.inference.objects.found_objects import (
    object_classes,
    object_confidence,
    object_table,
)
from napari_cerberus.inference.objects.structuring import components

LABELS = np.array([[1, 1, 0, 0, 2], [1, 1, 0, 0, 2], [0, 0, 0, 3, 0]], np.int32)


def test_geometry_by_hand() -> None:
    table = object_table("nuclei", LABELS, 0.5, confidence=np.array([0.1, 0.2, 0.3]))
    assert list(table.columns) == list(MODEL_COLUMNS)
    assert table["index"].tolist() == [1, 2, 3]
    assert table["area_um2"].tolist() == [1.0, 0.5, 0.25]
    assert table["centroid_y_px"].tolist() == [0.5, 0.5, 2.0]
    assert table["centroid_x_px"].tolist() == [0.5, 4.0, 3.0]
    assert table[["y0_px", "x0_px", "y1_px", "x1_px"]].to_numpy().tolist() == [
        [0, 0, 2, 2],
        [0, 4, 2, 5],
        [2, 3, 3, 4],
    ]
    assert table["class"].tolist() == ["", "", ""]
    assert table["class_probability"].isna().all()


def test_geometry_agrees_with_scikit_image() -> None:
    labels = components(np.random.default_rng(0).random((60, 80)) < 0.4)
    table = object_table("nuclei", labels, 1.0, confidence=np.zeros(labels.max()))
    for row, region in zip(table.itertuples(), regionprops(labels), strict=True):
        assert row.area_um2 == region.area
        assert (row.centroid_y_px, row.centroid_x_px) == pytest.approx(region.centroid)
        assert (row.y0_px, row.x0_px, row.y1_px, row.x1_px) == region.bbox


def test_background_wins_only_where_nothing_else_is() -> None:
    types = np.array([[0, 0, 0, 0, 0], [0, 2, 0, 0, 0], [0, 0, 0, 1, 0]], np.uint8)
    names, shares = object_classes(LABELS, types, ("background", "round", "long"))
    assert names == ["long", "background", "round"]
    assert shares.tolist() == [0.25, 1.0, 1.0]


def test_no_objects() -> None:
    empty = np.zeros((4, 4), np.int32)
    none = np.zeros((4, 4), np.float32)
    assert object_classes(empty, empty.astype(np.uint8), ("a", "b"))[0] == []
    assert object_confidence(empty, none, none).shape == (0,)
    table = object_table("nuclei", empty, 1.0, confidence=np.zeros(0))
    pd.testing.assert_frame_equal(table, empty_table(MODEL_COLUMNS))
    assert list(table.columns) == list(MODEL_COLUMNS)


def test_confidence_is_high_where_the_network_is_sure() -> None:
    labels = np.zeros((20, 40), np.int32)
    labels[5:15, 3:13], labels[5:15, 23:33] = 1, 2
    inner = np.where(labels == 1, 1.0, 0.02).astype(np.float32)
    inner[labels == 2] = 0.55
    sure, unsure = object_confidence(labels, inner, np.zeros_like(inner))
    assert sure > 0.95
    assert unsure < 0.2


def test_a_vague_outline_costs_up_to_a_half() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 1
    inner = (labels > 0).astype(np.float32)
    contour = np.zeros_like(inner)
    assert object_confidence(labels, inner, contour)[0] == pytest.approx(1.0)
    rim = (labels > 0) & ~np.pad(labels[6:14, 6:14] > 0, 6)
    inner[rim], contour[rim] = 0.5, 0.5
    vague = object_confidence(labels, inner, contour)[0]
    assert vague == pytest.approx(1.0 - 0.5 * np.log(2) / np.log(3), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_confidence_stays_between_0_and_1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = components(rng.random((40, 40)) < 0.5)
    inner, contour = rng.random((2, 40, 40)).astype(np.float16)  # may add up to more than 1
    confidence = object_confidence(labels, inner, contour)
    assert confidence.shape == (labels.max(),)
    assert ((confidence >= 0) & (confidence <= 1)).all()


def test_bands_of_rows_join(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = components(rng.random((50, 30)) < 0.5)
    inner, contour = rng.random((2, 50, 30)) / 2
    at_once = object_confidence(labels, inner, contour)
    table = object_table("nuclei", labels, 1.0, confidence=at_once)
    monkeypatch.setattr("napari_cerberus.inference.objects.found_objects._BAND_PIXELS", 90)
    in_bands = object_confidence(labels, inner, contour)
    np.testing.assert_allclose(in_bands, at_once, rtol=1e-12)
    pd.testing.assert_frame_equal(object_table("nuclei", labels, 1.0, confidence=at_once), table)
