"""A model as one file: there and back, and everything a file from elsewhere may try."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest

from model.shelf import open_shelf, put
from napari_cerberus.errors import ModelError, OutputError
from napari_cerberus.model import checkpoint
from napari_cerberus.model.checkpoint import load_model, save_model
from napari_cerberus.model.library import exchange
from napari_cerberus.model.library.entries import list_models
from napari_cerberus.model.library.exchange import export_model, import_model
from napari_cerberus.model.library.manage import delete, read_record, set_notes
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.tasks import GLANDS, instances


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A library whose models are a few bytes; that weights fit is tested once, with a real network."""
    folder = open_shelf(tmp_path, monkeypatch)
    put(folder, "mine", seed=3)
    monkeypatch.setattr(checkpoint, "load_model", lambda folder: None)
    return folder


def files(**changes):
    spec = ModelSpec(name="x", tasks=(instances(GLANDS),), pixel_size_um=0.5).to_json()
    weights = changes.pop("weights", b"weights")
    model = json.dumps({**spec, "weights_sha256": hashlib.sha256(weights).hexdigest()}).encode()
    return {"model.json": model, "weights.safetensors": weights, **changes}


def packed(path, members, *, manifest=None, extra=(), method=zipfile.ZIP_STORED):
    sums = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in members.items()}
    record = {"format": exchange.FORMAT, "name": "theirs", "files": sums, **(manifest or {})}
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("manifest.json", json.dumps(record))
        for name, data in [*members.items(), *extra]:
            archive.writestr(name, data)
    return path


def names():
    return [entry.name for entry in list_models()]


def refused(path, said, shelf):
    before = sorted(path.name for path in shelf.rglob("*"))
    with pytest.raises(ModelError, match=said):
        import_model(path)
    assert sorted({path.name for path in shelf.rglob("*")} - {".lock"}) == sorted(set(before) - {".lock"})
    assert names() == ["starter", "mine"]


def test_there_and_back_with_notes_and_a_number_where_the_name_is_taken(shelf, tmp_path):
    set_notes("mine", "for scanner B")
    file = tmp_path / "mine.zip"
    export_model("mine", file)
    entry = import_model(file)
    assert (entry.name, entry.spec.name, entry.verify()) == ("mine_2", "mine_2", True)
    assert read_record(entry).notes == "for scanner B"
    assert entry.spec.provenance == {"seed": 3}
    assert import_model(file).name == "mine_3"
    delete("mine")
    assert import_model(file).name == "mine"


def test_the_same_model_gives_the_same_files_inside(shelf, tmp_path):
    export_model("mine", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert sorted(archive.namelist()) == ["manifest.json", "model.json", "weights.safetensors"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_a_packed_zip_is_read_too(shelf, tmp_path):
    path = packed(tmp_path / "x.zip", files(**{"MODEL_CARD.md": b"# Card"}), method=zipfile.ZIP_DEFLATED)
    entry = import_model(path)
    assert (entry.name, (entry.path / "MODEL_CARD.md").read_text()) == ("theirs", "# Card")


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/evil", "sub/model.json", "..\\evil", "run.py", "weights.pt", "model.json/"]
)
def test_nothing_else_and_no_path(shelf, tmp_path, name):
    refused(packed(tmp_path / "x.zip", files(), extra=[(name, b"x")]), "does not belong", shelf)
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_name_twice(shelf, tmp_path):
    refused(packed(tmp_path / "x.zip", files(), extra=[("model.json", b"{}")]), "does not belong", shelf)


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_does(shelf, tmp_path, monkeypatch):
    bomb = files(weights=b"\0" * (1 << 20))
    path = packed(tmp_path / "x.zip", bomb, method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    monkeypatch.setitem(exchange.MAX_BYTES, "weights.safetensors", 1 << 19)
    refused(path, "would unpack to 1 MB", shelf)
    monkeypatch.setitem(exchange.MAX_BYTES, "weights.safetensors", 1 << 30)
    sums = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": 10} for name, data in bomb.items()}
    refused(packed(tmp_path / "y.zip", bomb, manifest={"files": sums}), "larger than the model file says", shelf)


def test_every_byte_is_checked(shelf, tmp_path):
    path = packed(tmp_path / "x.zip", files(weights=b"many numbers"))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"many numbers", b"many Numbers"))
    refused(path, "Bad CRC-32", shelf)
    path.write_bytes(content[:-30])
    refused(path, "not a model file, or a damaged one", shelf)
    wrong = {name: {"sha256": "0" * 64, "bytes": len(data)} for name, data in files().items()}
    refused(packed(tmp_path / "y.zip", files(), manifest={"files": wrong}), "its SHA-256 is not", shelf)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"format": "napari-cerberus model file/9"}, "this program reads"),
        ({"name": "../x"}, "is damaged"),
        ({"name": 3}, "is damaged"),
        ({"files": {}}, "does not hold the files"),
        ({"files": []}, "is damaged"),
        ({"files": {"model.json": {"sha256": "x", "bytes": -1}}}, "is damaged"),
    ],
)
def test_a_manifest_that_is_wrong(shelf, tmp_path, manifest, said):
    refused(packed(tmp_path / "x.zip", files(), manifest=manifest), said, shelf)


@pytest.mark.parametrize("content", [b"", b"PK", b"hello" * 50])
def test_what_is_no_zip(shelf, tmp_path, content):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    refused(path, "not a model file", shelf)


def test_a_zip_of_something_else_a_missing_file_and_a_folder(shelf, tmp_path):
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("manifest.json", "{}")
    (tmp_path / "x.zip").write_bytes(other.getvalue())
    refused(tmp_path / "x.zip", r"holds no model\.json", shelf)
    refused(tmp_path / "none.zip", "cannot be read", shelf)
    refused(tmp_path, "cannot be read", shelf)
    with pytest.raises(OutputError, match="is a folder"):
        export_model("mine", tmp_path)
    with pytest.raises(ModelError, match="No model"):
        export_model("nope", tmp_path / "y.zip")


def test_a_damaged_model_is_not_handed_on(shelf, tmp_path):
    (shelf / "mine" / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match="damaged"):
        export_model("mine", tmp_path / "y.zip")
    assert not (tmp_path / "y.zip").exists()


def test_weights_must_fit_the_description(tmp_path, monkeypatch):
    shelf = open_shelf(tmp_path, monkeypatch)
    spec = ModelSpec(name="real", tasks=(instances(GLANDS),), pixel_size_um=0.5)
    save_model(shelf / "real", Cerberus(spec.tasks), spec, half_precision=True)
    export_model("real", tmp_path / "real.zip")
    entry = import_model(tmp_path / "real.zip")
    assert load_model(entry.path).name == "real_2"
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        import_model(packed(tmp_path / "x.zip", files()))
    assert names() == ["starter", "real", "real_2"]
