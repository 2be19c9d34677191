"""Several images in one job: one that fails stops no other, the share done only rises, a cancel leaves whole pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_cerberus.errors import DataError
from napari_cerberus.exporting.export_jobs import ExportTask, Outcome, export_job, preview_job
from napari_cerberus.pairs.check.data_check import check_data
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.write.export_source import ExportSource
from napari_cerberus.progress import Progress, run_to_end
from pairs.make_source import make_settings, make_source


def order(
    seed: int, *, name: str = "", read: Callable[[], ExportSource] | None = None, **choices: object
) -> ExportTask:
    name = name or f"slide {seed}.png"
    return ExportTask(
        name=name,
        read=read or (lambda: make_source(32, 32, seed, name=name)),
        settings=lambda source: make_settings(min_tissue_share=0, **choices),
    )


CUT_OFF = {"export-cut-off", "orphan-sidecar", "not-in-manifest", "pair-removed", "sidecar-damaged", "mask-edited"}


def broken() -> ExportSource:
    raise DataError("It is broken.")


@pytest.fixture
def export_tasks() -> list[ExportTask]:
    return [order(0), order(1), order(2, name="bad.png", read=broken), order(3, patient_id="18")]


def test_the_preview_names_and_counts_what_is_written(tmp_path: Path, export_tasks: list[ExportTask]) -> None:
    preview = run_to_end(preview_job(tmp_path / "ds", export_tasks))
    assert preview.headline == "3 new pairs"
    assert [pair.image for pair in preview.pairs] == ["slide 0.png", "slide 1.png", "slide 3.png"]
    assert preview.problems == ("“bad.png”: It is broken.",)
    assert not (tmp_path / "ds").exists()
    outcome = run_to_end(export_job(Outcome(root=tmp_path / "ds"), export_tasks))
    records, _ = index_tree(tmp_path / "ds")
    assert [record.name for record in records] == sorted(pair.name for pair in preview.pairs)
    assert (outcome.written, outcome.failed) == (3, ["“bad.png”: It is broken."])
    assert outcome.sentence == f"3 pairs written into {tmp_path / 'ds'}."
    assert run_to_end(preview_job(tmp_path / "ds", export_tasks)).headline == "0 new pairs, 3 there already"


def test_the_share_done_is_that_of_all_images(tmp_path: Path, export_tasks: list[ExportTask]) -> None:
    steps: list[Progress] = []
    run_to_end(export_job(Outcome(root=tmp_path / "ds"), export_tasks), steps.append)
    shares = [step.fraction for step in steps]
    assert None not in shares
    assert max(shares) < 1
    starts = [
        steps[[step.stage for step in steps].index(stage)].fraction for stage in dict.fromkeys(s.stage for s in steps)
    ]
    assert starts == [0.0, 0.25, 0.5, 0.75]
    assert steps[0].stage == "Image 1 of 4, slide 0.png"


def test_one_image_alone_tells_its_own_stages(tmp_path: Path) -> None:
    steps: list[Progress] = []
    run_to_end(export_job(Outcome(root=tmp_path / "ds"), [order(0)]), steps.append)
    assert steps[0].stage == "Reading slide 0.png"
    assert "Writing pairs" in {step.stage for step in steps}


def test_a_cancel_between_images_leaves_whole_pairs(tmp_path: Path, export_tasks: list[ExportTask]) -> None:
    root = tmp_path / "ds"
    reached = run_to_end(export_job(Outcome(root=root), []))
    assert reached.sentence == f"0 pairs written into {root}."
    for stop in range(1, 40):
        outcome = Outcome(root=tmp_path / f"ds{stop}")
        job = export_job(outcome, export_tasks)
        taken = [step for step, _ in zip(job, range(stop), strict=False)]
        job.close()
        if not outcome.results:
            assert not outcome.root.exists()
            continue
        report = run_to_end(check_data(outcome.root))
        assert {problem.severity for problem in report.problems} <= {"note"}
        assert {problem.kind for problem in report.problems}.isdisjoint(CUT_OFF)
        assert len(index_tree(outcome.root)[0]) == outcome.written
        if len(taken) < stop:
            break
    else:
        pytest.fail("the job never came to its end")


def test_what_settings_need_of_the_image_is_known_by_then(tmp_path: Path) -> None:
    def settings(source: ExportSource) -> object:
        return make_settings(
            category=max(source.annotated.tissue, key=lambda name: source.annotated.tissue[name]),
            min_tissue_share=0,
            checked=(),
        )

    one = ExportTask(name="slide", read=lambda: make_source(32, 32), settings=settings)  # type: ignore[arg-type]
    outcome = run_to_end(export_job(Outcome(root=tmp_path / "ds"), [one]))
    assert outcome.results[0].written[0].startswith("Normal/")
    assert [note.partition(",")[0] for note in outcome.notes] == [
        "Nobody said that all nuclei or glands in these tiles are right"
    ]


def test_an_empty_table_and_labels_of_hand_are_enough(tmp_path: Path) -> None:
    labels = {"glands": np.ones((32, 32), np.int32)}
    source = make_source(32, 32, labels=labels, cells=pd.DataFrame())
    outcome = run_to_end(export_job(Outcome(root=tmp_path / "ds"), [order(0, read=lambda: source)]))
    assert outcome.written == 1
