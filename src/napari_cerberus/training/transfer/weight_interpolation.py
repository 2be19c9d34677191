"""What a fine-tune keeps of its base model: normalisation statistics, and a share of the weights."""

from __future__ import annotations

import copy
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...model.checkpoint import Model
from ...model.network import Cerberus
from ..config import TrainConfig


class WeightInterpolation:
    """Knows which parts came from the base model, and what they were.

    Parameters
    ----------
    config : TrainConfig
        ``keep_statistics`` and ``blend`` say what is kept.
    base : Model or None

    Attributes
    ----------
    fresh : collection of str
        Tasks that the base model does not have, or not with these classes; empty without a base model.
    """

    def __init__(self, config: TrainConfig, base: Model | None) -> None:
        self._statistics = config.keep_statistics
        self._share = config.blend
        self._weights: dict[str, Tensor] = {}
        self.fresh: Collection[str] = ()
        if base is None:
            self._statistics, self._share = False, 1.0
            return
        known = {task.key: task for task in base.network.tasks}
        self.fresh = {task.key for task in config.tasks if known.get(task.key) != task}
        own = {name: value for name, value in base.network.state_dict().items() if value.is_floating_point()}
        self._weights = {name: value for name, value in own.items() if not self._is_fresh(name)}

    def hold_statistics(self, network: nn.Module) -> None:
        """Put the normalisation of parts that came from the base model in evaluation mode; call after ``train()``."""
        if not self._statistics:
            return
        for name, module in network.named_modules():
            if isinstance(module, _BatchNorm) and not self._is_fresh(name):
                module.eval()

    def blended(self, network: Cerberus, share: float | None = None) -> Cerberus:
        """A copy whose weights went back towards the base model's; ``network`` itself where all of its own are kept.

        Parameters
        ----------
        network : Cerberus
        share : float, optional
            Of the network's own weights, 0..1; the config's where absent.
        """
        own = self._share if share is None else share
        if own >= 1:
            return network
        result = copy.deepcopy(network)
        with torch.no_grad():
            for name, value in result.state_dict().items():
                if name in self._weights:
                    value.copy_(torch.lerp(self._weights[name].to(value.device), value, own))
        return result

    def _is_fresh(self, name: str) -> bool:
        room, _, rest = name.partition(".")
        return room == "heads" and rest.partition(".")[0] in self.fresh
