"""Whole slides on the command line: a folder a slide, one table, and one sentence for the slide that fails."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from make_slides import write_pyramid

from napari_cerberus.cli import annotate_command
from napari_cerberus.cli.main import main
from napari_cerberus.cli.slides import slide_jobs
from napari_cerberus.errors import SettingsError
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.slides.slide_files.open_slide import open_slide
from tiny import EXACT, spotted, tiny_model


def test_each_slide_has_a_folder_and_all_have_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def here(task: Any, _client: Any) -> Any:
        return annotate_slide(open_slide(task.path), tiny_model(), task.settings, task.folder, runtime=EXACT)

    monkeypatch.setattr(slide_jobs, "annotate_on_cluster", here)
    monkeypatch.setattr(slide_jobs, "_client", lambda _arguments: nullcontext())
    monkeypatch.setattr(annotate_command, "open_model", lambda *_name: tiny_model())
    slides = [write_pyramid(tmp_path / f"{name}.tif", spotted((200, 210), spots=20), um=0.5) for name in "ab"]
    (tmp_path / "broken.svs").write_bytes(b"II*\0nothing")
    out = tmp_path / "out"
    code = main(
        ["annotate", *map(str, slides), str(tmp_path / "broken.svs"), "--out", str(out), "--model", "tiny", "--geojson"]
    )
    said = capsys.readouterr()
    assert code == 1
    assert "broken.svs" in said.err
    assert "Traceback" not in said.err
    table = pd.read_csv(out / "cohort.csv")
    assert list(table["slide"]) == ["a", "b"]
    assert (table.filter(like=" count").sum(axis=1) > 0).all()
    assert (out / "a" / "objects.parquet").is_file()
    assert (out / "b" / "objects.geojson").stat().st_size > 1000


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distributed.Client", _refusing)
    with pytest.raises(SettingsError, match="tcp://nowhere:1"):
        slide_jobs._client(type("A", (), {"scheduler": "tcp://nowhere:1", "workers": 1})())


def _refusing(*_arguments: object, **_more: object) -> None:
    raise OSError("refused")
