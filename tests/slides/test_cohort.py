"""Slides on dask's workers: a worker that is killed in the middle costs nothing but time."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from make_slides import write_pyramid

from napari_cerberus.inference.annotate import AnnotateSettings
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.slides.cohort import COHORT_TABLE, SlideTask, annotate_on_cluster, write_cohort_table
from tiny import EXACT, spotted, tiny_model

SETTINGS = AnnotateSettings(pixel_size_um=0.5)


def objects_in(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "objects.parquet").sort_values(["task", "index"], ignore_index=True)


@pytest.mark.filterwarnings("ignore")  # of dask, on its way down
def test_a_killed_worker_leaves_nothing_missing_and_nothing_double(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client, LocalCluster

    tests = Path(__file__).resolve().parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")]))
    path = write_pyramid(tmp_path / "slide.tif", spotted((320, 290), spots=40), um=0.5)
    run_to_end(annotate_slide(open_slide(path), tiny_model(), SETTINGS, tmp_path / "one", block_px=64, runtime=EXACT))
    task = SlideTask(
        path=path,
        folder=tmp_path / "many",
        settings=SETTINGS,
        open_model=partial(tiny_model),
        block_px=64,
        runtime=EXACT,
    )
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        killed = False
        for step in annotate_on_cluster(task, client):
            if not killed and step.stage == "Reading the slide" and step.done >= 5:
                os.kill(client.run(os.getpid).popitem()[1], signal.SIGKILL)
                killed = True
    assert killed
    pd.testing.assert_frame_equal(objects_in(tmp_path / "many"), objects_in(tmp_path / "one"))
    table = write_cohort_table([tmp_path / "one", tmp_path / "many"], tmp_path / COHORT_TABLE)
    assert list(pd.read_csv(tmp_path / COHORT_TABLE)["slide"]) == ["slide", "slide"]
    counts = table.filter(like=" count")
    assert counts.sum(axis=1).tolist() == [len(objects_in(tmp_path / "one"))] * 2
    for name in (column.removesuffix(" count") for column in counts):
        density = table[f"{name} count"] / table["tissue_mm2"]
        assert table[f"{name} per mm2"].tolist() == pytest.approx(density.tolist())
