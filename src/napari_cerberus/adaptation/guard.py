"""Never worse: what is kept of new weights is decided by finished pixels that did not teach them.

The finished area is cut in two; each half judges the weights that the other half taught. How much of the new weights
is kept, none at all too, is what these judgements allow: a gain of both halves together, and no half that loses pixels.
Where the model sees well already, a small gain is more often chance than not, and more is asked for.
A half holds a few objects, so one that is missed moves every figure of objects by much: halves are compared by pixels.
The five numbers were chosen on validation fields (``benchmarks/corner.py --side validation``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .finished_ground import Ground, Mask, halves, objects_in
from .held_out import Sums, pixel_dice, quality, together

LEAST_GAIN = 0.03
"""Of the quality of both halves together: less is called nothing."""
GOOD_DICE, LEAST_GAIN_OF_GOOD = 0.8, 0.1
"""Pixel Dice of both halves together from which on a model sees well, and what it must gain then."""
MOST_LOSS = 0.05
"""Of the pixel Dice of either half."""
MOST_DRIFT = 0.35
"""How much less the new answer may agree with the old one where nobody looked than where it was checked (Dice)."""

Fold = dict[int, Mask]
"""Held-out pixels by number of sheet."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the held-out pixels say of one task.

    Attributes
    ----------
    keep : float
        Share of the new weights to keep; 0 where nothing was gained.
    before, after : float
        Quality of the held-out parts, before and with what is kept.
    """

    keep: float
    before: float
    after: float

    @property
    def gain(self) -> float:
        """Quality gained."""
        return self.after - self.before


def folds(grounds: Sequence[tuple[int, Ground]]) -> tuple[Fold, Fold]:
    """Two held-out parts of what is new in the finished area."""
    first: Fold = {}
    second: Fold = {}
    for place, ground in grounds:
        first[place], second[place] = halves(ground.fresh, ground.labels > 0)
    return first, second


def why_not(grounds: Sequence[tuple[int, Ground]], task: str) -> str:
    """Why nothing can be judged from these areas, in one sentence; empty where it can be."""
    drawn = sum(objects_in(ground.labels, ground.counted) for _place, ground in grounds)
    fresh = sum(objects_in(ground.labels, ground.fresh) for _place, ground in grounds)
    if not any(ground.fresh.any() for _place, ground in grounds):
        return f"{task.capitalize()}: no area was finished since the model learned last."
    if not drawn:
        return f"{task.capitalize()}: the finished area holds none, so it cannot show how they look; finish another."
    if not fresh:
        return f"{task.capitalize()}: the new finished area holds none to check with; finish one that does."
    return ""


def choose(before: Sequence[Sums], after: Mapping[float, Sequence[Sums]]) -> Verdict:
    """How much of the new weights to keep.

    Parameters
    ----------
    before : sequence of Sums
        Of each held-out part, with the weights as they were.
    after : mapping of share to sequence of Sums
        The same parts, with so much of the new weights.
    """
    whole = together(before)
    start = quality(whole)
    needed = LEAST_GAIN_OF_GOOD if pixel_dice(whole) >= GOOD_DICE else LEAST_GAIN
    best = Verdict(keep=0.0, before=start, after=start)
    for keep in sorted(after):
        value = quality(together(after[keep]))
        if any(loses(old, new) for old, new in zip(before, after[keep], strict=True)):
            continue
        if value >= start + needed and value > best.after:
            best = Verdict(keep=keep, before=start, after=value)
    return best


def lost(before: Sums, after: Mapping[float, Sums]) -> bool:
    """Whether one held-out part alone forbids every share."""
    return all(loses(before, one) for one in after.values())


def loses(before: Sums, after: Sums) -> bool:
    """Whether a held-out part has lost pixels."""
    return pixel_dice(before) - pixel_dice(after) > MOST_LOSS


def drifts(agreement_checked: float, agreement_elsewhere: float) -> bool:
    """Whether an answer changed far more where nobody looked than where it was checked."""
    return agreement_checked - agreement_elsewhere > MOST_DRIFT
