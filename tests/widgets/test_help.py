"""Help: the tutorial offline, the tour, and a report that names nobody."""

from __future__ import annotations

import logging
import re
import tomllib
from pathlib import Path

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QFileDialog

from correct_window import Window
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.problem_report import SessionLog
from napari_cerberus.widgets.help.tour import STEPS
from napari_cerberus.widgets.help.tutorial_dialog import tutorial_path
from napari_cerberus.widgets.models.card_dialog import _card_text


def pictures(text: str) -> set[str]:
    return set(re.findall(r"\((images/[^)]+)\)", text))


def test_help_opens_the_tutorial_without_a_network(window: Window) -> None:
    window.dock.help.help.click()
    dialog = window.dock.help.dialog
    assert dialog is not None
    assert "From a click to a saved annotation" in dialog.text.toPlainText()
    assert dialog.text.document().baseUrl().isLocalFile()
    assert dialog.text.document().size().height() > 3000, "the pictures are there"
    assert dialog.text.horizontalScrollBar().maximum() == 0, "and none is wider than the window"
    assert all((tutorial_path().parent / one).is_file() for one in pictures(dialog.text.toMarkdown()))


def test_the_wheel_carries_the_tutorial_and_its_pictures(project_root: Path) -> None:
    settings = tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))
    carried = set(settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"])
    text = (project_root / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert carried == {"docs/tutorial.md", *(f"docs/{one}" for one in pictures(text))}


def test_a_report_has_what_helps_and_no_name(window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = window.dock.controller
    window.viewer.layers["tile"].name = "Smith_John_1961"
    controller.choose.reviewer("Dr Jones")
    controller.choose.pairs_folder(Path("/home/jones/pairs of Smith"))
    try:
        raise OSError("/home/jones/Smith.tif is damaged")
    except OSError:
        logging.getLogger("napari_cerberus.test").warning(
            "%s could not be read.", "/home/jones/Smith.tif", exc_info=True
        )
    path = tmp_path / "problem.md"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), ""))
    window.dock.help.problem.click()
    said = [str(one.message) for one in notification_manager.records]
    assert any(str(path) in one for one in said), "it is said that the file was written, and where"
    text = path.read_text(encoding="utf-8")
    for helps in (
        "napari-cerberus ",
        "torch ",
        "Python 3",
        "pixel size = 0.5",
        "could not be read",
        "OSError at test_help.py",
    ):
        assert helps in text
    for name in ("Smith", "Jones", "jones", "/home", "1961"):
        assert name not in text


def test_two_docks_share_one_log() -> None:
    assert SessionLog.of_package() is SessionLog.of_package()


def test_the_tour_goes_on_with_what_is_done(window: Window) -> None:
    tour = window.dock.tour
    assert not tour.isVisible(), "nothing is remembered here, so it would come every time"
    window.dock.help.tour.click()
    assert tour.words.text() == STEPS[0]
    tour.forward.click()
    assert "synthetic colon" in window.viewer.layers
    assert tour.step == 1
    window.viewer.layers.selection.active = window.viewer.layers["tile"]
    window.dock.annotate.annotate.click()
    window.qtbot.waitUntil(lambda: tour.step == 2, timeout=60_000)
    window.layer("nuclei")
    window.dock.controller.correct.review.next()
    assert tour.step == 3
    assert tour.forward.text() == "Done"
    tour.forward.click()
    assert not tour.isVisible()


def test_a_tour_that_was_skipped_is_not_offered_again(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.json")
    assert memory.lasts
    assert not memory.preferences().tour_seen
    memory.remember(tour_seen=True)
    assert Memory(tmp_path / "memory.json").preferences().tour_seen


def test_a_model_card_begins_in_plain_words(window: Window) -> None:
    text = _card_text(window.dock.controller.session.models[0])
    first = text.split("\n\n")[0]
    assert first.startswith("This model finds nuclei, glands, lumina, the tissue type")
    assert "not for diagnosis" in first
    assert "SHA" not in first
