"""Progress on stderr: one rewritten line on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from typing import TextIO

from ..progress import Progress
from ..time_left import TimeLeft

_LOG_STEP = 0.25
"""In a log, a stage says something at its start and at every quarter."""


class ProgressLine:
    """Call it with every ``Progress`` of a job; ``close`` ends the line.

    Parameters
    ----------
    label : str
        Stands before every line (the image's name).
    stream : text stream
        stderr where None.
    """

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label = label
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._stage = ""
        self._said = -1.0
        self._left = TimeLeft()
        self._width = 0

    def __call__(self, step: Progress) -> None:
        """Show ``step``."""
        if step.message:
            self.say(step.message)
        share = step.fraction
        left = self._left.told(step.stage, share)
        text = f"{self._label}: {step.stage}" + (f" {100 * share:.0f} %" if share is not None else "")
        text += f", {left}" if left else ""
        if self._live:
            self._stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
            self._stream.flush()
        elif step.stage != self._stage or (share or 0.0) >= self._said + _LOG_STEP:
            self._said = share or 0.0
            self._stream.write(text + "\n")
        self._stage = step.stage

    def say(self, sentence: str) -> None:
        """A line that stays."""
        self.close()
        self._stream.write(f"{self._label}: {sentence}\n")

    def close(self) -> None:
        """Clear the rewritten line, if there is one."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0
