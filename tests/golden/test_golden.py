"""The starter's objects on the sample tiles, kept beside this file: a change of the code alone must not change them.

``python tests/golden/test_golden.py`` writes them anew, for a starter with other weights.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_cerberus.inference.annotate import Annotation, annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.images.image_files import read_image
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.progress import run_to_end
from napari_cerberus.samples import SAMPLES, Sample

HERE = Path(__file__).parent
KEPT = HERE / "kept.json"
LARGEST_SHARE_OF_PIXELS = 1e-3
"""Processors differ in the last digit, and so do a few pixels at outlines."""


def annotated(sample: Sample) -> Annotation:
    settings = AnnotateSettings(pixel_size_um=sample.pixel_size_um, device="cpu", tile_size_px=256)
    return run_to_end(annotate(read_image(sample.image_path).pixels, open_model("starter"), settings))


def kept_labels(sample: Sample, task: str) -> NDArray[np.uint32]:
    return np.asarray(tifffile.imread(HERE / f"{sample.key}_{task}.tif"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
def test_the_same_weights_give_the_same_objects(sample: Sample) -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    if kept["sha256"] != open_model("starter").sha256:
        pytest.fail("The starter has other weights than the kept objects: run this file as a script.")
    found = annotated(sample)
    assert set(found.labels) == set(kept["tasks"])
    for task, labels in found.labels.items():
        before = kept_labels(sample, task)
        assert labels.shape == before.shape
        differing = np.count_nonzero((labels > 0) != (before > 0)) / labels.size
        assert differing <= LARGEST_SHARE_OF_PIXELS, f"{task}: {differing:.2%} of the pixels differ"
        assert abs(int(labels.max()) - int(before.max())) <= 0.01 * before.max() + 1
    assert found.tissue == pytest.approx(kept["tissue"][sample.key], abs=0.02)


if __name__ == "__main__":
    outcome = {}
    for one in SAMPLES:
        result = annotated(one)
        for name, map_ in result.labels.items():
            tifffile.imwrite(HERE / f"{one.key}_{name}.tif", map_.astype(np.uint32), compression="zlib")
        outcome[one.key] = {key: round(value, 4) for key, value in result.tissue.items()}
    about = {"sha256": open_model("starter").sha256, "tasks": sorted(result.labels), "tissue": outcome}
    KEPT.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
