"""``napari-cerberus annotate``: the contract that other programs rely on."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from napari_cerberus.cli import annotate_command as command
from napari_cerberus.cli.main import main
from napari_cerberus.errors import ModelError
from napari_cerberus.exporting.saved_annotations import read_result
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.pixel_size import ASSUMED_UM, PixelSize, PixelSizeSource
from napari_cerberus.progress import Progress
from napari_cerberus.synthetic import TileSettings, make_tile
from tiny import TINY_TASKS, tiny_model

HEIGHT, WIDTH = 40, 56


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every model name resolves to a tiny network; the names asked for are kept."""
    names: list[str] = []

    def open_tiny(name: str) -> Model:
        names.append(name)
        return tiny_model(sha256="0" * 64)

    monkeypatch.setattr(command, "open_model", open_tiny)
    return names


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    path = tmp_path / "tile.png"
    drawn = make_tile(TileSettings(height_px=HEIGHT, width_px=WIDTH, pixel_size_um=1.0, seed=1))
    Image.fromarray(drawn.image).save(path)
    return path


def read_summary(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "summary.json").read_text(encoding="utf-8")))


def test_writes_labels_table_and_summary(tile: Path, tmp_path: Path, opened: list[str]) -> None:
    out = tmp_path / "out"
    options = ["--pixel-size-um", "0.5", "--device", "cpu", "--tile-size-px", "32", "--model", "mine"]
    assert main(["annotate", str(tile), "--out", str(out), *options]) == 0
    assert opened == ["mine"]
    folder = out / "tile"
    names = {"nuclei.tif", "glands.tif", "lumina.tif", "objects.csv", "summary.json", "annotation.json"}
    assert {path.name for path in folder.iterdir()} == names
    summary = read_summary(folder)
    for task in ("nuclei", "glands", "lumina"):
        with tifffile.TiffFile(folder / f"{task}.tif") as file:
            labels = file.asarray()
            assert file.pages[0].compression.name == "ADOBE_DEFLATE"
        assert labels.dtype == np.uint32
        assert labels.shape == (HEIGHT, WIDTH)
        assert summary["counts"][task] == labels.max()
    with (folder / "objects.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == sum(summary["counts"].values())
    tissue_classes = next(task.classes for task in TINY_TASKS if task.kind == "tissue")
    assert set(summary["tissue"]) == set(tissue_classes)
    assert sum(summary["tissue"].values()) == pytest.approx(1.0, abs=1e-4)
    assert summary["model"] == {"name": "tiny", "sha256": "0" * 64}
    assert (summary["pixel_size_um"], summary["pixel_size"]["source"]) == (0.5, "set by you")
    assert summary["device"] == "cpu"
    assert {"precision", "seconds", "image"} <= set(summary)


def test_progress_goes_to_stderr_and_one_line_a_result_to_stdout(
    tile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", str(tile), "--out", str(tmp_path / "out"), "--pixel-size-um", "0.5"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{tmp_path / 'out' / 'tile'}: ")
    assert said.out.count("\n") == 1
    assert "tile.png: Finding objects" in said.err
    assert "ASSUMED" not in said.err


def test_a_pixel_size_nobody_states_is_assumed_loudly(
    tile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", str(tile), "--out", str(tmp_path / "out")]) == 0
    assert "ASSUMED 0.5 µm" in capsys.readouterr().err
    summary = read_summary(tmp_path / "out" / "tile")
    assert (summary["pixel_size_um"], summary["pixel_size"]["source"]) == (0.5, "assumed")


def test_the_files_own_pixel_size_is_used(tmp_path: Path) -> None:
    pixels = make_tile(TileSettings(height_px=32, width_px=32, pixel_size_um=2.0)).image
    path = tmp_path / "stated.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", resolution=(20_000.0, 20_000.0), resolutionunit="CENTIMETER")
    assert main(["annotate", str(path), "--out", str(tmp_path / "out")]) == 0
    summary = read_summary(tmp_path / "out" / "stated")
    assert (summary["pixel_size_um"], summary["pixel_size"]["source"]) == (pytest.approx(0.5), "from the file")


@pytest.mark.parametrize(
    ("given", "in_file", "expected"),
    [
        ("0.3", 0.4, ((0.3, 0.3), "set by you")),
        ("1.13,1.50", 0.4, ((1.13, 1.5), "set by you")),
        ("", 0.4, ((0.4, 0.4), "from the file")),
        ("", None, ((ASSUMED_UM, ASSUMED_UM), "assumed")),
    ],
)
def test_the_best_known_pixel_size_wins(
    given: str, in_file: float | None, expected: tuple[tuple[float, float], str]
) -> None:
    stated = None if in_file is None else PixelSize.square(in_file, PixelSizeSource.FILE)
    size = command.choose_pixel_size(given, stated)
    assert (size.yx_um, size.source) == expected


def test_a_stack_is_refused_before_its_pixel_size_is_assumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((4, 32, 32, 3), np.uint8), photometric="rgb")
    assert main(["annotate", str(path), "--out", str(tmp_path / "out")]) == 1
    assert "ASSUMED" not in capsys.readouterr().err


def test_one_bad_image_fails_and_the_others_are_done(
    tile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, grey, missing = tmp_path / "broken.png", tmp_path / "grey.png", tmp_path / "missing.png"
    broken.write_bytes(tile.read_bytes()[:200])
    Image.new("L", (30, 30), 128).save(grey)
    out = tmp_path / "out"
    images = [str(path) for path in (broken, grey, missing, tile)]
    assert main(["annotate", *images, "--out", str(out), "--pixel-size-um", "1"]) == 1
    assert [path.name for path in out.iterdir()] == ["tile"]
    text = capsys.readouterr().err
    errors = [line for line in text.splitlines() if line.startswith("napari-cerberus: error: ")]
    assert [Path(line.split(": ")[2]).name for line in errors] == ["broken.png", "grey.png", "missing.png"]
    assert "3 of 4 images failed" in text
    assert "Traceback" not in text


def test_images_of_one_name_get_folders_of_their_own(
    tile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "a" / "Tile.png", tmp_path / "b" / "tile.png"
    for path in (first, second):
        path.parent.mkdir()
        path.write_bytes(tile.read_bytes())
    out = tmp_path / "out"
    images = [str(first), str(second), str(first)]
    assert main(["annotate", *images, "--out", str(out), "--pixel-size-um", "1"]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["Tile", "tile_2"]
    assert f"{second}: tile is taken" in capsys.readouterr().err


def test_an_earlier_result_is_replaced_but_a_foreign_folder_is_not(
    tile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["annotate", str(tile), "--out", str(out), "--pixel-size-um"]
    assert main([*arguments, "1"]) == 0
    assert main([*arguments, "2"]) == 0
    assert read_summary(out / "tile")["pixel_size_um"] == 2.0
    (out / "tile" / "annotation.json").rename(out / "tile" / "thesis.docx")
    assert main([*arguments, "1"]) == 1
    assert "is not a saved annotation" in capsys.readouterr().err
    assert (out / "tile" / "thesis.docx").is_file()


def test_a_folder_that_cannot_be_written_is_named(
    tile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("in the way", encoding="utf-8")
    assert main(["annotate", str(tile), "--out", str(tmp_path / "out"), "--pixel-size-um", "1"]) == 1
    assert str(tmp_path / "out") in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        ["--pixel-size-um", "0"],
        ["--pixel-size-um", "nan"],
        ["--tile-size-px", "0"],
        ["--sensitivity", "3"],
    ],
)
def test_a_senseless_setting_is_one_line_before_anything_is_loaded(
    option: list[str], tile: Path, tmp_path: Path, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", str(tile), "--out", str(tmp_path / "out"), *option]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert option[0].strip("-").replace("-", "_").removesuffix("_um").replace("_", " ")[:10] in said.lower().replace(
        "_", " "
    )
    assert opened == []


def test_an_unknown_model_is_one_line(
    tile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str) -> Model:
        raise ModelError(f"No model {name!r}.")

    monkeypatch.setattr(command, "open_model", refuse)
    assert main(["annotate", str(tile), "--out", str(tmp_path / "out"), "--model", "nope"]) == 1
    assert capsys.readouterr().err == "napari-cerberus: error: No model 'nope'.\n"
    assert not (tmp_path / "out").exists()


def test_an_image_too_large_for_the_memory_is_one_line(
    tile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_large(path: Path) -> None:
        raise MemoryError

    monkeypatch.setattr(command, "read_image", too_large)
    assert main(["annotate", str(tile), "--out", str(tmp_path / "out"), "--pixel-size-um", "1"]) == 1
    assert f"{tile}: there is not enough memory" in capsys.readouterr().err


def test_an_interrupt_leaves_nothing_behind(tile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    def interrupted(*_: object, **__: object) -> Iterator[Progress]:
        try:
            yield Progress("Reading", 1, 2)
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    monkeypatch.setattr(command, "annotate", interrupted)
    assert main(["annotate", str(tile), "--out", str(tmp_path / "out"), "--pixel-size-um", "1"]) == 130
    assert closed == [True]
    assert not (tmp_path / "out").exists()


@pytest.fixture
def writer(tmp_path: Path) -> Callable[[int], Path]:
    """Draws a tile of some seed into a file."""

    def write(seed: int) -> Path:
        path = tmp_path / f"seed{seed}.png"
        Image.fromarray(make_tile(TileSettings(height_px=32, width_px=32, seed=seed)).image).save(path)
        return path

    return write


def test_the_order_of_a_batch_does_not_change_a_result(writer: Callable[[int], Path], tmp_path: Path) -> None:
    first, second = str(writer(1)), str(writer(2))
    options = ["--pixel-size-um", "0.5", "--device", "cpu", "--out"]
    assert main(["annotate", first, second, *options, str(tmp_path / "one")]) == 0
    assert main(["annotate", second, first, *options, str(tmp_path / "two")]) == 0
    for task in ("nuclei", "glands", "lumina"):
        path = Path("seed2") / f"{task}.tif"
        np.testing.assert_array_equal(
            tifffile.imread(tmp_path / "one" / path), tifffile.imread(tmp_path / "two" / path)
        )


def test_flips_change_confidence_alone_and_the_summary_says_so(tile: Path, tmp_path: Path) -> None:
    options = ["--pixel-size-um", "0.5", "--device", "cpu"]
    for name, more in (("plain", []), ("checked", ["--flips"])):
        assert main(["annotate", str(tile), "--out", str(tmp_path / name), *options, *more]) == 0
    plain, checked = (pd.read_csv(tmp_path / name / "tile" / "objects.csv") for name in ("plain", "checked"))
    assert (
        read_summary(tmp_path / "plain" / "tile")["flips"],
        read_summary(tmp_path / "checked" / "tile")["flips"],
    ) == (
        False,
        True,
    )
    assert len(plain) > 0
    assert (checked["confidence"] <= plain["confidence"]).all()
    assert (checked["confidence"] < plain["confidence"]).any()
    assert checked.drop(columns="confidence").equals(plain.drop(columns="confidence"))


def test_a_name_of_dots_is_no_way_out_of_the_folder_of_results(tile: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "here"
    for name in ("..png", "...png", "a..png"):
        (tmp_path / name).write_bytes(tile.read_bytes())
    images = [tmp_path / "..png", tmp_path / "...png", tmp_path / "a..png", tmp_path / "a.png"]
    folders = command.output_folders(images, out)
    assert [folder.name for folder in folders.values()] == ["image", "image_2", "a", "a_2"]
    assert {folder.resolve().parent for folder in folders.values()} == {out.resolve()}
    assert {command.folder_name(image) for image in images} == {"image", "a"}


def test_files_of_the_user_beside_an_earlier_result_stay(tile: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["annotate", str(tile), "--out", str(out), "--pixel-size-um"]
    assert main([*arguments, "1"]) == 0
    (out / "tile" / "a.cerberus").mkdir()
    (out / "tile" / "a.cerberus" / "journal.jsonl").write_text("a day")
    (out / "tile" / "notes.txt").write_text("notes")
    assert main([*arguments, "2"]) == 0
    assert read_summary(out / "tile")["pixel_size_um"] == 2.0
    assert (out / "tile" / "a.cerberus" / "journal.jsonl").read_text() == "a day"
    assert (out / "tile" / "notes.txt").read_text() == "notes"


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes are a matter of Linux")
def test_a_name_that_is_not_utf8_fails_before_the_work(
    tile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / os.fsdecode(b"t\xff.png")
    path.write_bytes(tile.read_bytes())
    monkeypatch.setattr(command, "annotate", lambda *_: pytest.fail("it was worked on"))
    assert main(["annotate", str(path), "--out", str(tmp_path / "out"), "--pixel-size-um", "1"]) == 1
    assert "t\\udcff.png: the name of this file or of its folder is not UTF-8" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such names")
def test_names_that_steer_a_terminal_are_spelled_out(
    tile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t\x1b[2Jile\n.png"
    path.write_bytes(tile.read_bytes())
    assert main(["annotate", str(path), "--out", str(tmp_path / "out"), "--pixel-size-um", "1"]) == 0
    assert main(["annotate", str(path) + "\x9b31m", "--out", str(tmp_path / "out"), "--pixel-size-um", "1"]) == 1
    printed = capsys.readouterr()
    assert "t\\x1b[2Jile" in printed.out
    for text in (printed.out, printed.err):
        assert not {"\x1b", "\x9b"} & set(text)


def test_pages_that_were_not_read_stand_in_the_summary(tile: Path, tmp_path: Path) -> None:
    with Image.open(tile) as picture:
        picture.save(tmp_path / "pages.tif", save_all=True, append_images=[picture.copy()])
    assert main(["annotate", str(tmp_path / "pages.tif"), "--out", str(tmp_path / "out"), "--pixel-size-um", "1"]) == 0
    assert "The file holds 2 pages; only page 1 was read." in read_summary(tmp_path / "out" / "pages")["notes"]


def test_full_brightness_is_taken_recorded_and_exported(tile: Path, tmp_path: Path) -> None:
    shown = np.asarray(Image.open(tile))
    deep = tmp_path / "deep.tif"
    tifffile.imwrite(deep, shown.astype(np.float32) * 4, photometric="rgb")
    options = ["--pixel-size-um", "0.5", "--device", "cpu"]
    assert main(["annotate", str(deep), "--out", str(tmp_path / "out"), *options]) == 1, "no rule explains its values"
    options += ["--full-brightness", "1020"]
    assert main(["annotate", str(deep), str(tile), "--out", str(tmp_path / "out"), *options]) == 0
    for task in ("glands", "nuclei"):
        found, same = (tifffile.imread(tmp_path / "out" / name / f"{task}.tif") for name in ("deep", "tile"))
        np.testing.assert_array_equal(found, same)
    source = read_result(deep, tmp_path / "out" / "deep")
    np.testing.assert_array_equal(source.image, shown)
    assert main(["annotate", str(deep), "--out", str(tmp_path / "out"), "--full-brightness", "0"]) == 1
