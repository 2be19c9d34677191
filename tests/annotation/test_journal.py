"""The journal gives back exactly what was written before any kind of accident, and says what it could not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from annotation_helpers import random_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_killing import FRAME, edits

import napari_cerberus.annotation.journal.journals as folder_module
from napari_cerberus.annotation import object_columns, object_table
from napari_cerberus.annotation.edits import ChangeSet, difference
from napari_cerberus.annotation.finished_areas import FinishedArea
from napari_cerberus.annotation.frame import Frame, image_key, placed
from napari_cerberus.annotation.journal import appending as appending_module
from napari_cerberus.annotation.journal import find_journals, open_journal, pixel_runs, read_journal
from napari_cerberus.annotation.journal.record import data_of, line_of
from napari_cerberus.annotation.tracking import TrackedLabels
from napari_cerberus.errors import DataError

FILE = "journal.jsonl"
SUBSETS = ("image_height_px", "image_width_px")


@cache
def some(count, seed=0):
    """The first edits of a stream: (labels after, change set)."""
    return list(islice(edits(seed), count))


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    """Bytes of a journal of six edits, and the labels after each."""
    path, states = written(tmp_path_factory.mktemp("six"), 6)
    return path.read_bytes(), states


def placed_in(folder, data):
    path = folder / FRAME.folder_name / FILE
    path.parent.mkdir()
    path.write_bytes(data)
    return path


def written(root, count, seed=0, **options):
    """Write ``count`` edits; return the file and the labels after each of them."""
    journal, _ = open_journal(root, FRAME, resume=False)
    for name, value in options.items():
        setattr(journal, name, value)
    states = [np.zeros(FRAME.shape, np.int32)]
    with journal:
        for labels, change in some(count, seed):
            journal.append(change, task="nuclei", tool="test", by="Ada")
            states.append(labels)
    assert not journal.warning
    return root / FRAME.folder_name / FILE, states


def test_replay_gives_exactly_the_labels_the_table_and_the_history(tmp_path):
    path, states = written(tmp_path, 25)
    replay = read_journal(path)
    assert replay.problem == ""
    assert np.array_equal(replay.labels["nuclei"], states[-1])
    assert replay.objects("nuclei", 0.5)["index"].tolist() == object_table.measure(states[-1], 0.5)["index"].tolist()
    assert set(replay.objects("nuclei", 0.5)["state"]) == {"edited"}
    assert [record.seq for record in replay.records] == list(range(1, 26))
    last, change = replay.records[-1], some(25)[-1][1]
    assert (last.by, last.tool, last.summary) == ("Ada", "test", change.summary)
    assert last.changed_px == change.changed_px


def test_a_result_a_review_and_an_undo_come_back_too(tmp_path):
    labels = random_labels(1, 64, 64, 8)
    rows = object_table.new_rows("glands", object_table.measure(labels, 0.5), confidence=0.75, **{"class": "gland"})
    tracker = TrackedLabels("glands", np.zeros_like(labels), object_columns.empty_table(), 0.5)
    journal, replay = open_journal(tmp_path, FRAME, resume=True)
    assert replay is None
    with journal:
        result = tracker.adopt(difference(tracker.labels, labels, "Annotated"), rows, labels)
        journal.append(result, task="glands", tool="annotate", model=("starter", "f" * 64))
        ids = tracker.objects["index"].tolist()
        mark = tracker.apply(object_table.mark(tracker.objects, ids[:2], "accepted", by="Ada", at="now"))
        journal.append(mark, task="glands", tool="accept")
        removed = tracker.sync(np.where(labels == ids[0], 0, labels), "Erased", at="now")
        journal.append(removed, task="glands", tool="brush")
        journal.append(tracker.sync(labels, "Undid", at="now"), task="glands", tool="undo")
    restored = find_journals(tmp_path, FRAME.image_key)[0]
    assert np.array_equal(restored.labels["glands"], labels)
    assert np.array_equal(restored.model_labels["glands"], labels)
    pd.testing.assert_frame_equal(restored.objects("glands", 0.5), tracker.objects)
    assert restored.records[0].model_name == "starter"
    assert restored.records[0].kind == "result"


@settings(max_examples=60)
@given(cut=st.floats(0, 1))
def test_a_journal_cut_off_anywhere_gives_a_prefix(tmp_path_factory, six, cut):
    whole, states = six
    head = whole.index(b"\n") + 1
    size = head + round(cut * (len(whole) - head))
    path = placed_in(tmp_path_factory.mktemp("cut"), whole[:size])
    replay = read_journal(path)
    lines = whole[head:size].count(b"\n")
    assert len(replay.records) == lines
    assert replay.torn == (not whole[:size].endswith(b"\n"))
    if lines:
        assert np.array_equal(replay.labels["nuclei"], states[lines])
    journal, resumed = open_journal(path.parents[1], FRAME, resume=True)
    journal.close()
    assert not journal.warning
    assert path.stat().st_size == replay.good_bytes, "the torn line is gone, so that appending can go on"
    assert len(resumed.records) == lines


@settings(max_examples=60)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_damaged_byte_never_gives_wrong_labels(tmp_path_factory, six, where, flip):
    data, states = bytearray(six[0]), six[1]
    position = int(where * len(data))
    data[position] ^= flip
    path = placed_in(tmp_path_factory.mktemp("damaged"), data)
    if position < data.index(b"\n"):
        with pytest.raises(DataError):
            read_journal(path)
        return
    replay = read_journal(path)
    assert replay.problem
    count = len(replay.records)
    assert count < 6
    if count:
        assert np.array_equal(replay.labels["nuclei"], states[count])
    if not replay.torn:
        assert f"damaged after change {count}" in replay.problem
        assert "everything before it is restored" in replay.problem


def test_a_damaged_journal_is_kept_aside_and_work_goes_on(tmp_path):
    path, states = written(tmp_path, 6)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"tool":"test"', b'"tool":"tost"')
    damaged = b"".join(lines)
    path.write_bytes(damaged)
    journal, replay = open_journal(tmp_path, FRAME, resume=True)
    assert "damaged after change 3" in replay.problem
    labels = states[3].copy()
    labels[:5, :5] = 77
    with journal:
        journal.append(difference(states[3], labels, "Painted"), task="nuclei", tool="brush")
    assert np.array_equal(read_journal(path).labels["nuclei"], labels)
    assert path.with_name("journal.1.jsonl").read_bytes() == damaged


def test_beginning_anew_keeps_the_last_three_journals(tmp_path):
    for seed in range(5):
        path, _ = written(tmp_path, 2, seed)
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "journal.1.jsonl",
        "journal.2.jsonl",
        "journal.3.jsonl",
        FILE,
        "lock",
    ]


def test_reopening_goes_on_where_it_stopped(tmp_path):
    path, states = written(tmp_path, 3)
    size = path.stat().st_size
    journal, replay = open_journal(tmp_path, FRAME, resume=True)
    with journal:
        assert np.array_equal(replay.labels["nuclei"], states[-1])
        journal.append(difference(states[-1], states[0], "Cleared"), task="nuclei", tool="delete")
    again = read_journal(path)
    assert [record.seq for record in again.records] == [1, 2, 3, 4]
    assert len({record.session for record in again.records}) == 2
    assert path.read_bytes()[:size].count(b"\n") == 4, "what was there was not rewritten"


def wait_until(reached):
    until = time.monotonic() + 20
    while not reached() and time.monotonic() < until:
        time.sleep(0.01)
    assert reached()


def test_each_change_is_in_the_file_when_append_returns_and_on_disk_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(appending_module, "SYNC_WITHIN_S", 0.0)
    synced = []
    monkeypatch.setattr(appending_module.os, "fsync", synced.append)
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    before = len(synced)
    with journal:
        for count, (_, change) in enumerate(some(3), start=1):
            journal.append(change, task="nuclei", tool="test")
            assert len(read_journal(journal.path).records) == count
            wait_until(lambda expected=before + count: len(synced) >= expected)  # another thread syncs
        journal.flush()
        assert len(synced) >= before + 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_writer_loses_nothing_that_append_returned_from(tmp_path):
    script = Path(__file__).with_name("journal_killing.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "6", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kills"] == 6


def test_a_second_window_is_told_and_keeps_a_journal_of_its_own(tmp_path):
    first, _ = open_journal(tmp_path, FRAME, resume=False)
    with first:
        for _, change in some(3):
            first.append(change, task="nuclei", tool="test")
        second, replay = open_journal(tmp_path, FRAME, resume=True)
        assert "already being annotated in another window (process" in second.note
        assert second.note.count("\n") == 0
        assert not second.warning
        labels = some(3)[-1][0]
        after = labels.copy()
        after[:4] = 0
        second.append(difference(labels, after, "Erased"), task="nuclei", tool="brush")
        second.close()
        assert len(replay.records) == 3
        first.append(difference(labels, np.zeros_like(labels), "Cleared"), task="nuclei", tool="delete")
        third, _ = open_journal(tmp_path, FRAME, resume=False)
        assert third.path == second_path(tmp_path), "the second is closed and makes room, set aside"
        third.close()
    assert not read_journal(tmp_path / FRAME.folder_name / FILE).labels["nuclei"].any()
    kept = read_journal(second_path(tmp_path).with_name("journal.1.jsonl"))
    assert kept.problem == ""
    assert np.array_equal(kept.labels["nuclei"], after)
    fourth, _ = open_journal(tmp_path, FRAME, resume=True)
    assert not fourth.note
    fourth.close()


def second_path(root):
    return root / f"{FRAME.folder_name}.2" / FILE


def test_both_journals_of_two_windows_are_found_and_can_be_gone_on_with(tmp_path):
    with (
        open_journal(tmp_path, FRAME, resume=False)[0] as first,
        open_journal(tmp_path, FRAME, resume=False)[0] as second,
    ):
        for journal, tool in ((first, "one"), (second, "two")):
            journal.append(some(3)[0][1], task="nuclei", tool=tool)
    os.utime(second_path(tmp_path), (1, 1))
    found = find_journals(tmp_path, FRAME.image_key)
    assert [replay.records[-1].tool for replay in found] == ["one", "two"]
    again, replay = open_journal(tmp_path, FRAME, resume=True, folder=found[1].path.parent)
    again.close()
    assert replay.records[-1].tool == "two"
    assert again.note == ""


def test_more_windows_than_journals_work_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "MOST_WINDOWS", 2)
    journals = [open_journal(tmp_path, FRAME, resume=False)[0] for _ in range(3)]
    assert [journal.path is None for journal in journals] == [False, False, True]
    assert "another window" in journals[2].warning
    for journal in journals:
        journal.close()


def test_the_lock_of_a_dead_process_is_taken_and_of_another_computer_respected(tmp_path):
    folder = tmp_path / FRAME.folder_name
    folder.mkdir()
    lock = folder / "lock"
    computer = __import__("platform").node()
    lock.write_text(json.dumps({"process": 1, "computer": computer, "since": "2026"}))
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    assert not journal.warning
    journal.close()
    lock.write_text(json.dumps({"process": 1, "computer": "elsewhere", "since": "2026"}))
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    assert "on another computer (process 1, computer elsewhere" in journal.note
    journal.close()
    journal, _ = open_journal(tmp_path, FRAME, resume=False, take_over=True)
    assert not journal.note
    journal.close()
    lock.write_text(json.dumps({"process": 1, "computer": "elsewhere"}))
    os.utime(lock, (0, 0))
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    assert not journal.note, "silent for more than a day"
    journal.close()
    lock.write_bytes(b"\xff\x00nonsense")
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    assert not journal.warning
    journal.close()


def test_a_folder_that_cannot_be_made_is_one_sentence_and_memory_serves(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    journal, replay = open_journal(tmp_path / "file", FRAME, resume=True)
    assert replay is None
    assert "cannot be written" in journal.warning
    assert "Changes stay in memory" in journal.warning
    for _, change in some(4):
        journal.append(change, task="nuclei", tool="test")
    journal.copy_to(tmp_path / "copy.jsonl")
    journal.close()
    assert np.array_equal(read_journal(tmp_path / "copy.jsonl").labels["nuclei"], some(4)[-1][0])


def test_a_full_disk_is_said_and_everything_is_written_when_there_is_room_again(tmp_path, monkeypatch):
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    stream = iter(some(3))
    real_write = os.write
    room = [1 << 20]

    def write(descriptor, data):
        if room[0] <= 0:
            raise OSError(28, "No space left on device")
        room[0] -= len(data)
        return real_write(descriptor, bytes(data)[: max(len(data) // 2, 1)])  # short writes on top

    monkeypatch.setattr(appending_module.os, "write", write)
    with journal:
        journal.append(next(stream)[1], task="nuclei", tool="test")
        assert not journal.warning
        room[0] = 30
        journal.append(next(stream)[1], task="nuclei", tool="test")
        assert "No space left on device" in journal.warning
        assert len(read_journal(journal.path).records) == 1
        assert not read_journal(journal.path).problem, "nothing half-written"
        room[0] = 1 << 20
        labels, change = next(stream)
        journal.append(change, task="nuclei", tool="test")
        assert not journal.warning
        assert np.array_equal(read_journal(journal.path).labels["nuclei"], labels)


def test_a_journal_removed_or_changed_by_others_is_noticed(tmp_path):
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    stream = iter(some(3))
    with journal:
        journal.append(next(stream)[1], task="nuclei", tool="test")
        with journal.path.open("ab") as other:
            other.write(b"x")
        journal.append(next(stream)[1], task="nuclei", tool="test")
        assert "changed by another program" in journal.warning
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    with journal:
        journal.path.unlink()
        journal.append(some(1)[0][1], task="nuclei", tool="test")
        assert "was removed" in journal.warning


def test_compaction_keeps_everything_and_bounds_the_size(tmp_path):
    path, states = written(tmp_path, 60, _max_bytes=8000, _first_max_bytes=8000)
    plain, _ = written(tmp_path / "plain", 60)
    replay, expected = read_journal(path), read_journal(plain)
    assert np.array_equal(replay.labels["nuclei"], states[-1])
    stamps = ["changed_at"]
    pd.testing.assert_frame_equal(
        replay.objects("nuclei", 0.5).drop(columns=stamps),
        expected.objects("nuclei", 0.5).drop(columns=stamps),
    )
    history = [record for record in replay.records if record.kind != "snapshot"]
    assert [r.summary for r in history] == [r.summary for r in expected.records]
    assert any(record.thin for record in replay.records)
    assert path.stat().st_size < plain.stat().st_size


def test_clocks_that_jump_do_not_matter(tmp_path, monkeypatch):
    times = iter(["2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
    monkeypatch.setattr("napari_cerberus.annotation.journal.writer.utc_now", lambda: next(times))
    path, states = written(tmp_path, 3)
    assert np.array_equal(read_journal(path).labels["nuclei"], states[-1])


@given(seed=st.integers(0, 10_000), other=st.integers(0, 10_000))
def test_packed_pixels_unpack_to_the_same_change(seed, other):
    before, after = random_labels(seed, 30, 40, 9), random_labels(other, 30, 40, 9)
    flat, ids = pixel_runs.unpack(pixel_runs.pack(difference(before, after, "x"), before.shape), before)
    before.reshape(-1)[flat] = ids
    assert np.array_equal(before, after)


def _runs(*runs):
    return zlib.compress(np.array(runs, dtype="<i8").T.tobytes())


@pytest.mark.parametrize(
    "packed",
    [
        b"nonsense",
        _runs((0, 5, 0, 1))[:-6],
        zlib.compress(b"\0" * 33),
        zlib.compress(b"\0" * (1 << 22)),
        _runs((98, 5, 0, 1)),
        _runs((-1, 2, 0, 1)),
        _runs((5, 0, 0, 1)),
        _runs((5, 2**62, 0, 1)),
        _runs((5, 3, 0, 1), (6, 3, 0, 1)),
        _runs((0, 1, 0, 2**40)),
        _runs((0, 1, 0, -4)),
        _runs((0, 1, 3, 4)),
    ],
)
def test_hostile_pixels_are_refused(packed):
    with pytest.raises(DataError):
        pixel_runs.unpack(packed, np.zeros((10, 10), np.int32))


def _header(**changes):
    frame = {**FRAME.to_json(), **changes.pop("frame", {})}
    return line_of({"format": "napari-cerberus journal", "format_version": 1, "frame": frame, **changes})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a journal"),
        (b"PNG\n", "not a journal"),
        (line_of({"format": "other"}), "not a journal"),
        (_header(format_version=99), "another version"),
        (
            _header(frame={"image_height_px": 10**9, "image_width_px": 10**9, "region": [0, 0, 10**9, 10**9]}),
            "too large",
        ),
        (_header(frame={"region": [0, 0, -1, 5]}), "does not lie in the image"),
        (_header(frame={"region": [0, 0, 1.5, 5]}), "four whole numbers"),
        (_header(frame={"image_key": "zz"}), "64 hexadecimal"),
        (_header(frame={"image_name": 5}), "'image_name'"),
    ],
)
def test_a_file_that_is_no_journal_is_one_sentence(tmp_path, content, message):
    path = tmp_path / FILE
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_journal(path)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": "1"},
        {"seq": 7},
        {"seq": True},
        {"task": "../../etc"},
        {"kind": "party"},
        {"elapsed_s": "soon"},
        {"new_ids": [-4]},
        {"removed_ids": "all"},
        {"pixels": "%%%"},
        {"cells": "AAAA"},
        {"thin": 1},
    ],
)
def test_a_hostile_record_ends_the_replay_with_a_sentence(tmp_path, change):
    path, states = written(tmp_path, 2)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = line_of({**data_of(lines[2][:-1]), **change})
    path.write_bytes(b"".join(lines))
    replay = read_journal(path)
    assert "damaged after change 1" in replay.problem
    assert np.array_equal(replay.labels["nuclei"], states[1])


def test_ids_that_fit_no_journal_are_refused_before_anything_is_written(tmp_path):
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    before = np.zeros(FRAME.shape, np.int64)
    with journal, pytest.raises(DataError, match="cannot be object ids"):
        journal.append(difference(before, before + 2**40, "x"), task="nuclei", tool="x")
    assert not journal.records


def test_an_image_is_recognised_by_its_pixels_alone():
    image = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    key = image_key(image)
    assert image_key(np.asfortranarray(image)) == key
    assert image_key(image.reshape(30, 40, 3)) != key
    changed = image.copy()
    changed[39, 29, 2] ^= 1
    assert image_key(changed) != key
    assert image_key(image.astype(np.uint16)) != key
    assert image_key(image, (80, 60, 3)) != key, "the coarsest level of a larger image is another image"
    whole, part = (
        Frame(image_key=key, image_name=name, image_height_px=40, image_width_px=30, region=region)
        for name, region in (("a", (0, 0, 40, 30)), ("b", (1, 2, 20, 30)))
    )
    assert whole.folder_name == replace(whole, image_name="renamed").folder_name
    assert whole.folder_name != part.folder_name
    assert part.shape == (19, 28)


def test_the_key_of_an_image_never_changes():
    """Journals and saved annotations are found by it."""
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    assert image_key(image) == "032a44ab028a3f9841d5ee1d9ac67036e315308aa2b9c65994971800f07be81b"


def test_of_a_huge_image_patches_from_all_over_are_read(monkeypatch):
    import napari_cerberus.annotation.frame as frame_module

    monkeypatch.setattr(frame_module, "_WHOLE_BYTES", 1000)
    image = np.zeros((2000, 900, 3), dtype=np.uint8)
    keys = {image_key(image)}
    for row in (0, 1999):
        changed = image.copy()
        changed[row, 5] = 1
        keys.add(image_key(changed))
    assert len(keys) == 3


@given(
    of=st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(10, 20), st.integers(10, 20)),
    on=st.tuples(st.integers(0, 15), st.integers(0, 15), st.integers(16, 20), st.integers(16, 20)),
)
def test_labels_are_placed_on_another_region(of, on):
    image = np.arange(1, 401).reshape(20, 20)
    source = image[of[0] : of[2], of[1] : of[3]]
    canvas = np.zeros_like(image)
    canvas[of[0] : of[2], of[1] : of[3]] = source
    assert np.array_equal(placed(source, of, on), canvas[on[0] : on[2], on[1] : on[3]])


def test_an_empty_change_is_a_record_like_any_other(tmp_path):
    journal, _ = open_journal(tmp_path, FRAME, resume=False)
    with journal:
        journal.append(ChangeSet(summary="Nothing"), task="lumina", tool="x")
    assert not read_journal(tmp_path / FRAME.folder_name / FILE).labels["lumina"].any()


def test_finished_areas_come_back_also_after_compaction_and_a_damaged_one_is_told(tmp_path):
    first = FinishedArea.rectangle(-3, 0, 20, 20, ("glands", "nuclei"))
    second = FinishedArea(corners=((1.5, 2), (30, 4), (8, 40)), tasks=("nuclei",))
    path, states = written(tmp_path, 3)
    journal, _ = open_journal(tmp_path, FRAME, resume=True)
    journal._max_bytes = journal._first_max_bytes = 1
    with journal:
        journal.append_areas([first], task="nuclei", summary="Finished an area", by="Ada")
        journal.append_areas([first, second], task="nuclei", summary="Finished an area")
        journal.append_areas([second], task="nuclei", summary="Reopened an area")
    replay = read_journal(path)
    assert replay.finished == (second,)
    assert np.array_equal(replay.labels["nuclei"], states[-1])
    assert [record.summary for record in replay.records if record.kind == "areas"][-1] == "Reopened an area"
    line = path.read_bytes().splitlines()[-1]
    data = {**data_of(line), "kind": "areas", "seq": len(replay.records) + 1, "finished": [{"corners": 3}]}
    path.write_bytes(path.read_bytes() + line_of(data))
    assert "is damaged" in read_journal(path).problem
