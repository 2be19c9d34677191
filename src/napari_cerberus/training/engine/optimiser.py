"""Optimiser and learning-rate schedule of a run."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..run_settings import OptimiserSettings


def make_optimiser(network: nn.Module, settings: OptimiserSettings) -> torch.optim.Optimizer:
    """Optimiser over the parameters that train; normalisation and biases are not decayed."""
    trainable = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.name == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, nesterov=True)
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.learning_rate)


def make_schedule(
    optimiser: torch.optim.Optimizer, settings: OptimiserSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning-rate schedule over ``steps`` batches."""
    if settings.schedule == "onecycle":
        return torch.optim.lr_scheduler.OneCycleLR(
            optimiser, settings.learning_rate, total_steps=steps + 1, pct_start=0.15, cycle_momentum=False
        )
    factor = {
        "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))),
        "step": lambda step: 1.0 if step < steps / 2 else 0.1,
        "thirds": lambda step: 0.1 ** min(2, 3 * step // steps),
        "constant": lambda step: 1.0,
    }[settings.schedule]
    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
