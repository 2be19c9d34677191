"""Active time, edits and Dice per model version, and who did what to which object."""

from __future__ import annotations

import numpy as np
import pytest
from annotation_helpers import ids_of, random_labels
from journal_killing import FRAME

from napari_cerberus.annotation import object_columns, object_table
from napari_cerberus.annotation.edits import delete_objects, difference, grow, split_automatically
from napari_cerberus.annotation.effort import active_seconds, effort_of, provenance
from napari_cerberus.annotation.journal import Journal, Record
from napari_cerberus.annotation.label_maps import dice
from napari_cerberus.annotation.merge import Rerun, merge
from napari_cerberus.annotation.tracking import TrackedLabels


def record(seq, elapsed_s, session="a", kind="edit", **fields):
    plain = {"at": "", "by": "", "task": "nuclei", "tool": "x", "summary": "x", **fields}
    return Record(seq=seq, session=session, elapsed_s=elapsed_s, kind=kind, **plain)


def test_idle_gaps_and_the_time_between_sessions_do_not_count():
    times = [(0, "a"), (5, "a"), (35, "a"), (66, "a"), (70, "a"), (1000, "b"), (1001.5, "b")]
    records = [record(i, t, session) for i, (t, session) in enumerate(times, start=1)]
    assert active_seconds(records) == pytest.approx(5 + 30 + 4 + 1.5)
    assert active_seconds(records[:1]) == 0
    assert active_seconds([]) == 0
    assert active_seconds(records, idle_s=3) == pytest.approx(1.5)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def run(tracker, journal, labels, model):
    rerun = Rerun(
        task="nuclei",
        last=tracker.model_labels,
        current=tracker.labels,
        new=labels,
        objects=tracker.objects,
        new_objects=object_table.new_rows("nuclei", object_table.measure(labels, 0.5), confidence=0.6),
        pixel_size_um=0.5,
        first_new_id=tracker.next_id,
    )
    result = merge(rerun)
    change = tracker.adopt(result.change, result.objects, result.model_labels)
    journal.append(change, task="nuclei", tool="annotate", model=model)


@pytest.fixture
def session(tmp_path):
    """A first result, three edits and two decisions by two people; then another model and one more edit."""
    clock = Clock()
    journal = Journal(FRAME, None, clock=clock)
    tracker = TrackedLabels("nuclei", np.zeros(FRAME.shape, np.int32), object_columns.empty_table(), 0.5)
    labels = random_labels(11, 64, 64, 9)
    run(tracker, journal, labels, ("starter", "a" * 64))
    ids = sorted(ids_of(tracker.labels))

    def do(change, tool, by, wait):
        clock.now += wait
        journal.append(tracker.apply(change, by=by), task="nuclei", tool=tool, by=by)

    do(delete_objects(tracker.labels, ids[:1]), "delete", "Ada", 4)
    do(grow(tracker.labels, ids[1]), "grow", "Ada", 6)
    do(split_automatically(tracker.labels, ids[2], parts=2, new_id=tracker.next_id), "split", "Bob", 100)
    do(object_table.mark(tracker.objects, [ids[3]], "accepted"), "accept", "Bob", 2)
    do(object_table.mark(tracker.objects, [ids[4]], "rejected"), "reject", "Bob", 3)
    first = (tracker.model_labels.copy(), tracker.labels.copy(), len(tracker.objects))
    clock.now += 20
    run(tracker, journal, random_labels(12, 64, 64, 9), ("better", "b" * 64))
    do(grow(tracker.labels, ids[1]), "grow", "Ada", 5)
    path = tmp_path / "journal.jsonl"
    journal.copy_to(path)
    return path, journal, tracker, ids, first


def test_effort_is_told_per_model_version(session):
    path, journal, tracker, _, (model_labels, labels, count) = session
    rows = effort_of(path)
    assert rows["model_name"].tolist() == ["starter", "better"]
    first, second = (rows.iloc[i] for i in (0, 1))
    assert first["active_s"] == 4 + 6 + 2 + 3
    assert second["active_s"] == 5
    assert (first["edits"], first["decisions"], second["edits"], second["decisions"]) == (3, 2, 1, 0)
    assert first["annotators"] == "Ada, Bob"
    assert first["objects"] == count
    assert first["edits_per_100_objects"] == pytest.approx(300 / count)
    changed = sum(r.changed_px for r in journal.records[1:4])
    assert first["changed_px"] == changed
    assert first["changed_px_per_100_objects"] == pytest.approx(100 * changed / count)
    assert first["dice_nuclei"] == pytest.approx(dice(model_labels, labels))
    assert second["dice_nuclei"] == pytest.approx(dice(tracker.model_labels, tracker.labels))
    assert 0.5 < first["dice_nuclei"] < 1
    assert np.isnan(first["dice_glands"])


def test_who_did_what_to_which_object(session):
    _, journal, _, ids, _ = session
    rows = provenance(journal.records, "nuclei").set_index("index")
    assert rows.loc[ids[0], "tools"] == "delete"
    assert rows.loc[ids[1], ["made_by", "edits", "tools", "annotators"]].tolist() == [
        "starter",
        2,
        "grow",
        "Ada",
    ]
    child = int(rows.index[rows["made_by"] == "hand"][0])
    assert rows.loc[child, "tools"] == "split"
    assert rows.loc[ids[3], "tools"] == "accept"
    assert (rows["made_by"] == "better").any()
    untouched = rows[(rows["made_by"] == "better")].iloc[0]
    assert (untouched["edits"], untouched["last_at"]) == (0, "")
    assert not len(provenance(journal.records, "glands"))


def test_work_without_a_model_and_an_empty_journal(tmp_path):
    journal = Journal(FRAME, None)
    journal.copy_to(tmp_path / "empty.jsonl")
    assert not len(effort_of(tmp_path / "empty.jsonl"))
    labels = random_labels(3, 64, 64, 5)
    journal.append(difference(np.zeros_like(labels), labels, "Drew"), task="glands", tool="draw")
    journal.copy_to(tmp_path / "drawn.jsonl")
    row = effort_of(tmp_path / "drawn.jsonl").iloc[0]
    assert (row["model_name"], row["edits"], row["dice_glands"]) == ("", 1, 0)
