"""A second Annotate on a corrected image: merged after the user's word, one step back for all its layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from desk import Desk
from fake_jobs import FakeAnnotate, square_labels
from napari_cerberus.annotation.object_columns import UNREVIEWED
from napari_cerberus.annotation.tracking import KEPT_RUNS


def moved_labels(height: int, width: int) -> dict[str, np.ndarray[Any, Any]]:
    """Another model's answer: what ``square_labels`` has, two pixels further right."""
    return {task: np.roll(labels, 2, axis=1) for task, labels in square_labels(height, width).items()}


def everything(desk: Desk) -> dict[str, tuple[Any, ...]]:
    """By task: pixels, model's pixels, table, and the run that the layer says it is of."""
    desk.correct.sync()
    return {
        one.task: (
            np.array(one.layer.data).tobytes(),
            one.tracked.model_labels.tobytes(),
            repr(one.tracked.objects.to_dict("list")),
            one.record,
            one.probability,
        )
        for one in desk.correct.corrections
    }


@pytest.fixture
def rerun(make_desk: Callable[..., Desk]) -> tuple[Desk, dict[str, Any], dict[str, Any]]:
    """A desk whose glands were corrected and then merged with another result; all of it before and after the merge."""
    fake = FakeAnnotate()
    desk = make_desk(annotate=fake)
    desk.choose("glands", 1)
    desk.correct.tools.use("shrink")
    before = everything(desk)
    seen = np.full((2, 40, 56), 0.3, np.float16)
    fake._changes.update(
        labels=moved_labels(40, 56), tissue={"Polyp": 1.0}, model_name="other", probabilities={"nuclei": seen}
    )
    desk.annotate()
    desk.correct.rerun.accept()
    after = everything(desk)
    assert all(before[task][1] != after[task][1] for task in ("nuclei", "lumina"))
    assert before["glands"][0] == after["glands"][0], "the corrected gland stays"
    return desk, before, after


def test_a_rerun_is_one_step_for_all_its_layers(rerun: tuple[Desk, dict[str, Any], dict[str, Any]]) -> None:
    desk, before, after = rerun
    assert desk.said[-1][0] == "Merged the new result into all 3 layers; Ctrl+Z takes it back."
    for task in ("nuclei", "lumina", "glands"):
        one = desk.choose(task, 0)
        desk.press(one, "Ctrl+Z")
        assert everything(desk) == before
        assert desk.said[-1][0].startswith("Took back the new result: ")
        desk.press(one, "Ctrl+Shift+Z")
        assert everything(desk) == after
    desk.press(one, "Ctrl+Z")
    desk.press(desk.choose("glands", 1), "Ctrl+Z")
    assert desk.state(desk.layer("glands"), 1) == UNREVIEWED, "the step before it is the user's own"


def test_a_rerun_comes_out_of_all_layers_or_of_none(rerun: tuple[Desk, dict[str, Any], dict[str, Any]]) -> None:
    desk, before, after = rerun
    glands, nuclei = desk.choose("glands", 1), desk.layer("nuclei")
    desk.correct.tools.use("grow")
    desk.press(desk.choose("nuclei", 0), "Ctrl+Z")
    assert desk.said[-1] == (
        "The new result went into all layers at once; first take back what was done since in glands.",
        True,
    )
    assert everything(desk)["nuclei"] == after["nuclei"]
    desk.press(desk.choose("glands", 1), "Ctrl+Z")
    assert everything(desk) == after
    desk.press(glands, "Ctrl+Z")
    assert everything(desk) == before
    desk.choose("glands", 1)
    desk.correct.tools.use("shrink")
    desk.press(desk.choose("nuclei", 0), "Ctrl+Shift+Z")
    assert desk.said[-1][0] == "The new result cannot be made again: glands was changed since it was taken back."
    assert everything(desk)["nuclei"] == before["nuclei"]
    assert nuclei.record.model_name == "starter"


def test_a_rerun_with_a_locked_or_removed_layer(rerun: tuple[Desk, dict[str, Any], dict[str, Any]]) -> None:
    desk, before, after = rerun
    if hasattr(desk.layer("lumina").layer, "locked"):
        desk.layer("lumina").layer.locked = True
        desk.press(desk.choose("nuclei", 0), "Ctrl+Z")
        assert "is locked" in desk.said[-1][0]
        assert everything(desk) == after
        desk.layer("lumina").layer.locked = False
    desk.viewer.layers.remove(desk.layer("lumina").layer)
    desk.press(desk.choose("nuclei", 0), "Ctrl+Z")
    found = everything(desk)
    assert found == {task: before[task] for task in ("nuclei", "glands")}


def test_many_reruns_are_taken_back_one_by_one_up_to_a_limit(make_desk: Callable[..., Desk]) -> None:
    fake = FakeAnnotate()
    desk = make_desk(annotate=fake)
    desk.choose("glands", 1)
    desk.correct.tools.use("shrink")
    states = [everything(desk)]
    for shift in range(2, KEPT_RUNS + 3):
        fake._changes["labels"] = {task: np.roll(one, shift, 1) for task, one in square_labels(40, 56).items()}
        desk.annotate()
        desk.correct.rerun.accept()
        states.append(everything(desk))
    nuclei = desk.choose("nuclei", 0)
    for state in reversed(states[-KEPT_RUNS - 1 : -1]):
        desk.press(nuclei, "Ctrl+Z")
        assert everything(desk) == state
    desk.press(nuclei, "Ctrl+Z")
    assert "cannot be taken back any more" in desk.said[-1][0]
    assert everything(desk) == states[-KEPT_RUNS - 1]


def test_a_correction_taken_back_after_a_rerun_without_changes_leaves_the_rerun(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("glands", 1)
    desk.correct.tools.use("shrink")
    desk.annotate()
    desk.correct.rerun.accept()
    after = everything(desk)
    desk.choose("nuclei", 1)
    desk.correct.tools.use("grow")
    desk.press(desk.layer("nuclei"), "Ctrl+Z")
    assert everything(desk)["nuclei"][:3] == after["nuclei"][:3]
    assert one.next_run("undo") is not None


def test_conflicts_leave_the_queue_with_the_rerun(make_desk: Callable[..., Desk]) -> None:
    fake = FakeAnnotate()
    desk = make_desk(annotate=fake)
    one = desk.choose("glands", 1)
    desk.correct.review.accept()
    labels = square_labels(40, 56)
    labels["glands"][1:15, 1:26] = 1
    fake._changes["labels"] = labels
    desk.annotate()
    desk.correct.rerun.accept()
    assert "the new result" in desk.correct.review.objects().query("task == 'glands'")["reasons"].iloc[0]
    desk.press(one, "Ctrl+Z")
    assert "the new result" not in " ".join(desk.correct.review.objects()["reasons"])
    desk.press(one, "Ctrl+Shift+Z")
    assert "the new result" in " ".join(desk.correct.review.objects()["reasons"])
