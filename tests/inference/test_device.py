"""Where the network runs, and why."""

from __future__ import annotations

import copy

import pytest
import torch

from napari_cerberus.errors import DeviceError, SettingsError
from napari_cerberus.inference.device import Runtime, choose_runtime
from napari_cerberus.inference.prepared_network import _prepared, fused, prepare
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.tasks import CERBERUS_TASKS
from tiny import tiny_model

FP32 = Runtime(device=torch.device("cpu"), dtype=torch.float32, reason="test")


@pytest.fixture
def _no_graphics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("_no_graphics")
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_an_absent_device_is_an_error_when_asked_for(device: str) -> None:
    with pytest.raises(DeviceError, match="choose device 'auto' or 'cpu'"):
        choose_runtime(device)  # type: ignore[arg-type]


@pytest.mark.usefixtures("_no_graphics")
@pytest.mark.parametrize(("native", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_auto_falls_back_to_the_cpu_and_says_why(monkeypatch: pytest.MonkeyPatch, native: bool, precision: str) -> None:
    monkeypatch.setattr("napari_cerberus.inference.device.has_bfloat16", lambda device: native)
    runtime = choose_runtime("auto")
    assert runtime.device.type == "cpu"
    assert runtime.precision == precision
    assert "no CUDA or Apple" in runtime.reason
    assert precision in runtime.reason
    assert "asked for" in choose_runtime("cpu").reason


@pytest.mark.parametrize(("capability", "precision"), [((8, 0), "bfloat16"), ((7, 5), "float32")])
def test_cuda_comes_first(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], precision: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Fine Card")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    runtime = choose_runtime("auto")
    assert (runtime.device.type, runtime.precision) == ("cuda", precision)
    assert runtime.reason.startswith("Fine Card")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(SettingsError, match="device must be one of"):
        choose_runtime("tpu")  # type: ignore[arg-type]


def test_fusing_keeps_the_answer_and_the_original() -> None:
    torch.manual_seed(0)
    network = Cerberus(CERBERUS_TASKS[2:])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.3, 0.3)
    network.eval()
    before = copy.deepcopy(network.state_dict())
    image = torch.rand(1, 3, 16, 32) * 255
    twin = fused(network)
    kinds = [type(module) for name, module in twin.named_modules() if not name.startswith("heads.tissue")]
    assert torch.nn.BatchNorm2d not in kinds
    with torch.inference_mode():
        ours, theirs = twin(image), network(image)
    for key, logits in theirs.items():
        torch.testing.assert_close(ours[key], logits, atol=1e-4, rtol=1e-4)
        assert logits.std() > 1e-3 or key == "tissue"
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_training_network_is_prepared_for_evaluation_and_left_in_training() -> None:
    model = tiny_model()
    model.network.train()
    assert not prepare(model, FP32).training
    assert model.network.training


def test_a_second_click_does_not_prepare_again() -> None:
    model = tiny_model(sha256="a" * 64)
    first = prepare(model, FP32)
    assert prepare(model, FP32) is first
    bf16 = Runtime(device=torch.device("cpu"), dtype=torch.bfloat16, reason="test")
    assert prepare(model, bf16) is not first
    assert next(prepare(model, bf16).parameters()).dtype == torch.bfloat16
    assert next(model.network.parameters()).dtype == torch.float32


def test_only_a_few_prepared_networks_are_kept() -> None:
    for name in "abcdef":
        prepare(tiny_model(sha256=name * 64), FP32)
    assert [key[0][0] for key in _prepared] == ["e", "f"]


def test_weights_without_an_identity_are_not_kept() -> None:
    model: Model = tiny_model()
    assert prepare(model, FP32) is not prepare(model, FP32)
