"""A damaged result of a slide is one sentence, whichever of its files it is; what was written before stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from make_slides import write_pyramid

from napari_cerberus.errors import DataError
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.slides.cohort_table import write_cohort_table
from napari_cerberus.slides.overviews import Overviews
from napari_cerberus.slides.slide_geojson import write_slide_geojson
from tiny import EXACT, spotted, tiny_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slide")
    slide = open_slide(write_pyramid(folder / "slide.tif", spotted((220, 200), spots=20), um=0.5))
    chosen = AnnotateSettings(pixel_size_um=0.5)
    run_to_end(annotate_slide(slide, tiny_model(), chosen, folder / "run", block_px=96, runtime=EXACT))
    return folder / "run"


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\x00" * 500])
def test_a_damaged_table(run: Path, content: bytes) -> None:
    (run / "objects.parquet").write_bytes(content)
    target = run.parent / "a.geojson"
    target.write_text("before")
    with pytest.raises(DataError, match="run is missing or damaged"):
        run_to_end(write_slide_geojson(run, target))
    assert target.read_text() == "before"
    with pytest.raises(DataError, match="damaged"):
        write_cohort_table([run], run.parent / "cohort.csv")
    assert not (run.parent / "cohort.csv").exists()


@pytest.mark.parametrize("value", [None, [], "much"])
def test_a_record_that_says_nonsense(run: Path, value: object) -> None:
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**about, "tissue_mm2": value}), encoding="utf-8")
    with pytest.raises(DataError, match="damaged"):
        write_cohort_table([run], run.parent / "cohort.csv")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_damaged_overviews(run: Path, content: bytes) -> None:
    (run / "overviews.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"overviews\.npz is missing or damaged"):
        Overviews.read(run)


def test_damaged_labels(run: Path) -> None:
    for chunk in (run / "labels.ome.zarr").rglob("0/0/0"):
        chunk.write_bytes(b"no pixels")
    with pytest.raises(DataError, match="run is missing or damaged"):
        run_to_end(write_slide_geojson(run, run.parent / "a.geojson"))
