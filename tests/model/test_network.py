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
