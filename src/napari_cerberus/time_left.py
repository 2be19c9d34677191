"""How long a job's step will still take, from how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable

LONG_S = 5.0
"""Of shorter steps nobody wants to know."""
_SURE_AFTER_S = 1.5
_MINUTE_S = 90.0
_MINUTES = 100


class TimeLeft:
    """Watches one job.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage = ""
        self._since, self._from = 0.0, 0.0

    def told(self, stage: str, fraction: float | None) -> str:
        """Words for the share of a step that is done now; "" where it is short, or not known yet."""
        now, share = self._clock(), fraction or 0.0
        if stage != self._stage or share < self._from:
            self._stage, self._since, self._from = stage, now, share
        elapsed, gained = now - self._since, share - self._from
        if fraction is None or gained <= 0 or elapsed < _SURE_AFTER_S:
            return ""
        left = elapsed * (1 - share) / gained
        return in_words(left) if elapsed + left > LONG_S and share < 1 else ""

    def beside(self, text: str, stage: str, fraction: float | None) -> str:
        """``text``, and behind a dot what ``told`` says, where it says something."""
        left = self.told(stage, fraction)
        return f"{text} · {left}" if left else text


def in_words(seconds: float) -> str:
    """ "about 20 s left", "about 3 min left", "about 2 h 10 min left"."""
    if seconds < _MINUTE_S:
        return f"about {max(round(seconds / 5) * 5, 1)} s left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < _MINUTES else f"about {minutes // 60} h {minutes % 60:02d} min left"
