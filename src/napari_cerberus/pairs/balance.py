"""Put groups on sides so that every category comes close to the wanted shares.

Greedy over the patients, large ones first, then improved move by move and exchange by exchange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

GROUP_WEIGHT = 0.5
"""Weight of the number of patients beside that of tiles: a side should not rest on one large patient."""

_MAX_GROUPS_TO_IMPROVE = 3000
_MAX_ROUNDS = 20
_EPSILON = 1e-12


def assign_groups(groups: Sequence[Mapping[str, int]], fractions: Sequence[float], seed: int) -> list[int]:
    """Choose a side for each group.

    Parameters
    ----------
    groups : sequence of mappings of category to number of tiles
        One a group; their order is part of the input, so sort them.
    fractions : sequence of float
        Wanted share of each side, sum 1.
    seed : int

    Returns
    -------
    list of int
        Index of the side, one a group. Every side with a share gets at least one group if there are enough.
    """
    features = _features(groups)
    order = np.random.default_rng(seed).permutation(len(groups))
    order = order[np.argsort(-features[order].sum(axis=1), kind="stable")]
    allocation = _Allocation(features, fractions)
    for group in order:
        allocation.place(group)
    allocation.fill_empty_subsets()
    if len(groups) <= _MAX_GROUPS_TO_IMPROVE:
        for _ in range(_MAX_ROUNDS):
            changed = [allocation.move(group) for group in order]
            changed += [allocation.exchange(group) for group in order]
            if not any(changed):
                break
    return [int(side) for side in allocation.sides]


def _features(groups: Sequence[Mapping[str, int]]) -> NDArray[np.float64]:
    """(groups, 2 x categories): share of the category's tiles, and of its patients, in the group."""
    categories = sorted({category for group in groups for category in group})
    counts = [[group.get(category, 0) for category in categories] for group in groups]
    tiles = np.array(counts, dtype=np.float64)
    present = (tiles > 0).astype(np.float64)
    return np.hstack([tiles / tiles.sum(axis=0), GROUP_WEIGHT * present / present.sum(axis=0)])


class _Allocation:
    """Sides of the groups so far, and the squared distance of what they hold to what is wanted."""

    def __init__(self, features: NDArray[np.float64], fractions: Sequence[float]) -> None:
        self.sides = np.full(len(features), -1)
        self._features = features
        self._targets = np.outer(fractions, features.sum(axis=0))
        self._filled = np.zeros_like(self._targets)
        self._wanted = np.asarray(fractions) > 0

    def place(self, group: int) -> None:
        """Put a group that has no side yet on the one it fits best."""
        self._set(group, int(np.argmin(self._cost_of_adding(group))))

    def fill_empty_subsets(self) -> None:
        """Give every empty side with a share its best-fitting group from a side that has several."""
        for side in np.flatnonzero(self._wanted):
            members = np.bincount(self.sides, minlength=len(self._targets))
            spare = np.flatnonzero(members[self.sides] > 1)
            if members[side] == 0 and len(spare):
                misfit = ((self._features[spare] - self._targets[side]) ** 2).sum(axis=1)
                self._set(int(spare[np.argmin(misfit)]), int(side))

    def move(self, group: int) -> bool:
        """Move a group to a better side, if there is one and its own does not become empty."""
        here = int(self.sides[group])
        if (self.sides == here).sum() == 1:
            return False
        self._filled[here] -= self._features[group]
        cost = self._cost_of_adding(group)
        self._filled[here] += self._features[group]
        best = int(np.argmin(cost))
        if cost[best] >= cost[here] - _EPSILON:
            return False
        self._set(group, best)
        return True

    def exchange(self, group: int) -> bool:
        """Exchange a group with the one of another side for which that helps most, if it helps."""
        here = int(self.sides[group])
        others = np.flatnonzero(self.sides != here)
        if not len(others):
            return False
        gain = self._features[others] - self._features[group]  # what ``here`` gains, the other side loses
        gaps = self._filled - self._targets
        cost = (2 * gain * (gaps[here] - gaps[self.sides[others]] + gain)).sum(axis=1)
        best = int(np.argmin(cost))
        if cost[best] >= -_EPSILON:
            return False
        partner = int(others[best])
        there = int(self.sides[partner])
        self._set(group, there)
        self._set(partner, here)
        return True

    def _cost_of_adding(self, group: int) -> NDArray[np.float64]:
        """Change of the squared distance for each side; infinite where nothing is wanted."""
        feature = self._features[group]
        change = (feature * (2 * (self._filled - self._targets) + feature)).sum(axis=1)
        return np.where(self._wanted, change, np.inf)

    def _set(self, group: int, side: int) -> None:
        if self.sides[group] >= 0:
            self._filled[self.sides[group]] -= self._features[group]
        self._filled[side] += self._features[group]
        self.sides[group] = side
