"""The pictures that travel with the package."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from napari_cerberus.errors import DataError
from napari_cerberus.files import sha256_of
from napari_cerberus.samples import HE_FIELD, SAMPLES, SYNTHETIC_COLON, Sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
def test_every_sample_opens_as_rgb_and_has_the_labels_it_names(sample: Sample) -> None:
    with Image.open(sample.image_path) as picture:
        assert picture.mode == "RGB"
        assert min(picture.size) >= 1000
        for task in sample.truth_tasks:
            with Image.open(sample.labels_path(task)) as labels:
                assert labels.size == picture.size


def test_the_real_field_is_the_file_its_source_note_names() -> None:
    source = (HE_FIELD.image_path.parent / "SOURCE.md").read_text(encoding="utf-8")
    assert sha256_of(HE_FIELD.image_path) in source
    assert "assumed" in source
    assert not HE_FIELD.pixel_size_known
    assert "BSD 3-Clause" in (HE_FIELD.image_path.parent / "LICENSE-tiatoolbox.txt").read_text(encoding="utf-8")


def test_a_missing_file_or_task_is_named() -> None:
    with pytest.raises(DataError, match="tissue"):
        SYNTHETIC_COLON.labels_path("tissue")
    gone = Sample(key="gone", title="Gone", image_file="no.png", pixel_size_um=1.0, pixel_size_known=True)
    with pytest.raises(DataError, match=r"no\.png"):
        _ = gone.image_path


def test_the_top_level_folder_is_a_link_into_the_package(project_root: Path) -> None:
    assert (project_root / "sample_data").resolve() == SYNTHETIC_COLON.image_path.parents[1].resolve()
