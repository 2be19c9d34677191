"""What goes wrong with a slide is one sentence, and what was done stays usable."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from make_slides import write_pyramid, write_zarr

from napari_cerberus.errors import ImageError, OutputError
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import Slide, block_work, open_slide
from napari_cerberus.slides.annotating import annotate_slide, stain_notes
from napari_cerberus.slides.tissue import find_tissue
from tiny import EXACT, spotted, tiny_model

SETTINGS = AnnotateSettings(pixel_size_um=0.5)
PIXELS = spotted((320, 290), spots=40)

_CHILD = """
import sys
from pathlib import Path
from napari_cerberus.inference.annotate import AnnotateSettings
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from tiny import EXACT, tiny_model

settings = AnnotateSettings(pixel_size_um=0.5)
job = annotate_slide(open_slide(sys.argv[1]), tiny_model(), settings, Path(sys.argv[2]), block_px=64, runtime=EXACT)
for step in job:
    print(step.stage, step.done, flush=True)
"""


@pytest.fixture
def slide(tmp_path: Path) -> Slide:
    return open_slide(write_pyramid(tmp_path / "slide.tif", PIXELS, um=0.5))


def annotated(slide: Slide, folder: Path) -> pd.DataFrame:
    run_to_end(annotate_slide(slide, tiny_model(), SETTINGS, folder, block_px=64, runtime=EXACT))
    return pd.read_parquet(folder / "objects.parquet").sort_values(["task", "index"], ignore_index=True)


def labels_of(folder: Path, task: str) -> np.ndarray:
    return np.asarray(zarr.open_array(folder / "labels.ome.zarr" / "labels" / task / "0", mode="r")[:])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("stage", ["Reading the slide", "Finding objects"])
def test_a_run_that_was_killed_goes_on_where_it_was(slide: Slide, tmp_path: Path, stage: str) -> None:
    tests = str(Path(__file__).resolve().parents[1])
    folder = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *filter(None, sys.path)])}
    command = [sys.executable, "-c", _CHILD, str(slide.path), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        seen = next(line for line in child.stdout if line.startswith(stage) and int(line.split()[-1]) >= 3)
        child.send_signal(signal.SIGKILL)
    assert seen
    assert child.returncode == -signal.SIGKILL
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / ".blocks").iterdir()}
    assert sum(name.startswith("network" if stage[0] == "R" else "objects") for name in kept) >= 2
    before = annotated(slide, tmp_path / "whole")
    pd.testing.assert_frame_equal(annotated(slide, folder), before)
    for task in before["task"].unique():
        np.testing.assert_array_equal(labels_of(folder, task), labels_of(tmp_path / "whole", task))


def test_a_drive_that_goes_away_is_said_and_the_run_goes_on_when_it_is_back(slide: Slide, tmp_path: Path) -> None:
    job = annotate_slide(slide, tiny_model(), SETTINGS, tmp_path / "run", block_px=64, runtime=EXACT)
    for step in job:
        if step.stage == "Reading the slide" and step.done == 3:
            break
    away = slide.path.rename(tmp_path / "unplugged.tif")
    with pytest.raises(ImageError, match=r"slide\.tif is out of reach .* what was done stays"):
        run_to_end(job)
    done = len(list((tmp_path / "run" / ".blocks").glob("network*")))
    assert done >= 3
    away.rename(slide.path)
    assert len(annotated(slide, tmp_path / "run")) > 20


def test_a_disk_that_is_full_while_probabilities_are_kept_is_said(
    slide: Slide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("napari_cerberus.slides.slide_folder.np.savez_compressed", full)
        with pytest.raises(OutputError, match="No space left on device"):
            annotated(slide, tmp_path / "run")
    assert len(annotated(slide, tmp_path / "run")) > 20


def test_a_tile_that_is_damaged_inside_is_named_with_its_place(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "slide.ome.zarr", PIXELS)
    (tile,) = [one for one in (path / "0").rglob("*") if one.name == "0.0.0.2.2"] or [_chunk(path)]
    tile.write_bytes(b"no tile")
    with pytest.raises(ImageError, match=r"slide\.ome\.zarr cannot be read at row \d+, column \d+"):
        annotated(open_slide(path), tmp_path / "run")


def _chunk(path: Path) -> Path:
    return next(one for one in sorted((path / "0").rglob("*")) if one.is_file() and not one.name.startswith((".", "z")))


def test_cancelling_takes_less_than_two_seconds_also_in_a_long_block(
    slide: Slide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def long(*_arguments: object, **_more: object) -> object:
        time.sleep(4)
        raise ImageError("late")

    monkeypatch.setattr(block_work, "predict", long)
    job = annotate_slide(slide, tiny_model(), SETTINGS, tmp_path / "run", block_px=64, runtime=EXACT)
    for step in job:
        if step.stage == "Reading the slide" and step.total:
            break
    next(job)
    started = time.monotonic()
    next(job)
    job.close()
    assert time.monotonic() - started < 2


def test_a_stain_unlike_the_models_is_said(slide: Slide, monkeypatch: pytest.MonkeyPatch) -> None:
    tissue = run_to_end(find_tissue(slide, 0.5))
    seen = []

    def unlike(pixels: np.ndarray, _model: object) -> str:
        seen.append(pixels)
        return "unlike" if pixels.mean() < 240 else ""

    monkeypatch.setattr("napari_cerberus.slides.annotating.unlike", unlike)
    assert stain_notes(slide, tiny_model(), tissue) == ("unlike",)
    assert seen[0].shape == PIXELS.shape  # all there is, of a slide smaller than what is looked at
