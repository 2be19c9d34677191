"""The network as inference runs it: a fused copy on its device. The caller's model is never touched."""

from __future__ import annotations

import copy
import itertools
import threading
from collections import OrderedDict

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import BasicBlock

from ..model.checkpoint import Model
from ..model.network import Cerberus, ConvBnRelu, Encoder
from .device import Runtime

_KEPT = 2
_PAIRS: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    Encoder: (("conv1", "bn1"),),
    BasicBlock: (("conv1", "bn1"), ("conv2", "bn2")),
    ConvBnRelu: (("conv", "bn"),),
}
"""Where a convolution is followed by its normalisation, by kind of module (in the tissue head it is the other way)."""

_prepared: OrderedDict[tuple[str, str, torch.dtype], Cerberus] = OrderedDict()
_lock = threading.Lock()


def prepare(model: Model, runtime: Runtime) -> Cerberus:
    """A copy of the model's network, ready to run: evaluation mode, normalisation folded in, on its device.

    The last two are kept, by the SHA-256 of the weights, so that a second click starts at once.
    """
    key = (model.sha256, runtime.name, runtime.dtype)
    with _lock:
        if key in _prepared:
            _prepared.move_to_end(key)
            return _prepared[key]
        network = ready(model.network, runtime)
        if model.sha256:  # weights without an identity cannot be recognised again
            _prepared[key] = network
            while len(_prepared) > _KEPT:
                _prepared.popitem(last=False)
        return network


def forget_prepared() -> None:
    """Give the memory of the kept networks back."""
    with _lock:
        _prepared.clear()


def ready(network: Cerberus, runtime: Runtime) -> Cerberus:
    """A fused copy on a device, in its precision."""
    return fused(network).to(runtime.device, runtime.dtype).to(memory_format=torch.channels_last)


def fused(network: Cerberus) -> Cerberus:
    """A copy in evaluation mode whose normalisation layers are folded into the convolutions before them."""
    twin = copy.deepcopy(network).eval()
    for module in list(twin.modules()):
        if isinstance(module, nn.Sequential):
            _fuse_neighbours(module)
        for kind, pairs in _PAIRS.items():
            if isinstance(module, kind):
                for convolution, normalisation in pairs:
                    _fuse(module, convolution, normalisation)
    return twin.requires_grad_(False)


def _fuse_neighbours(module: nn.Sequential) -> None:
    names = list(module._modules)
    for first, second in itertools.pairwise(names):
        if isinstance(module._modules[first], nn.Conv2d) and isinstance(module._modules[second], nn.BatchNorm2d):
            _fuse(module, first, second)


def _fuse(module: nn.Module, convolution: str, normalisation: str) -> None:
    before, after = getattr(module, convolution), getattr(module, normalisation)
    setattr(module, convolution, fuse_conv_bn_eval(before, after))
    setattr(module, normalisation, nn.Identity())
