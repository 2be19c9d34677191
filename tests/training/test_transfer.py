import dataclasses

import pytest
import torch
from torchvision.models import resnet34

from napari_cerberus.errors import ModelError
from napari_cerberus.model.checkpoint import save_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.tasks import TaskSpec, instances
from napari_cerberus.training.transfer.initial_weights import starting_network
from training import tiny_run


def test_a_model_is_taken_over_where_its_tasks_agree_and_the_rest_is_said(tmp_path):
    torch.manual_seed(9)
    other = (instances("glands"), TaskSpec(key="tissue", kind="tissue", classes=("a", "b")))
    base = Cerberus(other)
    save_model(tmp_path / "base", base, ModelSpec(name="base", tasks=other, pixel_size_um=1.0))
    network, notes = starting_network(tiny_run.config(start=str(tmp_path / "base"), train_from_layer=4))
    assert torch.equal(network.encoder.conv1.weight, base.encoder.conv1.weight)
    assert torch.equal(network.heads["glands"][1].weight, base.heads["glands"][1].weight)
    assert network.heads["tissue"].conv2.out_channels == 6
    assert "nuclei, tissue" in notes[1]
    assert not network.encoder.layer3[0].conv1.weight.requires_grad
    assert network.encoder.layer4[0].conv1.weight.requires_grad


def test_an_encoder_only_file_is_a_start(tmp_path):
    source = resnet34(weights=None)
    torch.save(source.state_dict(), tmp_path / "encoder.pth")
    network, notes = starting_network(tiny_run.config(start=str(tmp_path / "encoder.pth")))
    assert torch.equal(network.encoder.layer1[0].conv1.weight, source.layer1[0].conv1.weight)
    assert "encoder.pth" in notes[0]


def test_scratch_is_seeded_and_an_unknown_start_is_named():
    config = tiny_run.config()
    first, second = starting_network(config)[0], starting_network(config)[0]
    assert torch.equal(first.reduce.weight, second.reduce.weight)
    third = starting_network(dataclasses.replace(config, seed=6))[0]
    assert not torch.equal(first.reduce.weight, third.reduce.weight)
    with pytest.raises(ModelError, match="unheard-of"):
        starting_network(tiny_run.config(start="unheard-of"))
