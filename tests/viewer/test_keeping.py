"""Nothing is lost: the journal of corrections, the offer to restore them, and saved annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from fake_jobs import FakeAnnotate, he_like, no_pixel_size, two_models
from napari_cerberus.annotation.table import ACCEPTED, EDITED
from napari_cerberus.errors import DataError
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.keeping import JOURNALS_VARIABLE
from napari_cerberus.viewer.memory import Memory
from napari_cerberus.viewer.reader import get_reader
from napari_cerberus.viewer.saving import save
from napari_cerberus.viewer.session import JobState


class Sitting:
    """One opening of napari on an image."""

    def __init__(self, qtbot: QtBot, folder: Path, name: str = "tile") -> None:
        self.qtbot = qtbot
        self.viewer = ViewerModel()
        self.viewer.add_image(he_like(40, 56), rgb=True, name=name, scale=(0.5, 0.5), units=("um", "um"))
        self.controller = Controller(
            self.viewer,
            Memory(folder / "memory.json"),
            annotate=FakeAnnotate(),
            list_models=two_models,
            read_pixel_size=no_pixel_size,
        )
        self.correct = self.controller.correct
        self.said: list[str] = []
        self.correct.corrections.said.connect(self._keep)

    def _keep(self, sentence: str, problem: bool) -> None:
        if problem:
            self.said.append(sentence)

    def annotate(self) -> None:
        self.controller.annotate()
        self.qtbot.waitUntil(lambda: self.controller.session.job.state is JobState.RETURNED, timeout=60_000)

    def choose(self, task: str, index: int) -> Any:
        one = next(one for one in self.correct.corrections if one.task == task)
        self.viewer.layers.selection.active = one.layer
        self.correct.corrections.choose(one, index)
        return one

    def work(self) -> dict[str, np.ndarray[Any, Any]]:
        """Two corrections and two decisions; the labels after them."""
        self.choose("glands", 1)
        self.correct.tools.use("shrink")
        self.correct.follow()
        self.choose("nuclei", 2)
        self.correct.tools.use("grow")
        self.correct.tools.number(4)
        self.choose("lumina", 1)
        self.correct.review.accept()
        self.correct.follow()
        return {one.task: np.array(one.layer.data) for one in self.correct.corrections}


@pytest.fixture
def sit_down(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sitting]]:
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path / "journals"))
    made: list[Sitting] = []

    def factory(**settings: Any) -> Sitting:
        made.append(Sitting(qtbot, tmp_path, **settings))
        return made[-1]

    yield factory
    for sitting in made:
        sitting.controller.close()


def check_work(sitting: Sitting, labels: dict[str, np.ndarray[Any, Any]]) -> None:
    """Layers, states and classes are as ``Sitting.work`` left them."""
    found = {one.task: one for one in sitting.correct.corrections}
    assert set(found) == set(labels)
    for task, one in found.items():
        np.testing.assert_array_equal(one.layer.data, labels[task])
    states = {task: one.layer.features.set_index("index")["state"].to_dict() for task, one in found.items()}
    assert states["glands"][1] == EDITED
    assert states["nuclei"][2] == EDITED
    assert states["lumina"][1] == ACCEPTED
    assert found["nuclei"].layer.features.set_index("index").loc[2, "class"] == "plasma"
    assert found["glands"].has_work
    assert (found["glands"].tracked.model_labels == 1).sum() == 100, "the model's own result is known too"


def test_an_image_that_was_corrected_is_offered_again_under_any_name(sit_down: Callable[..., Sitting]) -> None:
    first = sit_down()
    assert first.correct.restore.offer is None
    first.annotate()
    labels = first.work()
    first.controller.close()
    second = sit_down(name="renamed")
    assert "You corrected this image before" in second.correct.restore.sentence
    second.correct.restore.accept()
    check_work(second, labels)
    assert second.correct.restore.offer is None
    assert second.viewer.layers[0].name == "renamed"
    np.testing.assert_allclose(second.viewer.layers["renamed glands"].scale, (0.5, 0.5))
    second.choose("glands", 1)
    second.correct.tools.use("delete")
    second.controller.close()
    third = sit_down()
    third.correct.restore.accept()
    glands = next(one for one in third.correct.corrections if one.task == "glands")
    assert not np.any(glands.layer.data), "the journal went on after it was restored"


def test_a_crash_loses_nothing_that_was_flushed(sit_down: Callable[..., Sitting], tmp_path: Path) -> None:
    first = sit_down()
    first.annotate()
    labels = first.work()
    (journal,) = (tmp_path / "journals").glob("*/journal.jsonl")
    written = journal.read_bytes()
    first.controller.close()
    journal.write_bytes(written[: len(written)] + b"12345678 {half a li")
    second = sit_down()
    assert "cut off" in second.correct.restore.sentence
    second.correct.restore.accept()
    check_work(second, labels)


def test_undo_goes_to_the_journal_too(sit_down: Callable[..., Sitting]) -> None:
    first = sit_down()
    first.annotate()
    one = first.choose("glands", 1)
    before = np.array(one.layer.data)
    first.correct.tools.use("delete")
    first.correct.follow()
    first.correct.corrections.undo()
    first.controller.close()
    second = sit_down()
    second.correct.restore.accept()
    np.testing.assert_array_equal(second.viewer.layers["tile glands"].data, before)


def test_a_declined_offer_stays_on_disk(sit_down: Callable[..., Sitting], tmp_path: Path) -> None:
    first = sit_down()
    first.annotate()
    first.work()
    first.controller.close()
    second = sit_down()
    second.correct.restore.decline()
    second.annotate()
    second.work()
    second.controller.close()
    assert list((tmp_path / "journals").glob("*/journal.1.jsonl")), "the older journal is set aside, not overwritten"


def test_without_corrections_nothing_is_written(sit_down: Callable[..., Sitting], tmp_path: Path) -> None:
    first = sit_down()
    first.annotate()
    first.controller.close()
    assert not (tmp_path / "journals").exists()


def test_a_folder_that_cannot_be_written_is_said_once(
    sit_down: Callable[..., Sitting], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path / "file"))
    first = sit_down()
    first.annotate()
    labels = first.work()
    warnings = [sentence for sentence in first.said if "stay in memory" in sentence]
    assert len(warnings) == 1
    check_work(first, labels)


def test_save_and_open(sit_down: Callable[..., Sitting], tmp_path: Path) -> None:
    first = sit_down()
    first.annotate()
    labels = first.work()
    first.correct.save(tmp_path / "saved.cerberus")
    assert not first.said
    first.controller.close()
    reader = get_reader(str(tmp_path / "saved.cerberus"))
    assert reader is not None
    second = sit_down()
    for data, attributes, kind in reader(str(tmp_path / "saved.cerberus")):
        getattr(second.viewer, f"add_{kind}")(data, **attributes)
    second.correct.corrections.attach_all()
    check_work(second, labels)


def test_layers_that_are_none_of_ours_are_refused(tmp_path: Path) -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((4, 4), int))
    with pytest.raises(DataError, match="annotate the image first"):
        save(str(tmp_path / "x"), [layer.as_layer_data_tuple()])
    assert not (tmp_path / "x.cerberus").exists()
