"""A cohort annotated from the dock: a folder a slide, one table, and one sentence for each slide that fails."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from make_slides import write_pyramid

from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.viewer.session import JobState, Session
from napari_cerberus.viewer.slides.batch_run import BatchResult, BatchRun, _sentence, annotate_batch, folders_of
from tiny import EXACT, spotted, tiny_model


def test_slides_of_one_name_have_folders_of_their_own() -> None:
    slides = [Path("a/x.svs"), Path("b/X.svs"), Path("a/x.svs")]
    assert list(folders_of(slides, Path("out")).values()) == [Path("out/x"), Path("out/X_2")]


def test_a_batch_names_what_failed_and_does_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(task: Any, _client: object) -> Any:
        return annotate_slide(open_slide(task.path), task.open_model(), task.settings, task.folder, runtime=EXACT)

    monkeypatch.setattr("napari_cerberus.slides.cohort.annotate_on_cluster", here)
    monkeypatch.setattr("napari_cerberus.model.library.opening.open_model", lambda *_name: tiny_model())
    slides = [write_pyramid(tmp_path / f"{name}.tif", spotted((200, 210), spots=20), um=0.5) for name in "ab"]
    unsized = write_pyramid(tmp_path / "unsized.tif", spotted((90, 80)))
    (tmp_path / "broken.svs").write_bytes(b"II*\0nothing")
    folders = folders_of([slides[0], tmp_path / "broken.svs", unsized, slides[1]], tmp_path / "out")
    job = annotate_batch(
        folders, tmp_path / "out", model_name="tiny", client=nullcontext, device="cpu", sensitivity=0.0
    )
    stages: list[str] = []
    result = run_to_end(job, lambda step: stages.append(step.stage))
    assert result.done == 2
    assert [one.split(":")[0] for one in result.failed] == ["broken.svs", "unsized.tif"]
    assert "how large a pixel is" in result.failed[1]
    assert any(stage.startswith("Slide 4 of 4, b.tif: Finding objects") for stage in stages)
    assert list(pd.read_csv(tmp_path / "out" / "cohort.csv")["slide"]) == ["a", "b"]


def test_one_slide_is_one_slide() -> None:
    one = _sentence(BatchResult(done=1, table=Path("cohort.csv"), failed=("b.svs: it is damaged.",)))
    assert one == "1 slide annotated; the table is cohort.csv. b.svs: it is damaged."


def test_without_slides_it_says_so() -> None:
    run = BatchRun(Session(), lambda _workers: nullcontext())
    run.start([], Path("out"), 1)
    assert run.status.state is JobState.FAILED
    assert "Choose slides first" in run.status.message
    run.close()
