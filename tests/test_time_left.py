"""Time left, with a clock of our own."""

from __future__ import annotations

import pytest

from napari_cerberus.time_left import TimeLeft, in_words


def test_a_long_step_says_how_long_it_will_take() -> None:
    now = [0.0]
    left = TimeLeft(lambda: now[0])
    assert left.told("Reading", 0.0) == ""
    now[0] = 1.0
    assert left.told("Reading", 0.02) == "", "too early to say"
    now[0] = 4.0
    assert left.told("Reading", 0.1) == "about 35 s left"
    now[0] = 20.0
    assert left.told("Reading", 0.5) == "about 20 s left"
    assert left.told("Finding", 0.0) == "", "another step begins anew"


def test_a_short_step_and_one_of_unknown_length_say_nothing() -> None:
    now = [0.0]
    left = TimeLeft(lambda: now[0])
    left.told("Reading", 0.0)
    now[0] = 2.0
    assert left.told("Reading", 0.9) == ""
    now[0] = 60.0
    assert left.told("Reading", None) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "1 s"), (23, "25 s"), (89, "90 s"), (100, "2 min"), (600, "10 min"), (7800, "2 h 10 min")],
)
def test_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == f"about {words} left"
