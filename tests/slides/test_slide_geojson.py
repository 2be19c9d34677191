"""Every object of a slide reaches QuPath once, as a valid polygon in the slide's pixels."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from make_slides import write_pyramid
from shapely.geometry import shape as geometry_of

from napari_cerberus.errors import DataError
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.slides.slide_geojson import write_slide_geojson
from tiny import EXACT, spotted, tiny_model


def test_every_object_is_a_valid_polygon_in_the_slides_pixels(tmp_path: Path) -> None:
    slide = open_slide(write_pyramid(tmp_path / "slide.tif", spotted((400, 380), spots=50), um=0.5))
    folder, target = tmp_path / "run", tmp_path / "slide.geojson"
    chosen = AnnotateSettings(pixel_size_um=0.5)
    result = run_to_end(annotate_slide(slide, tiny_model(), chosen, folder, block_px=96, runtime=EXACT))
    assert run_to_end(write_slide_geojson(folder, target)) == result.objects > 20
    features = json.loads(target.read_text(encoding="utf-8"))["features"]
    assert len({uuid.UUID(one["id"]) for one in features}) == len(features)
    areas = {}
    for one in features:
        polygon = geometry_of(one["geometry"])
        assert polygon.is_valid
        assert one["properties"]["objectType"] in ("annotation", "detection")
        assert len(one["properties"]["classification"]["color"]) == 3
        task = one["properties"]["metadata"]["task"]
        areas[task] = areas.get(task, 0.0) + polygon.area
    for task, area in areas.items():
        labels = zarr.open_array(folder / "labels.ome.zarr" / "labels" / task / "0", mode="r")
        assert area == np.count_nonzero(labels[:])
    assert set(areas) == set(pd.read_parquet(folder / "objects.parquet")["task"])


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished annotation"):
        next(write_slide_geojson(tmp_path, tmp_path / "a.geojson"))
