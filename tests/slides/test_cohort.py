"""Slides on dask's workers: a worker that is killed in the middle costs nothing but time."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from make_slides import write_pyramid

from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.slides.cohort import SlideTask, annotate_on_cluster
from napari_cerberus.slides.cohort_table import COHORT_TABLE, write_cohort_table
from napari_cerberus.slides.local_cluster import local_client, visible_cards, worker_specs
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


def test_nuclei_are_counted_in_their_glands(tmp_path: Path) -> None:
    labels = zarr.create_array(tmp_path / "labels.ome.zarr" / "labels" / "glands" / "0", shape=(80, 90), dtype="uint32")
    labels[10:30, 10:40] = 911
    labels[50:70, 60:85] = 4561
    centres = [(12.0, 12.4), (29.4, 39.4), (30.4, 20.0), (60.0, 70.0), (75.0, 88.0)]  # in, in, out, in, out
    rows = [("glands", "", 100.0, 20.0, 25.0), ("glands", "", 120.0, 60.0, 72.0)]
    rows += [("nuclei", "round", 10.0 + number, *centre) for number, centre in enumerate(centres)]
    objects = pd.DataFrame(rows, columns=["task", "class", "area_um2", "centroid_y_px", "centroid_x_px"])
    pq.write_table(pa.Table.from_pandas(objects, preserve_index=False), tmp_path / "objects.parquet", row_group_size=3)
    about = {"slide": "a", "model": "m", "pixel_size_um": 0.5, "tissue_mm2": 0.5}
    (tmp_path / "run.json").write_text(json.dumps(about), encoding="utf-8")
    row = write_cohort_table([tmp_path], tmp_path / COHORT_TABLE).iloc[0]
    assert (row["glands count"], row["glands per mm2"], row["glands mean area um2"]) == (2, 4.0, 110.0)
    assert (row["nuclei round count"], row["nuclei round area um2"], row["nuclei round mean area um2"]) == (
        5,
        60.0,
        12.0,
    )
    assert (row["nuclei round in glands"], row["nuclei round per gland"]) == (3, 1.5)


def test_each_worker_sees_a_graphics_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5")
    specs = worker_specs(3, visible_cards())
    assert [spec["options"]["env"]["CUDA_VISIBLE_DEVICES"] for spec in specs.values()] == ["2", "5", "2"]
    assert "CUDA_VISIBLE_DEVICES" not in worker_specs(1, ())[0]["options"]["env"]
    with pytest.raises(SettingsError, match="--workers"):
        local_client(0)


@pytest.mark.filterwarnings("ignore")  # of dask, on its way down
def test_workers_of_this_computer_are_processes_with_a_card_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with local_client(2) as client:
        assert sorted(client.run(lambda: os.environ["CUDA_VISIBLE_DEVICES"]).values()) == ["0", "1"]
        assert os.getpid() not in client.run(os.getpid).values()


def test_a_folder_without_a_finished_run_has_no_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run it to its end first"):
        write_cohort_table([tmp_path], tmp_path / COHORT_TABLE)
