"""Losses of the heads (Graham et al. 2023): weighted cross-entropy; a soft Dice term where asked for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_EPSILON = 1.0
_RAREST = 1e-3


def dense_loss(logits: Tensor, target: Tensor, weights: Tensor, dice_weight: float = 0.0) -> Tensor:
    """Pixel-weighted cross-entropy, plus ``dice_weight`` × soft Dice over the foreground classes.

    Parameters
    ----------
    logits : (N, C, H, W) tensor
    target : (N, H, W) integer tensor
        Class of each pixel.
    weights : (N, H, W) tensor
        Weight of each pixel; 0 leaves a pixel out (used for types outside objects).
    dice_weight : float

    Returns
    -------
    scalar tensor
        Weighted mean; 0 where every weight is 0.
    """
    logits = logits.float()
    entropy = F.cross_entropy(logits, target.long(), reduction="none")
    loss = (entropy * weights).sum() / weights.sum().clamp_min(_EPSILON)
    return loss + dice_weight * soft_dice_loss(logits, target, weights > 0) if dice_weight else loss


def soft_dice_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """1 − mean soft Dice of the foreground classes over valid pixels (Milletari et al. 2016)."""
    probabilities = logits.softmax(1) * valid.unsqueeze(1)
    truth = F.one_hot(target.long(), logits.shape[1]).permute(0, 3, 1, 2) * valid.unsqueeze(1)
    overlap = (probabilities * truth).sum((0, 2, 3))[1:]
    total = (probabilities + truth).sum((0, 2, 3))[1:]
    return 1 - ((2 * overlap + _EPSILON) / (total + _EPSILON)).mean()


def tissue_loss(
    logits: Tensor,
    target: Tensor,
    label_smoothing: float = 0.0,
    *,
    frequency: Tensor | None = None,
    weighting: str = "none",
) -> Tensor:
    """Cross-entropy of (N, classes, 1, 1) logits against (N,) class indices.

    Parameters
    ----------
    frequency : (classes,) tensor
        Share of each class among what is drawn; 0 where a class never occurs.
    weighting : {"none", "weighted", "logit_adjustment"}
        ``weighted``: each class by 1 / frequency, so that a batch of the usual mixture has mean weight 1;
        ``logit_adjustment``: logits + log frequency (Menon et al. 2021).
    """
    scores = logits.float().flatten(1)
    weight = None
    if frequency is not None and weighting != "none":
        shares = frequency.to(scores.device).clamp_min(_RAREST)
        if weighting == "weighted":
            weight = 1 / (shares * (frequency > 0).sum())
        else:
            scores = scores + shares.log()
    if weight is None:
        return F.cross_entropy(scores, target.long(), label_smoothing=label_smoothing)
    each = F.cross_entropy(scores, target.long(), label_smoothing=label_smoothing, reduction="none")
    return (each * weight[target.long()]).mean()


def finite(loss: Tensor) -> bool:
    """True where the loss is a number training can go on with."""
    return bool(torch.isfinite(loss))
