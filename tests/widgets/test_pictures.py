"""Rows of tiles in a narrow column: a long row is folded between two tiles, never through one."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from napari_cerberus.widgets.finetune.pictures import FittedPicture

SIDE, GAP = 256, 4


@pytest.mark.parametrize(("tiles", "columns"), [(1, 1), (3, 3), (4, 2), (5, 3)])
def test_a_long_row_is_folded_between_tiles(qtbot: QtBot, tmp_path: Path, tiles: int, columns: int) -> None:
    row = Image.new("RGB", (tiles * (SIDE + GAP) - GAP, SIDE), "white")
    for place in range(tiles):
        row.paste((40 * place, 0, 0), (place * (SIDE + GAP), 0, place * (SIDE + GAP) + SIDE, SIDE))
    row.save(tmp_path / "row.png")
    picture = FittedPicture()
    qtbot.addWidget(picture)
    assert picture.show_file(tmp_path / "row.png")
    whole = picture._whole.toImage()
    lines = -(-tiles // columns)
    assert (whole.width(), whole.height()) == (columns * (SIDE + GAP) - GAP, lines * (SIDE + GAP) - GAP)
    for place in range(tiles):
        left, top = place % columns * (SIDE + GAP), place // columns * (SIDE + GAP)
        for x in (left, left + SIDE - 1):
            assert whole.pixelColor(x, top + SIDE // 2).red() == 40 * place, f"tile {place} is whole"


def test_what_is_no_picture_shows_nothing(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    picture = FittedPicture()
    qtbot.addWidget(picture)
    assert not picture.show_file(tmp_path / "torn.png")
    assert picture.height() == 0
