"""Pieces of the report: markup, charts, outlines."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cerberus.training.evaluation.metrics.bootstrap import Estimate
from napari_cerberus.training.evaluation.report.charts import interval_chart, reliability_chart, scale
from napari_cerberus.training.evaluation.report.markup import Markup, element
from napari_cerberus.training.evaluation.report.tile_overlays import outlines, overlay


def test_text_is_escaped_and_markup_is_not():
    inner = element("b", "<i>&\"'")
    assert inner == "<b>&lt;i&gt;&amp;&quot;&#x27;</b>"
    assert element("p", inner, 3, None, [" <", Markup("<br>")]) == f"<p>{inner}3 &lt;<br></p>"
    assert (
        element("a", class_='x" onload="y', stroke_width=1) == '<a class="x&quot; onload=&quot;y" stroke-width="1"></a>'
    )
    assert element("meta", name="n", hidden=None) == '<meta name="n">'


@given(st.floats(-5, 1))
def test_a_scale_begins_below_the_lowest_value_and_ends_at_one(lowest):
    first, step = scale(lowest)
    assert 0 <= first <= max(0.0, lowest) + 1e-9
    ticks = (1 - first) / step
    assert 0 <= ticks <= 5 + 1e-9
    assert ticks == pytest.approx(round(ticks))


def test_a_chart_shows_intervals_where_there_are_any():
    rows = [("a", Estimate(value=0.9, low=0.8, high=0.95)), ("b", Estimate(value=0.5)), ("c", Estimate(value=None))]
    chart = interval_chart(rows, "t")
    assert chart.count('class="interval"') == 1
    assert chart.count('class="dot"') == 2
    assert "not counted" in chart
    assert interval_chart([("only", Estimate(value=1.0))], "t").count('class="dot"') == 1


def test_the_reliability_curve_has_a_point_for_each_bin():
    bins = [{"low": 0.4, "high": 0.5, "count": 3, "probability": 0.45, "right": 2 / 3}] * 2
    chart = reliability_chart(bins, "t")
    assert chart.count("<circle") == 2
    assert "nan" not in chart
    assert "<svg" in reliability_chart([], "t")


def test_outlines_run_around_the_pixels_of_each_object():
    labels = np.zeros((6, 8), np.int32)
    labels[0:2, 0:3] = 2_000_000_000  # touches the corner; huge ids must not cost memory
    labels[3:6, 4:8] = 7
    labels[4, 5] = 0  # a hole
    path = outlines(labels)
    assert path.count("M") == path.count("Z") == 3
    numbers = np.array([float(one) for one in re.findall(r"-?[\d.]+", path)]).reshape(-1, 2)
    assert numbers[:, 0].min() == 0.0
    assert numbers[:, 1].min() == 0.0
    assert numbers[:, 0].max() == 8.0
    assert numbers[:, 1].max() == 6.0
    assert outlines(np.zeros((4, 4), int)) == ""
    assert outlines(np.ones((4, 4), int)).count("M") == 1


def test_an_overlay_keeps_the_tiles_own_coordinates_when_its_picture_is_shrunk():
    image = np.zeros((20, 1300, 3), np.uint8)
    svg = overlay(image, np.ones((20, 1300), int), None, "t")
    assert 'viewBox="0 0 1300 20"' in svg
    assert svg.count("<path") == 1
