"""Run as a script: write a journal in a child process, kill it at a random moment, replay, compare; many times.

Prints one JSON line: how many kills, and the smallest and largest number of records that were found.
The child reports every record over a pipe *after* ``append`` returned, so each reported one must be found.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np

from napari_cerberus.annotation import object_columns
from napari_cerberus.annotation.edits import delete_objects, draw_object, grow
from napari_cerberus.annotation.frame import Frame
from napari_cerberus.annotation.journal import open_journal
from napari_cerberus.annotation.tracking import TrackedLabels
from napari_cerberus.errors import EditError

FRAME = Frame(image_key="ab" * 32, image_name="tile", image_height_px=64, image_width_px=64, region=(0, 0, 64, 64))


def edits(seed: int):
    """An endless, repeatable stream of (labels after, change set)."""
    rng = np.random.default_rng(seed)
    tracker = TrackedLabels("nuclei", np.zeros(FRAME.shape, np.int32), object_columns.empty_table(), 0.5)
    while True:
        ids = tracker.objects["index"].tolist()
        try:
            if len(ids) < 5 or rng.random() < 0.3:
                y, x = rng.integers(0, 56, 2)
                outline = [(y, x), (y, x + 7), (y + 7, x + 7), (y + 7, x)]
                change = draw_object(tracker.labels, outline, over_others=True, new_id=tracker.next_id)
            elif rng.random() < 0.5:
                change = grow(tracker.labels, int(rng.choice(ids)))
            else:
                change = delete_objects(tracker.labels, [int(rng.choice(ids))])
        except EditError:
            continue
        if change:
            done = tracker.apply(change, at="2026-11-23T10:00:00Z")
            yield tracker.labels.copy(), done


def write_until_killed(root: Path, seed: int, report: int) -> None:
    journal, _ = open_journal(root, FRAME, resume=False)
    for count, (_, change) in enumerate(edits(seed), start=1):
        journal.append(change, task="nuclei", tool="test")
        os.write(report, struct.pack("<i", count))


def kill_once(root: Path, seed: int, after_records: int, after_s: float) -> int:
    """Number of records found; raises AssertionError if one is lost or wrong."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        write_until_killed(root, seed, writing)
    os.close(writing)
    reported = 0
    while reported < after_records:  # so that it does not depend on the machine's speed
        reported += len(os.read(reading, 4 * (after_records - reported))) // 4
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while piece := os.read(reading, 1 << 16):
        reported += len(piece) // 4
    os.close(reading)

    journal, replay = open_journal(root, FRAME, resume=True)
    journal.close()
    assert not journal.warning, journal.warning
    assert replay is not None
    assert not replay.problem or replay.torn, replay.problem
    found = len(replay.records)
    assert reported <= found <= reported + 1, (reported, found)
    expected, _ = next(islice(edits(seed), found - 1, None))
    assert np.array_equal(replay.labels["nuclei"], expected), f"labels differ after {found} records"
    return found


if __name__ == "__main__":
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    rng = np.random.default_rng(int(sys.argv[3]))
    counts = [kill_once(folder, seed, int(rng.integers(1, 40)), rng.uniform(0, 0.005)) for seed in range(kills)]
    sys.stdout.write(json.dumps({"kills": kills, "fewest": min(counts), "most": max(counts)}) + "\n")
