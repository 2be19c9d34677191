"""A slide annotated into a folder: the objects of one piece, resumable, one writer, one model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from make_slides import write_pyramid

from napari_cerberus.errors import ImageError, OutputError
from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import Slide, open_slide
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.slides.tissue import coarse_view, tissue_in
from tiny import EXACT, spotted, tiny_model

SETTINGS = AnnotateSettings(pixel_size_um=0.31)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return spotted((700, 610), spots=120, radius_px=20.0)


@pytest.fixture
def slide(tmp_path: Path, pixels: np.ndarray) -> Slide:
    return open_slide(write_pyramid(tmp_path / "slide.tif", pixels, um=0.31))


def labels_of(folder: Path, task: str, level: int = 0) -> np.ndarray:
    return np.asarray(zarr.open_array(folder / "labels.ome.zarr" / "labels" / task / str(level), mode="r")[:])


@pytest.mark.parametrize("nuclei_um", [0.5, 0.25])
def test_the_folder_holds_the_objects_of_the_whole(
    slide: Slide, pixels: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nuclei_um: float
) -> None:
    monkeypatch.setattr("napari_cerberus.inference.device.choose_runtime", lambda *_choice, **_size: EXACT)
    model = tiny_model(task_pixel_size_um={"nuclei": nuclei_um})
    whole = run_to_end(annotate(pixels, model, SETTINGS))
    tables = []
    for block in (96, 160, 1024):
        folder = tmp_path / str(block)
        result = run_to_end(annotate_slide(slide, model, SETTINGS, folder, block_px=block, runtime=EXACT))
        table = pd.read_parquet(folder / "objects.parquet").sort_values(["task", "index"], ignore_index=True)
        tables.append(table)
        assert result.objects == len(table) == len(whole.objects)
        for task, expected in whole.labels.items():
            np.testing.assert_array_equal(labels_of(folder, task) > 0, expected > 0)
            assert set(np.unique(labels_of(folder, task))) - {0} == set(table[table["task"] == task]["index"])
        np.testing.assert_array_equal(labels_of(folder, "nuclei", 1), labels_of(folder, "nuclei")[::2, ::2])
        assert not (folder / ".blocks").exists()
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])


def test_a_run_that_was_stopped_goes_on(slide: Slide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run_to_end(annotate_slide(slide, tiny_model(), SETTINGS, tmp_path / "a", block_px=96, runtime=EXACT))
    folder = tmp_path / "b"
    job = annotate_slide(slide, tiny_model(), SETTINGS, folder, block_px=96, runtime=EXACT)
    for step in job:
        if step.stage == "Finding objects" and step.done == 2:
            break
    job.close()
    done = {path.name for path in (folder / ".blocks").iterdir()}
    assert any(name.startswith("objects") for name in done)
    monkeypatch.setattr("napari_cerberus.slides.block_work.predict", None)  # the network's part is done
    result = run_to_end(annotate_slide(slide, tiny_model(), SETTINGS, folder, block_px=96, runtime=EXACT))
    assert result.objects == expected.objects
    np.testing.assert_array_equal(labels_of(folder, "glands"), labels_of(tmp_path / "a", "glands"))


def test_two_runs_or_two_models_in_one_folder_are_refused(slide: Slide, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    job = annotate_slide(slide, tiny_model(sha256="a" * 64), SETTINGS, folder, block_px=160, runtime=EXACT)
    next(job)
    with pytest.raises(OutputError, match="another run"):
        next(annotate_slide(slide, tiny_model(), SETTINGS, folder, block_px=160, runtime=EXACT))
    job.close()
    with pytest.raises(OutputError, match="another model_sha256"):
        next(annotate_slide(slide, tiny_model(sha256="b" * 64), SETTINGS, folder, block_px=160, runtime=EXACT))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="other files"):
        next(annotate_slide(slide, tiny_model(), SETTINGS, tmp_path / "other", runtime=EXACT))


def test_a_slide_that_is_replaced_during_the_run_is_noticed(slide: Slide, tmp_path: Path, pixels: np.ndarray) -> None:
    job = annotate_slide(slide, tiny_model(), SETTINGS, tmp_path / "run", block_px=96, runtime=EXACT)
    for step in job:
        if step.stage == "Reading the slide" and step.done == 1:
            break
    write_pyramid(slide.path, pixels[:, ::-1], um=0.4, levels=1)
    with pytest.raises(ImageError, match="replaced"):
        run_to_end(job)


def test_glass_is_not_read(tmp_path: Path, pixels: np.ndarray) -> None:
    wide = np.full((700, 2400, 3), 244, np.uint8)
    wide[:, :610] = pixels
    slide = open_slide(write_pyramid(tmp_path / "wide.tif", wide, um=0.31))
    read = []
    job = annotate_slide(slide, tiny_model(), SETTINGS, tmp_path / "run", block_px=96, runtime=EXACT)
    for step in job:
        if step.stage == "Reading the slide" and step.total:
            read.append(step.total)
            break
    job.close()
    blocks = -(-round(700 * 0.62) // 96) * -(-round(2400 * 0.62) // 96)
    assert 0 < read[0] < 0.6 * blocks
    mask = tissue_in(run_to_end(coarse_view(slide, 52)))
    assert mask[:, :10].all()
    assert not mask[:, 16:].any()
