"""Shared by tests of the real window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from correct_window import Window


@pytest.fixture
def window(qtbot: QtBot, make_napari_viewer: Callable[..., Any]) -> Window:
    """A shown napari with an annotated tile."""
    return Window(qtbot, make_napari_viewer(show=True))
