"""Ticks and crosses over the image: what the review has accepted and rejected in the layer one works in."""

from __future__ import annotations

from ...annotation.object_columns import ACCEPTED, REJECTED
from .review_session import Reviewing
from .sight.overlay import Box, Overlay
from .tracked_layer import TrackedLayer


class DecisionMarks:
    """Keeps the marks as the table has them.

    Parameters
    ----------
    review : Reviewing
    overlay : Overlay
    """

    def __init__(self, review: Reviewing, overlay: Overlay) -> None:
        self._review, self._overlay = review, overlay
        self._shown: tuple[list[Box], list[Box]] = ([], [])
        review.changed.connect(self._show)
        review.corrections.active_changed.connect(self._show)

    def close(self) -> None:
        """Follow the review no more."""
        self._review.changed.disconnect(self._show)
        self._review.corrections.active_changed.disconnect(self._show)

    def _show(self) -> None:
        one = self._review.corrections.active
        boxes = ([], []) if one is None else (_boxes(one, ACCEPTED), _boxes(one, REJECTED))
        if boxes != self._shown:
            self._shown = boxes
            self._overlay.decided(one, *boxes)


def _boxes(one: TrackedLayer, state: str) -> list[Box]:
    rows = one.tracked.objects
    found = (one.box(int(index)) for index in rows.loc[rows["state"] == state, "index"])
    return [box for box in found if box is not None]
