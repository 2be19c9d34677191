"""The pixel size: who says so wins in the right order, and a guess is marked as one."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from napari.layers._source import Source

from fake_jobs import he_like, no_pixel_size
from napari_cerberus.errors import ImageError, SettingsError
from napari_cerberus.pixel_size import PixelSize, PixelSizeSource
from napari_cerberus.viewer.pixel_size_lookup import find_pixel_size, layer_pixel_size, siblings_key
from napari_cerberus.viewer.preferences import Memory, Preferences


def layer(**settings: Any) -> Image:
    return Image(he_like(), rgb=True, name="tile", **settings)


def found(image: Image, memory: Memory | None = None, read: Any = no_pixel_size) -> PixelSize:
    return find_pixel_size(image, "print", memory or Memory(), read)


@pytest.mark.parametrize(
    ("settings", "um"),
    [
        ({"scale": (0.25, 0.25), "units": ("um", "um")}, 0.25),
        ({"scale": (250, 250), "units": ("nm", "nm")}, 0.25),
        ({"scale": (0.0005, 0.0005), "units": ("mm", "mm")}, 0.5),
        ({"scale": (0.5, 0.5), "units": ("um", "um"), "rotate": 33}, 0.5),
        ({"scale": (0.5, 0.5), "units": ("um", "um"), "affine": np.diag([2, 2, 1])}, 1.0),
        ({"scale": (0.5, 0.51), "units": ("um", "um")}, np.sqrt(0.5 * 0.51)),
    ],
)
def test_scale_and_units_of_the_layer(settings: Any, um: float) -> None:
    size = found(layer(**settings))
    assert size.mean_um == pytest.approx(um)
    assert size.source is PixelSizeSource.LAYER
    assert not size.assumed


def test_no_units_means_no_physical_size() -> None:
    assert layer_pixel_size(layer(scale=(0.5, 0.5))) is None


def test_oblong_pixels_keep_both_sides() -> None:
    size = layer_pixel_size(layer(scale=(0.5, 0.25), units=("um", "um")))
    assert size is not None
    assert size.yx_um == pytest.approx((0.5, 0.25))


def test_the_last_answer_stays_for_images_of_the_same_folder_and_size(tmp_path: Path) -> None:
    def opened(path: Path, height: int = 48, **settings: Any) -> Image:
        image = Image(he_like(height), rgb=True, name=path.stem, **settings)
        image._source = Source(path=str(path))
        return image

    memory = Memory(tmp_path / "memory.json")
    memory.remember_pixel_size(siblings_key(opened(tmp_path / "a" / "one.png")), 0.37)
    again = Memory(tmp_path / "memory.json")
    beside = opened(tmp_path / "a" / "two.png")
    assert found(beside, again) == PixelSize.square(0.37, PixelSizeSource.FOLDER)
    assert found(opened(tmp_path / "b" / "two.png"), again).assumed, "another folder"
    assert found(opened(tmp_path / "a" / "two.png", height=49), again).assumed, "another size"
    assert found(layer(), again).assumed, "no file"
    known = opened(tmp_path / "a" / "two.png", scale=(0.5, 0.5), units=("um", "um"))
    assert found(known, again).source is PixelSizeSource.LAYER, "what an image says of itself wins"
    assert str(tmp_path) not in (tmp_path / "memory.json").read_text(), "no folder is written down"


def test_nobody_knows() -> None:
    size = found(layer())
    assert (size.mean_um, size.assumed) == (0.5, True)


def test_a_scale_without_units_is_a_marked_guess() -> None:
    size = found(layer(scale=(0.25, 0.25)))
    assert (size.mean_um, size.assumed) == (0.25, True)


def test_an_impossible_scale_is_no_answer() -> None:
    assert found(layer(scale=(900, 900), units=("um", "um"))).assumed


def test_the_file_is_asked_where_the_layer_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tile.tif"
    path.write_bytes(b"x")
    image = layer()
    image._source = image.source.model_copy(update={"path": str(path)})
    size = found(image, read=lambda asked: PixelSize.square(0.23, PixelSizeSource.FILE) if asked == path else None)
    assert (size.mean_um, size.source) == (0.23, PixelSizeSource.FILE)

    def unreadable(asked: Path) -> float:
        raise ImageError("no TIFF")

    assert found(image, read=unreadable).assumed


def test_the_users_word_wins_for_this_content_only() -> None:
    memory = Memory()
    memory.remember_pixel_size("print", 0.37)
    image = layer(scale=(0.25, 0.25), units=("um", "um"))
    assert found(image, memory) == PixelSize.square(0.37, PixelSizeSource.USER)
    assert find_pixel_size(image, "other", memory, no_pixel_size).source is PixelSizeSource.LAYER


@pytest.mark.parametrize("um", [0, -1, 0.01, 21, float("nan"), float("inf")])
def test_impossible_sizes_are_refused(um: float) -> None:
    with pytest.raises(SettingsError, match="Pixel size"):
        PixelSize.square(um, PixelSizeSource.USER)


def test_memory_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "memory.json"
    first = Memory(path)
    first.remember_pixel_size("print", 0.25)
    first.remember(device="cpu", filled=True)
    second = Memory(path)
    assert second.pixel_size_um("print") == 0.25
    assert second.preferences() == Preferences(device="cpu", filled=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"pixel_size_um": 3}',
        '{"pixel_size_um": {"print": "x"}, "preferences": 1}',
        "[" * 100_000,
    ],
)
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "memory.json"
    path.write_text(text)
    memory = Memory(path)
    assert memory.pixel_size_um("print") is None
    assert memory.preferences() == Preferences()
    memory.remember_pixel_size("print", 0.5)
    assert json.loads(path.read_text())["pixel_size_um"] == {"print": 0.5}


def test_preferences_of_the_wrong_type_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    path.write_text('{"preferences": {"device": 3, "sensitivity": 0.5, "unknown": 1}}')
    assert Memory(path).preferences() == Preferences(sensitivity=0.5)


def test_a_folder_that_cannot_be_written_costs_the_memory_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    memory = Memory(tmp_path / "file" / "memory.json")
    with caplog.at_level(logging.WARNING):
        memory.remember_pixel_size("print", 0.5)
    assert memory.pixel_size_um("print") == 0.5
    assert "could not be written" in caplog.text


def test_the_oldest_images_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_cerberus.viewer.preferences._MAX_IMAGES", 2)
    memory = Memory()
    for name in ("a", "b", "a", "c"):
        memory.remember_pixel_size(name, 0.5)
    assert [memory.pixel_size_um(name) for name in ("a", "b", "c")] == [0.5, None, 0.5]


def test_naparis_own_settings_are_used_where_there_are_such() -> None:
    class Settings:
        model, device, sensitivity, assumed_pixel_size_um, colour_by, filled = (
            "mine",
            "cpu",
            0.5,
            0.25,
            "object",
            True,
        )

    settings = Settings()
    memory = Memory(settings=settings)
    assert memory.preferences().model == "mine"
    memory.remember(device="auto")
    assert settings.device == "auto"
