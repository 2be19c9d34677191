"""Folders of others: open data sets as they are published, and annotated slides."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.pairs.licences import licences_of
from napari_cerberus.pairs.published_data.catalogue import set_named
from napari_cerberus.pairs.published_data.importing import import_set
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.slides.cohort_table import write_cohort_table
from napari_cerberus.slides.overviews import Overviews
from napari_cerberus.slides.slide_geojson import write_slide_geojson
from pairs.test_published_data import MAKERS
from slides.make_slides import write_pyramid
from tiny import EXACT, spotted, tiny_model

from .harness import Format, tried
from .mutations import of_csv, of_json, of_zip


def _sets(folder: Path) -> None:
    for key, make in MAKERS.items():
        (folder / key).mkdir()
        make(folder / key)
    run_to_end(import_set(set_named("glas"), folder / "glas", folder / "pairs"))


def _read_sets(folder: Path) -> None:
    tried(*(partial(_import, folder, key) for key in MAKERS), partial(licences_of, [folder / "pairs"]))


def _import(folder: Path, key: str) -> None:
    run_to_end(import_set(set_named(key), folder / key, folder / "pairs", pixel_size_um=0.25))


def _slide_run(folder: Path) -> None:
    slide = open_slide(write_pyramid(folder / "slide.tif", spotted((220, 200), spots=20), um=0.5))
    chosen = AnnotateSettings(pixel_size_um=0.5)
    run_to_end(annotate_slide(slide, tiny_model(), chosen, folder / "run", block_px=96, runtime=EXACT))
    assert json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))["finished"]


def _read_slide_run(folder: Path) -> None:
    run = folder / "run"
    tried(
        lambda: run_to_end(write_slide_geojson(run, folder / "a.geojson")),
        lambda: write_cohort_table([run], folder / "cohort.csv"),
        lambda: Overviews.read(run),
    )


FOLDER_FORMATS = (
    Format(
        name="published set",
        make=_sets,
        files={
            "*/*.csv": (of_csv,),
            "nucls/csv/*.csv": (of_csv,),
            "**/*.xml": (),
            "**/*.mat": (),
            "**/*.npy": (),
            "**/*.png": (),
            "pairs/*.json": (of_json,),
        },
        read=_read_sets,
    ),
    Format(
        name="slide run",
        make=_slide_run,
        files={
            "run/run.json": (of_json,),
            "run/objects.parquet": (),
            "run/overviews.npz": (of_zip,),
            "run/labels.ome.zarr/**/.z*": (of_json,),
            "run/labels.ome.zarr/**/[0-9]*": (),
        },
        read=_read_slide_run,
    ),
)
