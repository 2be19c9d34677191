"""A full disk while labels are written is one sentence, and the run goes on later."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import zarr
from make_slides import write_pyramid

from napari_cerberus.errors import OutputError
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from tiny import EXACT, spotted, tiny_model


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slide = open_slide(write_pyramid(tmp_path / "slide.tif", spotted((300, 280), spots=30), um=0.5))
    chosen = AnnotateSettings(pixel_size_um=0.5)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "__setitem__", full)
        with pytest.raises(OutputError, match="No space left on device"):
            run_to_end(annotate_slide(slide, tiny_model(), chosen, tmp_path / "run", runtime=EXACT))
    assert run_to_end(annotate_slide(slide, tiny_model(), chosen, tmp_path / "run", runtime=EXACT)).objects > 0
