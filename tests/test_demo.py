"""``napari-cerberus demo``: opens, clicks, tells, and closes where it was asked for a picture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from fake_jobs import FakeAnnotate, he_like, no_pixel_size, two_models
from napari_cerberus import demo as demo_module
from napari_cerberus.cli.main import main
from napari_cerberus.demo import EBHI_TILE, Demo, find_tile, open_dock, open_tile
from napari_cerberus.errors import DeviceError
from napari_cerberus.pixel_size import EBHI_SEG
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.widgets import dock as dock_module


def write_tile(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    Image.fromarray(he_like(40, 56)).save(path, lossless=True)
    return path


def test_a_real_tile_is_taken_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERBERUS_DATA", str(tmp_path))
    assert find_tile() is None
    other = write_tile(tmp_path / "ebhi-seg" / "Normal" / "image" / "a.webp")
    assert find_tile() == other
    preferred = write_tile(tmp_path / EBHI_TILE)
    assert find_tile() == preferred


def test_the_tile_it_prefers_is_in_the_data(data_dir: Path) -> None:
    assert (data_dir / EBHI_TILE).is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_without_a_display_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["demo"]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "make demo" in text


def start(
    viewer: Any, annotate: FakeAnnotate, folder: Path, screenshot: Path | None, monkeypatch: pytest.MonkeyPatch
) -> Demo:
    """The demo on a tile of its own, with a fake job and no waiting; closing the window is only noted."""

    def make_controller(shown: Any) -> Controller:
        return Controller(shown, Memory(), annotate=annotate, list_models=two_models, read_pixel_size=no_pixel_size)

    monkeypatch.setattr(dock_module, "Controller", make_controller)
    monkeypatch.setattr(demo_module, "_SETTLE_MS", 10)
    monkeypatch.setenv("CERBERUS_DATA", str(folder))
    write_tile(folder / EBHI_TILE)
    open_tile(viewer, folder)
    return Demo(viewer, open_dock(viewer), screenshot)


def test_it_clicks_saves_the_window_prints_and_closes(
    qtbot: QtBot,
    make_napari_viewer: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    viewer = make_napari_viewer(show=True)
    closed: list[bool] = []
    monkeypatch.setattr(type(viewer), "close", lambda self: closed.append(True))
    annotate = FakeAnnotate()
    demo = start(viewer, annotate, tmp_path / "data", tmp_path / "demo.png", monkeypatch)
    qtbot.waitUntil(lambda: bool(closed), timeout=20_000)
    monkeypatch.undo()
    assert demo.exit_code == 0
    assert annotate.requests[0].pixel_size.yx_um == pytest.approx(EBHI_SEG.yx_um)
    said = capsys.readouterr()
    assert "pixel size 1.13 × 1.5 µm, from the layer" in said.out
    assert "2 nuclei, 1 gland, 1 lumen" in said.out
    assert "Tissue: Normal 62 %, Adenocarcinoma 21 %, Polyp 17 %" in said.out
    assert "Reading tiles" in said.err
    with Image.open(tmp_path / "demo.png") as picture:
        assert picture.width > 600
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 100


def test_a_failed_annotation_is_told_and_is_exit_code_1(
    qtbot: QtBot,
    make_napari_viewer: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    viewer = make_napari_viewer(show=True)
    said = ""

    def told() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return "No such device" in said

    demo = start(viewer, FakeAnnotate(DeviceError("No such device.")), tmp_path / "data", None, monkeypatch)
    qtbot.waitUntil(told, timeout=20_000)
    assert demo.exit_code == 1
