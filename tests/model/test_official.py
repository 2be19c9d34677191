"""Hostile and wrong files in the published layouts; none of this needs the oracle."""

import os

import pytest
import torch
import yaml
from torchvision.models import resnet34

from napari_cerberus.errors import ModelError
from napari_cerberus.model.network import Encoder
from napari_cerberus.model.published import load_encoder, load_published


def settings(folder, content):
    folder.mkdir(exist_ok=True)
    (folder / "settings.yml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return folder


GOOD = {"model_kwargs": {"considered_tasks": ["Patch-Class"]}}


class Runs:
    def __reduce__(self):
        return os.system, ("true",)


def test_a_pickle_that_runs_code_is_not_opened(tmp_path):
    torch.save({"desc": Runs()}, settings(tmp_path / "m", GOOD) / "weights.tar")
    with pytest.raises(ModelError, match="could run code"):
        load_published(tmp_path / "m")


@pytest.mark.parametrize("content", [b"", b"not a torch file", b"PK\x03\x04broken"])
def test_damaged_weights_are_named(tmp_path, content):
    (settings(tmp_path / "m", GOOD) / "weights.tar").write_bytes(content)
    with pytest.raises(ModelError, match=r"weights\.tar"):
        load_published(tmp_path / "m")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "considered_tasks"),
        ("a: [", "considered_tasks"),
        ({"model_kwargs": {"considered_tasks": "Gland"}}, "list of names"),
        ({"model_kwargs": {"considered_tasks": ["Teeth"]}}, "Teeth"),
        ("!!python/object/apply:os.system ['true']", "considered_tasks"),
    ],
)
def test_damaged_settings_are_named(tmp_path, content, message):
    torch.save({"desc": {"a": torch.zeros(1)}}, settings(tmp_path / "m", content) / "weights.tar")
    with pytest.raises(ModelError, match=message):
        load_published(tmp_path / "m")


def test_missing_entries_are_named(tmp_path):
    torch.save(
        {"desc": {"decoder_head.Patch-Class.bn1.weight": torch.zeros(512)}}, settings(tmp_path, GOOD) / "weights.tar"
    )
    with pytest.raises(ModelError, match=r"encoder\.conv1\.weight is missing"):
        load_published(tmp_path)


def test_encoder_only_file_fills_the_encoder(tmp_path):
    torch.manual_seed(3)
    source = resnet34(weights=None)
    torch.save(source.state_dict(), tmp_path / "encoder.pth")
    encoder = Encoder()
    load_encoder(tmp_path / "encoder.pth", encoder)
    assert torch.equal(encoder.layer4[2].conv2.weight, source.layer4[2].conv2.weight)


def test_encoder_of_another_shape_is_named(tmp_path):
    state = resnet34(weights=None).state_dict()
    state["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    torch.save(state, tmp_path / "encoder.pth")
    with pytest.raises(ModelError, match=r"conv1\.weight has shape"):
        load_encoder(tmp_path / "encoder.pth", Encoder())
