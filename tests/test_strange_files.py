"""Files that are valid for their parser and mean harm: each ends in one sentence, never in a traceback."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from exporting.make_saved import save_corrected
from napari_cerberus.annotation.journal.journal_lock import lock_folder
from napari_cerberus.annotation.journal.record import data_of
from napari_cerberus.annotation.store import load_annotation
from napari_cerberus.annotation.stored import label_tiff
from napari_cerberus.decode_errors import DECODE_ERRORS
from napari_cerberus.errors import CerberusError, DataError, ModelError, SettingsError
from napari_cerberus.inference.images.image_files import read_image
from napari_cerberus.interop.ome_tiff import read_label_tiff
from napari_cerberus.model import published
from napari_cerberus.model.library import manage, promotion
from napari_cerberus.model.spec import load_spec
from napari_cerberus.pairs.layout import sidecar_reading
from napari_cerberus.pairs.layout.tile_pixels import read_labels, read_stack
from napari_cerberus.slides import open_slide
from napari_cerberus.strict_json import loads
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.evaluation.model_card import read_report
from napari_cerberus.training.run_folder import load_checkpoint, read_metrics

DEEP = "[" * 100_000
HUGE = "1" + "0" * 400
STRANGE = [DEEP, HUGE, "-" + HUGE, "1" * 5000, "\ud800", "nan", "{", ""]


@pytest.mark.parametrize("text", STRANGE[:4])
def test_json_of_extreme_depth_or_length_is_one_sentence(text: str) -> None:
    for whole in (text, f'{{"a": {text}}}'):
        with pytest.raises(DataError, match="x is not a JSON file, or a damaged one"):
            loads(whole, "x")


@pytest.mark.parametrize("text", STRANGE)
def test_no_such_text_breaks_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path))
    (tmp_path / promotion.HISTORY_FILE).write_text(text + "\n", errors="surrogatepass")
    assert promotion.promotion_history() == ()
    starter = promotion.promoted()
    (tmp_path / manage.RECORD_FILE).write_text(text, errors="surrogatepass")
    entry = type(starter)(name="x", path=tmp_path, spec=starter.spec, sha256=starter.sha256)
    assert manage.read_record(entry) == manage.ModelRecord()
    (tmp_path / "model.json").write_text(text, errors="surrogatepass")
    with pytest.raises(ModelError):
        load_spec(tmp_path)


@pytest.mark.parametrize("text", STRANGE)
def test_a_lock_that_says_nonsense_is_a_lock_of_nobody(tmp_path: Path, text: str) -> None:
    held = lock_folder(tmp_path)
    held.release()
    (tmp_path / held.path.name).write_text(text[:4096], errors="surrogatepass")
    lock_folder(tmp_path).release()


@pytest.mark.parametrize("text", [DEEP, f'{{"elapsed_s": {HUGE}}}', "\udc80"])
def test_a_strange_line_of_a_journal_is_a_damaged_one(text: str) -> None:
    line = text.encode("utf-8", "surrogateescape")
    with pytest.raises(DataError, match="a line is not JSON"):
        data_of(b"%08x " % zlib.crc32(line) + line)


@pytest.mark.parametrize("text", STRANGE)
def test_reports_and_metrics(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text, errors="surrogatepass")
    with pytest.raises(DataError):
        read_report(tmp_path / "report.json")
    (tmp_path / "metrics.jsonl").write_text(text[:50_000] + '\n{"step": 1}\n', errors="surrogatepass")
    assert read_metrics(tmp_path)[-1] == {"step": 1}


SOURCE = '[[source]]\nname = "a"\nkind = "pairs"\ntasks = ["glands"]\n'


@pytest.mark.parametrize(
    "text",
    [
        "steps = " + "1" * 5000,
        "steps = " + "[" * 3000,
        SOURCE + "path = 3",
        SOURCE + "path = 2020-01-01",
        SOURCE + r'path = "\u0000"',
        "steps = \x00",
    ],
)
def test_a_strange_config_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"config\.toml"):
        read_config(tmp_path / "config.toml")


@pytest.mark.parametrize("text", ['!!float "zz"', '!!timestamp "x"', "[" * 5000, "!!int zz", "\x00"])
def test_strange_settings_of_published_weights_are_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.yml").write_text(f"model_kwargs: {text}")
    with pytest.raises(ModelError, match=r"settings\.yml cannot be read"):
        published._published_tasks(tmp_path / "settings.yml", {})


@pytest.mark.parametrize(
    "error", [IndexError("pop from empty list"), AssertionError(), *[kind() for kind in DECODE_ERRORS[:2]]]
)
def test_a_damaged_checkpoint_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("torch.load", fail)
    (tmp_path / "checkpoint.pt").write_bytes(b"x")
    with pytest.raises(CerberusError):
        load_checkpoint(tmp_path)
    with pytest.raises(ModelError, match="not a readable torch file"):
        published._read_pickle(tmp_path / "checkpoint.pt")


def test_the_shape_of_a_stack_is_known_before_it_is_unpacked(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "glands.tif", np.zeros((9, 9), np.uint32))
    assert sidecar_reading.stack_shape(tmp_path / "glands.tif") == (9, 9)


@pytest.fixture
def hollow_tiff(tmp_path: Path) -> Path:
    """30,000² labels in a few kilobytes: a TIFF may leave out tiles that hold nothing."""
    path = tmp_path / "hollow.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint32), tile=(16, 16))
    with tifffile.TiffFile(path, mode="r+") as file:
        for side in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[side].overwrite(30_000)
    assert path.stat().st_size < 100_000
    return path


@pytest.mark.parametrize("read", [read_labels, read_stack, read_label_tiff, read_image])
def test_a_hollow_picture_is_refused_before_it_is_unpacked(hollow_tiff: Path, read: Callable[[Path], object]) -> None:
    tracemalloc.start()
    with pytest.raises(CerberusError, match=r"hollow\.tif is not read: it would unpack .* to 3\.4 GB"):
        read(hollow_tiff)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_an_annotation_with_hollow_labels_is_one_sentence(tmp_path: Path, hollow_tiff: Path) -> None:
    save_corrected(tmp_path / "a.cerberus", tmp_path / "a.png")
    for task in ("nuclei", "glands"):
        (tmp_path / "a.cerberus" / f"{task}.tif").write_bytes(hollow_tiff.read_bytes())
    with pytest.raises(DataError, match="does not hold labels of 32 × 32 px"):
        load_annotation(tmp_path / "a.cerberus")
    with pytest.raises(DataError, match="is not read"):
        label_tiff.read_labels(hollow_tiff, (30_000, 30_000))


@pytest.mark.parametrize("value", [10**400, 1e300, float("inf"), "0.5", None, True])
@pytest.mark.parametrize("field", ["pixel_size", "tissue"])
def test_numbers_of_an_annotation_are_numbers(tmp_path: Path, field: str, value: object) -> None:
    save_corrected(tmp_path / "a.cerberus", tmp_path / "a.png")
    path = tmp_path / "a.cerberus" / "annotation.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data[field] = {"Normal": value} if field == "tissue" else {**data[field], "y_um": value}
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DataError, match=r"annotation\.json"):
        load_annotation(tmp_path / "a.cerberus")


@pytest.mark.parametrize("value", ["3", "2020-01-01", r'"\u0000"', "true", "[]"])
@pytest.mark.parametrize("field", ["data_root", "split_file", "start", "name"])
def test_every_path_of_a_config_is_a_text(tmp_path: Path, field: str, value: str) -> None:
    (tmp_path / "config.toml").write_text(
        f'{field} = {value}\nseed = 1\nsteps = 1\npixel_size_um = 0.5\ntasks = ["glands"]\n'
        + ("" if field == "name" else 'name = "a"\n')
        + SOURCE
        + 'path = "a"\n[[batch]]\ntasks = ["glands"]\n'
    )
    with pytest.raises(SettingsError, match=field):
        read_config(tmp_path / "config.toml")


@pytest.fixture
def circular_tiff(tmp_path: Path) -> Path:
    """Three pages, of which the last leads back to the first."""
    path = tmp_path / "circular.tif"
    tifffile.imwrite(path, np.zeros((3, 16, 16), np.uint8), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[-1]
        place = last.offset + file.tiff.tagnosize + len(last.tags) * file.tiff.tagsize
    content = bytearray(path.read_bytes())
    content[place : place + 4] = first.to_bytes(4, "little")
    path.write_bytes(content)
    return path


@pytest.mark.timeout(60)
@pytest.mark.parametrize("read", [read_labels, read_stack, read_label_tiff, read_image, open_slide])
def test_pages_that_form_a_circle_are_refused(circular_tiff: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(CerberusError, match="its pages form a circle"):
        read(circular_tiff)
