"""Normalisation statistics of one image, mixed into those a network was trained with (AdaBN; Li et al. 2018)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...model.network import Cerberus


def with_statistics(network: Cerberus, images: list[Tensor], share: float, keys: tuple[str, ...]) -> Cerberus:
    """A copy whose encoder, and decoders of ``keys``, normalise partly by what ``images`` hold.

    Parameters
    ----------
    network : Cerberus
        Left as it is.
    images : list of (1, 3, h, w) tensors
        RGB 0..255, sides multiples of 16; each counts alike.
    share : float
        0: the network's own statistics; 1: those of the images alone.
    keys : tuple of str
        Tasks whose decoders take part.
    """
    twin = copy.deepcopy(network).eval()
    if share == 0 or not images:
        return twin
    before = {name: value.clone() for name, value in twin.state_dict().items() if _is_statistic(name)}
    with torch.no_grad(), _collecting(twin, keys):
        for image in images:
            twin(image, keys)
    after = twin.state_dict()
    mixed = {name: (1 - share) * old + share * after[name] for name, old in before.items()}
    twin.load_state_dict(mixed, strict=False)
    return twin


def _is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var"))


@contextmanager
def _collecting(network: Cerberus, keys: tuple[str, ...]) -> Iterator[None]:
    """Normalise by each image and note its statistics, averaged over the images."""
    layers = list(_layers(network, keys))
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()


def _layers(network: Cerberus, keys: tuple[str, ...]) -> Iterator[nn.BatchNorm2d]:
    dense = [part[key] for key in keys for part in (network.decoders, network.heads) if key in part]
    for part in (network.encoder, *dense):
        yield from (layer for layer in part.modules() if isinstance(layer, nn.BatchNorm2d))
