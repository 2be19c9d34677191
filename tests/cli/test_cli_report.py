"""Progress on stderr."""

from __future__ import annotations

import io

import pytest

from napari_cerberus.cli.progress_line import ProgressLine
from napari_cerberus.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_per_stage_and_quarter() -> None:
    log = io.StringIO()
    line = ProgressLine("tile", log)
    for done in range(101):
        line(Progress("Reading", done, 100))
    line(Progress("Finding objects"))
    line.close()
    expected = [f"tile: Reading {share} %" for share in (0, 25, 50, 75, 100)] + ["tile: Finding objects"]
    assert log.getvalue().splitlines() == expected


def test_a_terminal_gets_one_line_that_is_rewritten_and_cleared() -> None:
    terminal = Terminal()
    line = ProgressLine("tile", terminal)
    line(Progress("Reading a long name", 1, 4))
    line(Progress("Done", 4, 4))
    line.close()
    text = terminal.getvalue()
    assert "\n" not in text
    assert text.split("\r")[2] == "tile: Done 100 %".ljust(len("tile: Reading a long name 25 %"))
    assert text.split("\r")[-2].strip() == ""


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["log", "terminal"])
def test_a_message_stays_on_a_line_of_its_own(stream: io.StringIO) -> None:
    line = ProgressLine("tile", stream)
    line(Progress("Reading", 0, 4))
    line(Progress("Reading", 1, 4, message="Out of memory: smaller tiles."))
    assert "tile: Out of memory: smaller tiles.\n" in stream.getvalue()
