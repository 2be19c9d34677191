"""What goes wrong on a pathologist's desk while correcting: one sentence at most, and the annotation stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desk import Desk
from fake_jobs import FakeAnnotate, he_like, square_labels
from napari_cerberus.annotation.journal import read_journal
from napari_cerberus.annotation.object_columns import EDITED
from napari_cerberus.annotation.store import load_annotation
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE
from ordinary_user import as_ordinary_user


@pytest.fixture
def open_window(make_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Desk]:
    """Desks that keep journals."""
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path / "journals"))
    return lambda **settings: make_desk(memory=tmp_path / "memory.json", **settings)


def problems(desk: Desk) -> list[str]:
    return [sentence for sentence, problem in desk.said if problem]


def correct(desk: Desk, tool: str) -> Any:
    one = desk.choose("glands", 1)
    desk.correct.tools.use(tool)
    desk.correct.sync()
    return one


def test_two_windows_on_one_image_both_keep_everything(open_window: Callable[..., Desk], tmp_path: Path) -> None:
    first, second = open_window(), open_window()
    correct(first, "shrink")
    correct(second, "grow")
    correct(first, "smooth")
    assert not problems(first)
    (said,) = problems(second)
    assert said.startswith("This image is already being annotated in another window")
    assert "keeps a journal of its own" in said
    for desk in (first, second):
        desk.correct.save(tmp_path / f"{desk is first}.cerberus")
        desk.controller.close()
    for desk, number in ((first, ""), (second, ".2")):
        labels = np.array(desk.viewer.layers["tile glands"].data)
        (path,) = (tmp_path / "journals").glob(f"*[0-9a-f]{number}/journal.jsonl" if number else "*[!.2]/journal.jsonl")
        np.testing.assert_array_equal(read_journal(path).labels["glands"], labels)
        saved = load_annotation(tmp_path / f"{desk is first}.cerberus")
        np.testing.assert_array_equal(saved.labels["glands"], labels)
    later = open_window(annotated=False)
    offers = []
    while (offer := later.correct.restore.offer) is not None:
        offers.append(offer.path)
        later.correct.restore.decline()
    assert len(offers) == 2, "what either window did is offered"


def test_a_second_window_that_restores_what_the_first_has_open(open_window: Callable[..., Desk]) -> None:
    first = open_window()
    labels = np.array(correct(first, "shrink").layer.data)
    second = open_window(annotated=False)
    second.correct.restore.accept()
    assert "another window" in problems(second)[0]
    np.testing.assert_array_equal(second.viewer.layers["tile glands"].data, labels)
    correct(second, "delete")
    correct(first, "grow")
    assert len(problems(second)) == 1
    assert not problems(first)


def test_a_wall_clock_that_jumps_changes_neither_journal_nor_effort(
    open_window: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_window()
    times = iter(["2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] * 50)
    for module in ("object_table", "journal.writer"):
        monkeypatch.setattr(f"napari_cerberus.annotation.{module}.utc_now", lambda: next(times))
    one = correct(desk, "shrink")
    for tool in ("grow", "smooth"):
        correct(desk, tool)
    effort = desk.correct.effort()
    assert effort is not None
    assert effort["edits"].tolist() == [3]
    assert effort["active_s"].between(0, 30).all()
    path = desk.correct.autosave.path(one)
    assert path is not None
    np.testing.assert_array_equal(read_journal(path).labels["glands"], one.layer.data)


@pytest.mark.parametrize("where", ["file in the way", "read only", "somebody else's"])
def test_a_folder_that_cannot_be_written(make_desk: Callable[..., Desk], tmp_path: Path, where: str) -> None:
    desk = make_desk()
    one = correct(desk, "shrink")
    labels = np.array(one.layer.data)
    folder = tmp_path / "folder"
    if where == "file in the way":
        folder.write_text("x")
    else:
        folder.mkdir()
    if where == "read only":
        folder.chmod(0o500)
    if where == "somebody else's":
        (folder / "x.cerberus").mkdir()
        (folder / "x.cerberus" / "cat.png").write_bytes(b"meow")
    with as_ordinary_user():
        desk.correct.save(folder / "x.cerberus")
    folder.chmod(0o700)
    (said,) = problems(desk)
    assert "cannot be written" in said or "choose another name" in said
    assert "\n" not in said
    np.testing.assert_array_equal(one.layer.data, labels)
    desk.correct.save(tmp_path / "elsewhere.cerberus")
    np.testing.assert_array_equal(load_annotation(tmp_path / "elsewhere.cerberus").labels["glands"], labels)


def test_layers_renamed_and_reordered_while_a_tool_waits(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("glands", 1)
    desk.correct.tools.use("outline")
    pointer = desk.correct.tools.pointer
    for point in ((20.0, 20.0), (20.0, 30.0), (30.0, 30.0)):
        pointer._corner(one, point)
        one.layer.name += " mine"
        desk.viewer.layers.move(desk.viewer.layers.index(one.layer), 0)
    desk.viewer.layers.selection.active = one.layer
    desk.correct.tools.use("outline")
    assert one.layer.data[22, 28] == 2
    assert desk.correct.corrections.active is one
    assert not problems(desk)
    desk.press(one, "Ctrl+Z")
    assert one.layer.data[22, 28] == 0


@pytest.mark.parametrize("moment", ["armed", "in the queue", "offered"])
def test_a_layer_removed_in_the_middle_of_something(make_desk: Callable[..., Desk], moment: str) -> None:
    desk = make_desk()
    one = correct(desk, "shrink")
    nuclei = np.array(desk.layer("nuclei").layer.data)
    if moment == "armed":
        desk.correct.tools.use("outline")
        desk.correct.tools.pointer._corner(one, (20.0, 20.0))
    elif moment == "in the queue":
        desk.qtbot.waitUntil(lambda: len(desk.correct.review.queued()) == 4, timeout=60_000)
        desk.correct.review.next()
    else:
        desk.annotate()
        assert desk.correct.rerun.offer is not None
    desk.viewer.layers.remove(one.layer)
    if moment == "armed":
        assert desk.correct.tools.pointer.armed is None
    elif moment == "in the queue":
        for _ in range(4):
            desk.correct.review.next()
        assert set(desk.correct.review.objects()["task"]) == {"nuclei", "lumina"}
    else:
        desk.correct.rerun.accept()
        assert desk.said[-1][0] == "Merged the new result into all 2 layers; Ctrl+Z takes it back."
    np.testing.assert_array_equal(desk.layer("nuclei").layer.data, nuclei)
    assert not problems(desk)


def test_a_script_puts_other_labels_into_a_layer(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = correct(desk, "shrink")
    new = np.zeros((40, 56), np.int32)
    new[20:30, 20:30] = 7
    one.layer.data = new.copy()
    desk.correct.sync()
    assert one.tracked.objects["index"].tolist() == [7]
    desk.press(one, "Ctrl+Z")
    np.testing.assert_array_equal(one.layer.data, new), "napari's steps belong to the array that is gone"
    desk.choose("glands", 7)
    desk.correct.tools.use("shrink")
    assert (one.layer.data == 7).sum() == 64
    desk.press(one, "Ctrl+Z")
    np.testing.assert_array_equal(one.layer.data, new)
    one.layer.data[:5, :5] = -3
    desk.correct.tools.use("grow")
    assert desk.state(one, 7) == EDITED


@pytest.mark.parametrize("values", ["other type", "no object", "table gone"])
def test_a_script_leaves_a_layer_in_an_odd_state(open_window: Callable[..., Desk], tmp_path: Path, values: str) -> None:
    desk = open_window()
    one = correct(desk, "shrink")
    if values == "other type":
        one.layer.data = one.layer.data.astype(np.uint8)
    elif values == "no object":
        one.layer.data[:] = 0
    else:
        one.layer.features = None
    desk.correct.sync()
    desk.choose("glands", 1)
    desk.correct.tools.use("fill")
    desk.correct.save(tmp_path / "a.cerberus")
    saved = load_annotation(tmp_path / "a.cerberus")
    np.testing.assert_array_equal(saved.labels["glands"], one.layer.data)
    assert (saved.objects["task"] == "glands").sum() == (0 if values == "no object" else 1)
    assert len(problems(desk)) <= 1


def test_an_image_replaced_under_its_name_is_another_image(open_window: Callable[..., Desk], tmp_path: Path) -> None:
    fake = FakeAnnotate()
    desk = open_window(annotate=fake)
    one = correct(desk, "shrink")
    labels = np.array(one.layer.data)
    desk.viewer.layers["tile"].data = he_like(40, 56, seed=5)
    fake._changes["labels"] = square_labels(40, 56)
    desk.annotate()
    assert desk.correct.rerun.offer is None, "nothing to merge: it is another image"
    np.testing.assert_array_equal(one.layer.data, labels)
    assert len(list(desk.correct.corrections)) == 6
    desk.choose("glands", 1)
    desk.correct.save(tmp_path / "old.cerberus")
    np.testing.assert_array_equal(load_annotation(tmp_path / "old.cerberus").labels["glands"], labels)
    assert not problems(desk)


def test_very_many_objects_are_corrected_without_waiting(make_desk: Callable[..., Desk]) -> None:
    """``benchmarks/many_objects.py`` measures 100,000; the limits here are wide, for slow machines."""
    side, step = 100, 4
    labels = np.zeros((side * step, side * step), np.int32)
    for row in range(2):
        for column in range(2):
            labels[row::step, column::step] = np.arange(1, side**2 + 1).reshape(side, side)
    nothing = np.zeros_like(labels)
    fake = FakeAnnotate(labels={"glands": nothing, "lumina": nothing, "nuclei": labels})
    desk = make_desk(annotate=fake, shape=labels.shape)
    one = desk.choose("nuclei", 5000)
    review = desk.correct.review
    before = one.tracked.objects.copy()

    def spent(action: Callable[[], Any]) -> float:
        start = time.process_time()
        action()
        return time.process_time() - start

    assert len(review.queued()) == side**2
    assert spent(lambda: desk.correct.tools.use("delete")) < 2
    assert spent(lambda: desk.press(one, "Ctrl+Z")) < 2
    assert one.tracked.objects.equals(before)
    assert spent(review.accept) < 2
    assert spent(review.next) < 2
    assert str(review.counted()) == "1 of 10,000 reviewed"
