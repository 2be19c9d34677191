"""Why? of a result that was opened from a file: its image is read again, by the model that made it and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer

from desk import Desk
from napari_cerberus.model.library import opening
from napari_cerberus.viewer.io.annotation_folder import read_folder
from napari_cerberus.viewer.layers import HIDDEN_LAYER
from tiny import tiny_model

SHA = "ab" * 32


@pytest.fixture
def opened(make_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk on which a saved annotation was opened with its image."""
    monkeypatch.setattr(opening, "open_model", lambda name, sha256="": tiny_model(sha256=SHA))
    first = make_desk()
    folder = tmp_path / "tile.cerberus"
    first.correct.save(folder)
    second = make_desk(annotated=False)
    for data in read_folder(str(folder)):
        if data[2] == "labels":
            second.viewer.add_layer(Layer.create(*data))
    second.qtbot.waitUntil(lambda: second.session.readout is not None, timeout=10_000)
    return second


def ask(desk: Desk) -> Any:
    reasons = desk.controller.why
    reasons.ask()
    desk.qtbot.waitUntil(lambda: bool(reasons.why.no_resemblance or reasons.why.problem), timeout=60_000)
    return reasons.why


def test_it_is_read_by_its_own_model(opened: Desk) -> None:
    why = ask(opened)
    assert why.problem == ""
    assert "keeps no tiles" in why.no_resemblance


def test_a_part_of_it_can_be_hidden_and_is_shown_again_when_the_panel_closes(opened: Desk) -> None:
    one = opened.choose("glands", 1)
    assert one.selected == 1
    reasons = opened.controller.why
    reasons.hide_object()
    opened.qtbot.waitUntil(lambda: reasons.why.hidden is not None, timeout=60_000)
    assert reasons.parts.mask((40, 56)).sum() == pytest.approx(100, rel=0.25)
    assert np.isclose(sum(reasons.why.hidden.after.values()), 1)
    reasons.put_away()
    assert HIDDEN_LAYER not in opened.viewer.layers
    assert reasons.why.hidden is None


def test_another_model_of_that_name_is_refused(opened: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "open_model", lambda name, sha256="": tiny_model(sha256="cd" * 32))
    assert "not on this computer, or was changed" in ask(opened).problem


def test_hidden_parts_are_no_region_to_annotate(opened: Desk) -> None:
    opened.choose("glands", 1)
    opened.controller.why.hide_object()
    assert HIDDEN_LAYER in opened.viewer.layers
    assert [layer.name for layer in opened.controller.layers.shapes()] == []
