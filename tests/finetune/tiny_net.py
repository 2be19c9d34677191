"""The real network class with next to no channels, so that whole runs take seconds: in tests and in their children."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torchvision.models
from torch import nn
from torchvision.models.resnet import BasicBlock

from napari_cerberus.model import network
from napari_cerberus.model.checkpoint import save_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.tasks import TaskSpec, instances

# Multiples of 16: with 4 and 8 channels a second training in one process, after one in bfloat16 on the CPU, ended in
# "free(): invalid next size" inside torch's backward pass (torch 2.14).
SIZES = {
    "_SKIP_CHANNELS": (16, 16, 16, 32, 32),
    "_REDUCED_CHANNELS": 32,
    "_DECODER_CHANNELS": ((32, 16), (16, 16), (16, 16), (16, 16)),
    "_HEAD_CHANNELS": 16,
    "_TISSUE_HIDDEN_CHANNELS": 16,
}
TASKS = (
    instances("glands"),
    instances("lumina"),
    TaskSpec(key="tissue", kind="tissue", classes=("Normal", "Polyp")),
)


class TinyTrunk(nn.Module):
    """torchvision's ResNet34 with one block a layer and next to no channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 7, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _layer(16, 16, 1)
        self.layer2, self.layer3, self.layer4 = _layer(16, 16, 2), _layer(16, 32, 2), _layer(32, 32, 2)


def _layer(channels: int, out: int, stride: int) -> nn.Sequential:
    shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    return nn.Sequential(BasicBlock(channels, out, stride, shortcut))


def shrink(patch: Callable[[object, str, object], None] = setattr) -> None:
    """Make ``Cerberus`` tiny from now on."""
    for name, value in SIZES.items():
        patch(network, name, value)
    patch(torchvision.models, "resnet34", lambda weights=None: TinyTrunk())


def save_base(folder: Path, *, seed: int = 3, tasks: tuple[TaskSpec, ...] = TASKS, **provenance: object) -> str:
    """Write a base model with random weights; returns the SHA-256 of its weights."""
    torch.manual_seed(seed)
    spec = ModelSpec(
        name=folder.name,
        tasks=tasks,
        pixel_size_um=1.0,
        tissue_window_cells=2,
        thresholds={"glands": 0.4},
        provenance={"acquisition_pixel_size_um": 1.0, **provenance},
    )
    return save_model(folder, Cerberus(tasks, 2).eval(), spec)
