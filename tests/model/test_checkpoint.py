import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_cerberus.errors import ModelError, OutputError
from napari_cerberus.files import sha256_of
from napari_cerberus.model.checkpoint import load_model, save_model
from napari_cerberus.model.library.entries import list_models
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import SPEC_FILE, WEIGHTS_FILE, ModelSpec
from napari_cerberus.tasks import EBHI_CLASSES, TaskSpec

TISSUE_ONLY = (TaskSpec(key="tissue", kind="tissue", classes=EBHI_CLASSES),)


GLANDS_TASK = {"key": "glands", "kind": "instances", "classes": ["background", "inner", "contour"], "types_of": ""}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return Cerberus(TISSUE_ONLY).eval()


@pytest.fixture
def folder(tmp_path, network):
    spec = ModelSpec(name="größe", tasks=TISSUE_ONLY, pixel_size_um=1.0, temperatures={"tissue": 1.5})
    save_model(tmp_path / "Müller Modelle" / "m", network, spec, card="# Card")
    return tmp_path / "Müller Modelle" / "m"


def test_round_trip(folder, network):
    model = load_model(folder)
    assert model.spec.name == "größe"
    assert model.spec.temperatures == {"tissue": 1.5}
    assert model.card() == "# Card"
    assert model.sha256 == sha256_of(folder / WEIGHTS_FILE)
    image = torch.rand(1, 3, 32, 32) * 255
    with torch.inference_mode():
        assert torch.equal(model.network(image)["tissue"], network(image)["tissue"])


def test_half_precision_is_half_the_size_and_close(tmp_path, network):
    spec = ModelSpec(name="m", tasks=TISSUE_ONLY, pixel_size_um=1.0)
    save_model(tmp_path / "full", network, spec)
    save_model(tmp_path / "half", network, spec, half_precision=True)
    sizes = [(tmp_path / name / WEIGHTS_FILE).stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.51 * sizes[0]
    image = torch.rand(1, 3, 32, 32) * 255
    with torch.inference_mode():
        logits = [load_model(tmp_path / name).network(image)["tissue"] for name in ("full", "half")]
    torch.testing.assert_close(*logits, atol=0.02, rtol=0.02)


def test_a_changed_byte_is_noticed(folder):
    weights = folder / WEIGHTS_FILE
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        load_model(folder)


def rewrite(folder, state):
    save_file(state, folder / WEIGHTS_FILE)
    spec = json.loads((folder / SPEC_FILE).read_text())
    (folder / SPEC_FILE).write_text(json.dumps({**spec, "weights_sha256": sha256_of(folder / WEIGHTS_FILE)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("reduce.weight"), "reduce.weight is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "extra is unknown"),
        (lambda state: state.update({"reduce.weight": torch.zeros(3)}), "reduce.weight has shape"),
        (lambda state: state["reduce.weight"].fill_(float("nan")), "not finite"),
    ],
)
def test_wrong_entries_are_named(folder, change, message):
    state = load_file(folder / WEIGHTS_FILE)
    change(state)
    rewrite(folder, state)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", "other", "not a napari-cerberus model"),
        ("format_version", 99, "Update napari-cerberus"),
        ("pixel_size_um", "one", "pixel_size_um"),
        ("pixel_size_um", -1.0, "pixel_size_um"),
        ("pixel_size_um", float("nan"), "pixel_size_um"),
        ("tasks", {}, "tasks"),
        ("tasks", [3], "tasks"),
        ("name", 7, "name"),
        ("temperatures", {"tissue": 0}, "tissue"),
        ("provenance", [], "provenance"),
        ("weights_sha256", None, "weights_sha256"),
        ("tissue_window_cells", True, "tissue_window_cells"),
        ("tissue_window_cells", 10**6, "tissue_window_cells"),
        ("pixel_size_um", 10**400, "pixel_size_um|too large"),
        ("temperatures", {"tissue": float("inf")}, "tissue"),
        ("name", "a\u202eb", "one line"),
        ("name", "a" * 1000, "one line"),
        ("tasks", [GLANDS_TASK] * 2, "a key of its own"),
        ("tasks", [{**GLANDS_TASK, "key": f"t{number}"} for number in range(33)], "1 to 32 tasks"),
        ("tasks", [{**GLANDS_TASK, "kind": "tissue", "classes": [str(n) for n in range(10**4)]}], "1000 names"),
        ("tasks", [{**GLANDS_TASK, "kind": "tissue", "classes": ["a\n", "b"]}], "1000 names"),
    ],
)
def test_hostile_descriptions_are_named(folder, field, value, message):
    spec = json.loads((folder / SPEC_FILE).read_text())
    (folder / SPEC_FILE).write_text(json.dumps({**spec, field: value}))
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_missing_and_damaged_files_are_named(folder, tmp_path):
    with pytest.raises(ModelError, match=SPEC_FILE):
        load_model(tmp_path / "nowhere")
    (folder / SPEC_FILE).write_text('{"name": ' + "9" * 5000 + "}")
    with pytest.raises(ModelError, match="not valid JSON"):
        load_model(folder)
    (folder / SPEC_FILE).write_text("{")
    with pytest.raises(ModelError, match="not valid JSON"):
        load_model(folder)
    (folder / WEIGHTS_FILE).unlink()


def test_a_folder_that_cannot_be_written_stays_as_it_was(tmp_path, network):
    blocked = tmp_path / "file"
    blocked.write_text("mine")
    spec = ModelSpec(name="m", tasks=TISSUE_ONLY, pixel_size_um=1.0)
    with pytest.raises(OutputError, match="cannot be written"):
        save_model(blocked / "m", network, spec)
    assert blocked.read_text() == "mine"


def test_the_library_lists_and_opens_by_name(folder, monkeypatch):
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(folder.parent))
    assert "m" in [entry.name for entry in list_models()]
    assert all(entry.verify() for entry in list_models())
    assert open_model("m").spec.name == "größe"
    assert open_model(str(folder)).sha256 == open_model("m").sha256
    with pytest.raises(ModelError, match="neither a model folder nor"):
        open_model("unheard-of")
