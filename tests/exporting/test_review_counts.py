"""How much of what is exported a person has looked at."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from exporting.make_saved import save_corrected, save_result
from napari_cerberus.exporting.review_counts import ReviewCount, count_reviewed, counted_together
from napari_cerberus.exporting.saved_annotations import find_saved
from napari_cerberus.progress import run_to_end


def table(task: str, states: list[str | None], column: str = "review") -> pd.DataFrame:
    return pd.DataFrame({"task": task, "index": range(1, len(states) + 1), column: states})


def test_decided_objects_count_and_skipped_ones_do_not() -> None:
    objects = pd.concat(
        [
            table("glands", ["accepted", "edited", "rejected"]),
            table("nuclei", ["accepted", "skipped", None, "unreviewed"]),
        ]
    )
    counts = count_reviewed(objects, ("glands", "nuclei", "lumina"))
    assert counts["glands"] == ReviewCount(reviewed=3, total=3)
    assert counts["nuclei"] == ReviewCount(reviewed=1, total=4)
    assert [count.complete for count in counts.values()] == [True, False, False]
    assert count_reviewed(table("glands", ["edited"], "state"), ("glands",))["glands"].complete
    assert not count_reviewed(table("glands", ["edited"]).drop(columns="review"), ("glands",))["glands"].complete


def test_what_nobody_touched_is_never_complete() -> None:
    empty = count_reviewed(pd.DataFrame(), ("lumina",))["lumina"]
    assert not empty.complete
    assert empty.sentence == "no object reviewed"
    assert ReviewCount(reviewed=4, total=1252).sentence == "4 of 1,252 objects reviewed"


def test_images_are_added_up() -> None:
    sums = counted_together([{"glands": ReviewCount(reviewed=2, total=2)}, {"glands": ReviewCount(total=3)}])
    assert sums == {"glands": ReviewCount(reviewed=2, total=5)}
    assert not sums["glands"].complete


def test_saved_annotations_say_it_without_their_pixels(tmp_path: Path) -> None:
    save_corrected(tmp_path / "a.cerberus", tmp_path / "a.png")
    save_result(tmp_path / "results" / "b", tmp_path / "b.png", 1)
    corrected, plain = (saved.reviewed for saved in run_to_end(find_saved(tmp_path)).images)
    assert corrected["nuclei"] == ReviewCount(reviewed=2, total=2)
    assert corrected["glands"].reviewed == 0
    assert corrected["glands"].total > 0
    assert {count.reviewed for count in plain.values()} == {0}
