"""Nothing is lost: the journal of corrections, the offer to restore them, and saved annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from fake_jobs import TISSUE, FakeAnnotate, he_like, no_pixel_size, two_models
from napari_cerberus.annotation.journal import read_journal
from napari_cerberus.annotation.object_columns import ACCEPTED, EDITED
from napari_cerberus.annotation.store import load_annotation
from napari_cerberus.errors import DataError
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE
from napari_cerberus.viewer.io import annotation_folder, layer_looks
from napari_cerberus.viewer.io.annotation_folder import get_reader, save
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState

DOUBT = "The image is unlike all that the model learned its tissue types from."


class Sitting:
    """One opening of napari on an image."""

    def __init__(self, qtbot: QtBot, folder: Path, name: str = "tile") -> None:
        self.qtbot = qtbot
        self.viewer = ViewerModel()
        self.viewer.add_image(he_like(40, 56), rgb=True, name=name, scale=(0.5, 0.5), units=("um", "um"))
        self.controller = Controller(
            self.viewer,
            Memory(folder / "memory.json"),
            annotate=FakeAnnotate(tissue_doubt=DOUBT),
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
        self.correct.sync()
        self.choose("nuclei", 2)
        self.correct.tools.use("grow")
        self.correct.tools.number(4)
        self.choose("lumina", 1)
        self.correct.review.accept()
        self.correct.sync()
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


def test_what_was_saved_and_opened_is_not_offered_again(sit_down: Callable[..., Sitting], tmp_path: Path) -> None:
    first = sit_down()
    first.annotate()
    first.choose("lumina", 1)
    first.correct.review.accept()
    first.correct.corrections.undo()
    first.correct.save(tmp_path / "saved.cerberus")
    first.controller.close()
    second = sit_down()
    assert "2 changes" in second.correct.restore.sentence
    open_saved(second, tmp_path / "saved.cerberus")
    assert second.correct.restore.offer is None
    second.choose("glands", 1)
    second.correct.tools.use("delete")
    second.controller.close()
    third = sit_down()
    open_saved(third, tmp_path / "saved.cerberus")
    assert third.correct.restore.offer is not None, "more was done after it was saved"
    told: list[str] = []
    third.correct.corrections.said.connect(lambda sentence, problem: told.append(sentence))
    third.correct.restore.accept()
    assert "Restored 3 changes." in told


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
    first.correct.sync()
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


@pytest.mark.parametrize(("choice", "contours"), [({}, {1, 2}), ({"filled": True}, {0})])
def test_a_saved_folder_opens_as_the_display_is_set_without_the_dock_too(
    sit_down: Callable[..., Sitting],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    choice: dict[str, Any],
    contours: set[int],
) -> None:
    first = sit_down()
    first.annotate()
    first.correct.save(tmp_path / "saved.cerberus")
    memory, viewer = Memory(), ViewerModel()
    memory.remember(glands_colour="#123456", **choice)
    monkeypatch.setattr(layer_looks.Memory, "of_napari", lambda: memory)
    for module in (layer_looks, annotation_folder):
        monkeypatch.setattr(module, "current_viewer", lambda: viewer)
    for data, attributes, kind in annotation_folder.read_folder(str(tmp_path / "saved.cerberus")):
        getattr(viewer, f"add_{kind}")(data, **attributes)
    shown = {layer.name.split()[-1]: layer for layer in viewer.layers if layer.name != "tile"}
    assert {layer.contour for layer in shown.values()} == contours
    np.testing.assert_allclose(shown["glands"].get_color(1)[:3], np.array([0x12, 0x34, 0x56]) / 255, atol=1e-6)


def test_layers_that_are_none_of_ours_are_refused(tmp_path: Path) -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((4, 4), int))
    with pytest.raises(DataError, match="annotate the image first"):
        save(str(tmp_path / "x"), [layer.as_layer_data_tuple()])
    assert not (tmp_path / "x.cerberus").exists()


def saved_by_dock(sitting: Sitting, folder: Path) -> Path:
    sitting.correct.save(folder)
    assert not sitting.said
    return folder / "journal.jsonl"


def open_saved(sitting: Sitting, folder: Path) -> None:
    reader = get_reader(str(folder))
    assert reader is not None
    for data, attributes, kind in reader(str(folder)):
        getattr(sitting.viewer, f"add_{kind}")(data, **attributes)
    sitting.correct.corrections.attach_all()


def test_a_saved_folder_holds_the_history_and_goes_on_with_it(
    sit_down: Callable[..., Sitting], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sit_down()
    first.controller.choose.reviewer("Ada")
    first.annotate()
    labels = first.work()
    journal = saved_by_dock(first, tmp_path / "a.cerberus")
    replay = read_journal(journal)
    assert [record.tool for record in replay.records if record.kind == "edit"] == ["shrink", "grow", "class", "accept"]
    for task, expected in labels.items():
        np.testing.assert_array_equal(replay.labels[task], expected)
    assert load_annotation(tmp_path / "a.cerberus").saved_by == "Ada"
    first.controller.close()
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path / "another computer"))
    second = sit_down(name="renamed")
    open_saved(second, tmp_path / "a.cerberus")
    check_work(second, labels)
    effort = second.correct.effort()
    assert effort is None, "nothing was changed here yet"
    second.controller.choose.reviewer("Bob")
    second.choose("nuclei", 1)
    second.correct.tools.use("delete")
    effort = second.correct.effort()
    assert effort is not None
    assert effort["annotators"].tolist() == ["Ada, Bob"]
    assert effort[["edits", "decisions"]].iloc[0].tolist() == [4, 1]
    again = read_journal(saved_by_dock(second, tmp_path / "b.cerberus"))
    assert [record.tool for record in again.records if record.kind == "edit"][-1] == "delete"
    assert len(again.records) > len(replay.records)
    nuclei = next(one for one in second.correct.corrections if one.task == "nuclei")
    np.testing.assert_array_equal(again.labels["nuclei"], nuclei.layer.data)
    np.testing.assert_array_equal(again.labels["glands"], labels["glands"])


def test_an_untouched_annotation_is_saved_with_its_result_as_history(
    sit_down: Callable[..., Sitting], tmp_path: Path
) -> None:
    first = sit_down()
    first.annotate()
    first.choose("glands", 0)
    replay = read_journal(saved_by_dock(first, tmp_path / "a.cerberus"))
    assert [record.kind for record in replay.records] == ["result"] * 3
    assert not (tmp_path / "journals").exists(), "nothing to restore"


def test_napari_saves_the_history_and_the_readout_too(sit_down: Callable[..., Sitting], tmp_path: Path) -> None:
    first = sit_down()
    first.annotate()
    labels = first.work()
    layers = [layer.as_layer_data_tuple() for layer in first.viewer.layers]
    assert save(str(tmp_path / "a"), layers) == [str(tmp_path / "a.cerberus")]
    saved = load_annotation(tmp_path / "a.cerberus")
    assert (dict(saved.tissue), saved.tissue_doubt) == (TISSUE, DOUBT)
    replay = read_journal(tmp_path / "a.cerberus" / "journal.jsonl")
    np.testing.assert_array_equal(replay.labels["nuclei"], labels["nuclei"])


def test_the_readout_comes_back_with_a_folder_and_with_a_journal(
    sit_down: Callable[..., Sitting], tmp_path: Path
) -> None:
    first = sit_down()
    first.annotate()
    first.work()
    saved_by_dock(first, tmp_path / "a.cerberus")
    first.controller.close()
    second = sit_down()
    assert second.controller.session.readout is None
    second.correct.restore.accept()
    third = sit_down()
    open_saved(third, tmp_path / "a.cerberus")
    for sitting in (second, third):
        readout = sitting.controller.session.readout
        assert readout is not None
        assert dict(readout.tissue) == TISSUE
        assert readout.tissue_doubt == DOUBT, "a doubt is not lost"
        assert dict(readout.counts) == {"glands": 1, "lumina": 1, "nuclei": 2}
        (snapshot,) = sitting.controller.export._candidates.snapshots().values()
        assert (dict(snapshot.annotated.tissue), snapshot.annotated.tissue_doubt) == (TISSUE, DOUBT)
        (candidate,) = sitting.controller.export._candidates.list()
        assert candidate.suggestion == "", "what is doubted is not proposed"


def test_a_second_dock_of_one_window_goes_on_with_the_journal(sit_down: Callable[..., Sitting], tmp_path: Path) -> None:
    first = sit_down()
    first.annotate()
    first.work()
    first.controller.close()
    second = sit_down()
    for layer in list(first.viewer.layers)[1:]:
        first.viewer.layers.remove(layer)
        second.viewer.layers.append(layer)
    second.correct.corrections.attach_all()
    second.choose("nuclei", 1)
    second.correct.tools.use("delete")
    second.correct.sync()
    (journal,) = (tmp_path / "journals").glob("*/journal.jsonl")
    tools = [record.tool for record in read_journal(journal).records]
    assert tools[-1] == "delete"
    assert "shrink" in tools


def test_corrections_of_layers_that_were_made_anew_are_in_the_journal(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Annotate, correct, delete the result layers, annotate again, correct; nothing is closed, as after a kill."""
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path / "journals"))
    sitting = Sitting(qtbot, tmp_path)
    for kept in ("first", "second"):
        sitting.annotate()
        one = sitting.choose("glands", 1)
        sitting.correct.tools.use("grow")
        corrected = one.tracked.labels.copy()
        qtbot.waitUntil(lambda one=one: sitting.correct.autosave.path(one) is not None, timeout=5_000)
        (path,) = (tmp_path / "journals").glob("*/journal.jsonl")
        replay = read_journal(path)
        assert not replay.problem, kept
        np.testing.assert_array_equal(replay.labels["glands"], corrected)
        np.testing.assert_array_equal(replay.model_labels["glands"], one.tracked.model_labels)
        for other in list(sitting.correct.corrections):
            sitting.viewer.layers.remove(other.layer)
    results = [record for record in replay.records if record.kind == "result" and record.task == "glands"]
    assert len(results) == 2
    assert sitting.said == []
    sitting.controller.close()
