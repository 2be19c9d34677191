"""The order of review, its filters, and walking through it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cerberus.annotation import object_columns, object_table
from napari_cerberus.annotation.review import findings, queue


def objects(confidences, states=None, task="nuclei"):
    labels = np.arange(1, len(confidences) + 1, dtype=np.int32)[None]
    rows = object_table.new_rows(task, object_table.measure(labels, 1.0), confidence=list(confidences))
    return rows.assign(state=states or "unreviewed")


def queued(confidences, states=None, found=()):
    return queue.queue(queue.attach(objects(confidences, states), findings.as_findings(list(found))))


def test_the_least_certain_comes_first_and_findings_raise():
    rows = queued(
        [0.9, 0.2, 0.8, float("nan")],
        found=[("nuclei", 3, findings.SEVERAL_PARTS, "In two."), ("nuclei", 3, findings.HOLES, "Holed.")],
    )
    assert rows["index"].tolist() == [2, 3, 4, 1]
    third = rows.iloc[1]
    assert third["priority"] == pytest.approx(1 - 0.8 * 0.5 * 0.7)
    assert third["rules"] == "several parts, holes"
    assert third["reasons"] == "In two. Holed."
    assert rows.iloc[0]["reasons"] == ""


def test_findings_attach_again_without_piling_up():
    rows = objects([0.5, 0.6])
    once = queue.attach(rows, findings.as_findings([("nuclei", 1, findings.HOLES, "A.")]))
    again = queue.attach(once, findings.as_findings([("nuclei", 2, findings.HOLES, "B.")]))
    assert again["reasons"].tolist() == ["", "B."]


def test_filters_by_task_class_state_and_finding():
    rows = objects([0.5, 0.6, 0.7], ["accepted", "unreviewed", "unreviewed"]).assign(**{"class": ["a", "b", "b"]})
    rows = queue.attach(rows, findings.as_findings([("nuclei", 3, findings.HOLES, "x.")]))

    def ids(**chosen):
        return queue.queue(rows, queue.ReviewFilter(**chosen))["index"].tolist()

    assert ids() == [3, 1, 2]
    assert ids(tasks=["glands"]) == []
    assert ids(classes={"b"}) == [3, 2]
    assert ids(states=["accepted"]) == [1]
    assert ids(rules=[findings.HOLES, findings.AT_EDGE]) == [3]
    assert ids(rules=[findings.AT_EDGE]) == []
    assert ids(classes=["b"], rules=[findings.HOLES]) == [3]


def test_walking_forward_skips_the_reviewed_and_comes_round():
    rows = queued([0.1, 0.2, 0.3, 0.4], ["accepted", "unreviewed", "edited", "unreviewed"])
    assert queue.step(rows, None) == ("nuclei", 2)
    assert queue.step(rows, ("nuclei", 2)) == ("nuclei", 4)
    assert queue.step(rows, ("nuclei", 4)) == ("nuclei", 2)
    assert queue.step(rows, ("glands", 77)) == ("nuclei", 2)


def test_skipped_objects_come_when_nothing_else_is_left():
    rows = queued([0.1, 0.2, 0.3], ["skipped", "accepted", "skipped"])
    assert queue.step(rows, ("nuclei", 1)) == ("nuclei", 3)
    assert queue.step(rows, ("nuclei", 2)) == ("nuclei", 3)
    assert queue.step(queued([0.1], ["accepted"]), None) is None
    assert queue.step(queued([]), None) is None


def test_walking_back_shows_the_one_before_whatever_its_state():
    rows = queued([0.1, 0.2], ["accepted", "unreviewed"])
    assert queue.step(rows, ("nuclei", 2), forward=False) == ("nuclei", 1)
    assert queue.step(rows, ("nuclei", 1), forward=False) is None
    assert queue.step(rows, None, forward=False) is None


@given(states=st.lists(st.sampled_from(object_columns.STATES), max_size=20))
def test_walking_and_deciding_reviews_everything_once(states):
    rows = queued(np.linspace(0, 1, len(states)).tolist(), list(states) or None)
    current, seen = None, []
    while (current := queue.step(rows, current)) is not None:
        seen.append(current)
        rows = rows.assign(state=rows["state"].mask(rows["index"] == current[1], "accepted"))
        assert len(seen) <= len(states)
    counted = queue.count(rows)
    assert counted.reviewed == counted.total == len(states)
    assert len(set(seen)) == len(seen) == sum(s in ("unreviewed", "skipped") for s in states)


def test_counts_read_as_a_sentence():
    counted = queue.count(objects([0.5] * 5, ["accepted", "rejected", "edited", "skipped", "unreviewed"]))
    assert str(counted) == "3 of 5 reviewed"
    assert (counted.fraction, counted.skipped) == (0.6, 1)
    assert queue.count(objects([])).fraction == 1


def test_a_hundred_thousand_objects_are_no_problem():
    rows = objects(np.random.default_rng(0).random(100_000))
    attached = queue.attach(rows, findings.as_findings([("nuclei", 5, findings.HOLES, "x.")] * 3))
    order = queue.queue(attached)
    assert len(order) == 100_000
    assert order["priority"].is_monotonic_decreasing
    assert queue.step(order, ("nuclei", int(order["index"].iloc[-1]))) == (
        "nuclei",
        int(order["index"].iloc[0]),
    )
