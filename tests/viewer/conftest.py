"""Shared by tests of the viewer side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from desk import Desk


@pytest.fixture
def make_desk(qtbot: QtBot) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def factory(**settings: Any) -> Desk:
        made.append(Desk(qtbot, **settings))
        return made[-1]

    yield factory
    for desk in made:
        desk.controller.close()
