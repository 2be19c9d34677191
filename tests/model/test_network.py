import pytest
import torch

from napari_cerberus.errors import SettingsError
from napari_cerberus.model.network import Cerberus
from napari_cerberus.tasks import CERBERUS_TASKS, EBHI_TASKS, TaskSpec, instances


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Cerberus(EBHI_TASKS, tissue_window_cells=2).eval()


def test_outputs_have_the_image_size_and_the_tasks_channels(network):
    with torch.inference_mode():
        logits = network(torch.rand(2, 3, 48, 80) * 255)
    assert {key: tuple(value.shape) for key, value in logits.items()} == {
        "lumina": (2, 3, 48, 80),
        "glands": (2, 3, 48, 80),
        "nuclei": (2, 3, 48, 80),
        "tissue": (2, 6, 1, 1),
    }


def test_only_the_named_tasks_are_computed(network):
    with torch.inference_mode():
        assert set(network(torch.rand(1, 3, 32, 32) * 255, ["glands"])) == {"glands"}


def test_tissue_head_sees_the_central_window_only(network):
    features = torch.rand(1, 512, 6, 6)
    changed = features.clone()
    changed[..., 0, :] = 9.0
    with torch.inference_mode():
        assert torch.equal(network.heads["tissue"](features), network.heads["tissue"](changed))
        changed[..., 2, 2] = 9.0
        assert not torch.equal(network.heads["tissue"](features), network.heads["tissue"](changed))


@pytest.mark.parametrize("shape", [(1, 3, 40, 32), (1, 1, 32, 32), (1, 4, 32, 32)])
def test_wrong_inputs_are_named(network, shape):
    with pytest.raises(SettingsError, match="multiples of 16"):
        network(torch.zeros(shape))


def test_tasks_must_differ():
    with pytest.raises(SettingsError, match="different keys"):
        Cerberus([instances("glands"), instances("glands")])


def test_published_set_has_six_outputs():
    assert len(CERBERUS_TASKS) == 6
    assert [task.channels for task in CERBERUS_TASKS] == [3, 3, 3, 7, 3, 9]


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "a b", "kind": "instances", "classes": ("background", "inner", "contour")},
        {"key": "a", "kind": "boxes", "classes": ("x", "y")},
        {"key": "a", "kind": "instances", "classes": ("x", "y", "z")},
        {"key": "a", "kind": "tissue", "classes": ("x", "x")},
        {"key": "a", "kind": "types", "classes": ("x", "y")},
    ],
)
def test_senseless_tasks_are_refused(fields):
    with pytest.raises(SettingsError):
        TaskSpec(**fields)


def test_freezing_stops_weights_and_statistics_and_train_respects_it():
    torch.manual_seed(0)
    network = Cerberus([instances("glands")]).train()
    network.encoder.freeze_before(3)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(torch.rand(2, 3, 32, 32) * 255)["glands"].sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    frozen = ("encoder.conv1", "encoder.bn1", "encoder.layer1", "encoder.layer2")
    assert not [name for name in moved if name.startswith(frozen)]
    assert any(name.startswith("encoder.layer3") and "running_mean" in name for name in moved)
    assert any(name.startswith("encoder.layer4") and "weight" in name for name in moved)
    network.encoder.freeze_before(1)
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("layer", [0, 6])
def test_the_encoder_has_four_layers(network, layer):
    with pytest.raises(SettingsError, match="layer 1 to 5"):
        network.encoder.freeze_before(layer)
