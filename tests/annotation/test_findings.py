"""Each anatomy rule fires where it should, says numbers, and stays silent elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from annotation_helpers import label_maps
from hypothesis import given, settings
from skimage.draw import disk

from annotated import annotated_image
from napari_cerberus.annotation import object_table
from napari_cerberus.annotation.review import findings


def blank(size=200):
    return np.zeros((size, size), dtype=np.int32)


def painted(*disks, size=200):
    labels = blank(size)
    for object_id, centre, radius in disks:
        labels[disk(centre, radius, shape=labels.shape)] = object_id
    return labels


def scene(tissue=None, pixel_size_um=0.5, classes=None, **labels):
    parts = []
    for task, map_ in labels.items():
        geometry = object_table.measure(map_, pixel_size_um)
        names = (classes or {}).get(task, "")
        parts.append(object_table.new_rows(task, geometry, confidence=0.9, **{"class": names}))
    objects = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return annotated_image(labels, objects=objects, pixel_size_um=pixel_size_um, tissue=tissue or {})


def found(scene_, rule):
    rows = findings.find(scene_)
    return rows[rows["rule"] == rule]


def test_a_lumen_outside_its_gland_is_found_with_its_share():
    glands = painted((1, (60, 60), 40))
    lumina = painted((5, (60, 60), 10), (6, (60, 100), 10), (7, (160, 160), 10))
    rows = found(scene(glands=glands, lumina=lumina), findings.LUMEN_OUTSIDE)
    assert rows["index"].tolist() == [6, 7]
    share = np.mean(glands[lumina == 6] == 1)
    assert rows["reason"].tolist() == [
        f"Lumen 6 lies only {share:.0%} inside a gland.",
        "Lumen 7 lies outside every gland.",
    ]


def test_a_gland_without_nuclei_is_found_only_where_nuclei_are_known():
    glands = painted((1, (50, 50), 40), (2, (150, 150), 40), (3, (150, 30), 5))
    nuclei = painted((1, (50, 20), 5), (2, (50, 80), 5), (3, (20, 50), 5))
    rows = found(scene(glands=glands, nuclei=nuclei), findings.NO_NUCLEI)
    assert rows["index"].tolist() == [2]
    assert "others here hold 3 in the median" in rows["reason"].item()
    assert not len(found(scene(glands=glands), findings.NO_NUCLEI))
    assert not len(found(scene(glands=glands, nuclei=blank()), findings.NO_NUCLEI))


def test_parts_and_holes_are_counted():
    glands = painted((1, (50, 50), 30), (1, (150, 150), 20))
    glands[45:50, 45:50] = 0
    rows = findings.find(scene(glands=glands)).set_index("rule")
    assert rows.loc[findings.SEVERAL_PARTS, "reason"] == "Gland 1 is in 2 parts that do not touch."
    assert rows.loc[findings.HOLES, "reason"] == "Gland 1 has 1 hole."


def test_a_nucleus_out_of_the_range_of_its_class_is_found():
    disks = [(i + 1, (20 + 30 * (i // 5), 20 + 30 * (i % 5)), 6 + 0.2 * (i % 5)) for i in range(25)]
    nuclei = painted(*disks)
    nuclei[disk((50, 50), 13)] = 7  # 133 µm², five times its neighbours, within the absolute range
    nuclei[disk((80, 80), 10)] = 0
    nuclei[80, 80] = 13  # 0.25 µm²
    rows = found(scene(nuclei=nuclei), findings.UNUSUAL_SIZE)
    assert rows["index"].tolist() == [7, 13]
    assert "Nucleus 7 measures 1" in rows["reason"].iloc[0]
    assert "in the median here" in rows["reason"].iloc[0]


def test_the_absolute_range_depends_on_the_class_and_needs_no_other_nuclei():
    nuclei = painted((1, (50, 50), 13), (2, (150, 150), 13))
    rows = found(scene(nuclei=nuclei, classes={"nuclei": ["lymphocyte", "epithelial"]}), findings.UNUSUAL_SIZE)
    assert rows["index"].tolist() == [1]
    assert "lymphocyte nuclei" in rows["reason"].item()


def test_equal_nuclei_are_not_odd_for_one_pixel():
    nuclei = painted(*[(i + 1, (20 + 30 * (i // 5), 20 + 30 * (i % 5)), 6) for i in range(25)])
    nuclei[20, 27] = 1
    assert not len(found(scene(nuclei=nuclei), findings.UNUSUAL_SIZE))


def test_an_object_at_the_edge_is_named_but_not_called_small():
    nuclei = painted((1, (0, 50), 2), (2, (199, 199), 6), (3, (100, 100), 6))
    rows = findings.find(scene(nuclei=nuclei))
    assert rows["rule"].tolist() == [findings.AT_EDGE] * 2
    assert rows["index"].tolist() == [1, 2]


def starry(size=200):
    glands = blank(size)
    for i, (y, x) in enumerate([(40, 40), (40, 120), (120, 40), (120, 120)], start=1):
        glands[y : y + 60, x + 27 : x + 33] = i
        glands[y + 27 : y + 33, x : x + 60] = i
    return glands


@pytest.mark.parametrize(
    ("tissue", "glands", "expected"),
    [
        ({"Normal": 0.9}, blank(), "glands cover only 0.0%"),
        ({"Adenocarcinoma": 0.8}, painted((1, (50, 50), 8)), "glands cover only 0.5%"),
        ({"muscle": 0.7}, painted((1, (100, 100), 90)), "but glands cover 64% of the image"),
        ({"Normal": 0.9}, starry(), "the glands are irregular (median roundness 0."),
    ],
)
def test_a_readout_at_odds_with_the_glands_is_said(tissue, glands, expected):
    rows = found(scene(glands=glands, tissue=tissue, pixel_size_um=1.0), findings.READOUT)
    assert rows["task"].tolist() == [findings.TISSUE]
    assert rows["index"].tolist() == [0]
    assert expected in rows["reason"].item()


@pytest.mark.parametrize(
    ("tissue", "glands"),
    [
        ({"Normal": 0.4, "Polyp": 0.3}, blank()),
        ({}, blank()),
        ({"Adenocarcinoma": 0.9}, starry()),
        ({"Normal": 0.9}, painted((1, (50, 50), 30), (2, (50, 150), 30), (3, (150, 50), 30))),
        ({"stroma": 0.9}, painted((1, (50, 50), 30))),
    ],
)
def test_an_uncertain_or_fitting_readout_says_nothing(tissue, glands):
    assert not len(found(scene(glands=glands, tissue=tissue, pixel_size_um=1.0), findings.READOUT))


@settings(max_examples=25)
@given(nuclei=label_maps(), seed_map=label_maps())
def test_any_labels_give_findings_about_objects_that_exist(nuclei, seed_map):
    glands = np.resize(seed_map, nuclei.shape).astype(np.int32)
    result = findings.find(scene(nuclei=nuclei, glands=glands, lumina=np.flipud(nuclei), tissue={"Normal": 0.9}))
    present = {
        (task, i) for task, map_ in (("nuclei", nuclei), ("glands", glands), ("lumina", nuclei)) for i in map_.flat
    }
    keys = set(zip(result["task"], result["index"], strict=True))
    assert keys <= present | {(findings.TISSUE, 0)}
    assert result["severity"].between(0, 1).all()
    assert result["reason"].str.endswith(".").all()
