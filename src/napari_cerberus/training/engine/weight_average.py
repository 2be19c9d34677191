"""The running average of a network's weights, without the work for what is frozen."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class RunningAverage(AveragedModel):
    """Exponential moving average of parameters and statistics.

    Parameters that do not train, and statistics of modules in evaluation mode, are equal in both networks from the
    first update on and are passed over: with a frozen encoder that is most of the work.

    Parameters
    ----------
    network : torch module
    decay : float
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]
        self._average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move towards ``model``."""
        if self.n_averaged == 0:
            super().update_parameters(model)
            return
        pairs = list(self._moving(model))
        for kind in (True, False):
            group = [(mine, theirs) for mine, theirs in pairs if mine.is_floating_point() is kind]
            if group:
                self._average([mine for mine, _ in group], [theirs for _, theirs in group], self.n_averaged)
        self.n_averaged += 1

    def _moving(self, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        for mine, theirs in zip(self.module.modules(), model.modules(), strict=True):
            for average, current in zip(mine.parameters(False), theirs.parameters(False), strict=True):
                if current.requires_grad:
                    yield average, current
            if theirs.training:
                yield from zip(mine.buffers(False), theirs.buffers(False), strict=True)
