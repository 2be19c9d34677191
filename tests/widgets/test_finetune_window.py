"""The panel Fine-tune, clicked: from the folder of pairs to a promoted model. The last tests open napari itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QMessageBox, QPushButton, QVBoxLayout, QWidget

from fake_jobs import FakeAnnotate, no_pixel_size
from fake_runs import FakeCheck, alive, write_comparison, write_model, write_run
from napari_cerberus.files import sha256_of
from napari_cerberus.finetune.run_state import RunState
from napari_cerberus.model.library.promotion import promoted, promotion_history
from napari_cerberus.model.spec import WEIGHTS_FILE
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.runs import fine_tuning as finetuning_module
from napari_cerberus.viewer.runs.decisions import Decision
from napari_cerberus.viewer.runs.fine_tuning import FineTuning
from napari_cerberus.viewer.session import JobState, JobStatus
from napari_cerberus.widgets import dock as dock_module
from napari_cerberus.widgets.annotate.annotate_panel import AnnotatePanel
from napari_cerberus.widgets.base.style import PRIMARY_BUTTON
from napari_cerberus.widgets.dock import CerberusDock
from napari_cerberus.widgets.finetune.closing import Answer, ClosingQuestion
from napari_cerberus.widgets.finetune.finetune_panel import FinetunePanel

YES, NO = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No


class Desk:
    """The panels Annotate and Fine-tune; checks and starts are fake, runs and models lie in folders of the test."""

    def __init__(self, qtbot: QtBot, controller: Controller, fake: FakeCheck) -> None:
        self.qtbot, self.controller, self.fake = qtbot, controller, fake
        self.finetuning = controller.finetuning
        self.annotate, self.panel = AnnotatePanel(controller), FinetunePanel(controller)
        self.window = QWidget()
        layout = QVBoxLayout(self.window)
        layout.addWidget(self.annotate)
        layout.addWidget(self.panel)
        qtbot.addWidget(self.window)
        self.window.resize(330, 900)
        self.window.show()
        controller.look_up_models()
        qtbot.waitUntil(lambda: bool(controller.session.models), timeout=20_000)

    def click(self, button: QWidget) -> None:
        assert button.isVisible(), "what cannot be seen cannot be clicked"
        assert button.isEnabled()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def settle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.finetuning.status.state.busy, timeout=10_000)

    def show(self, run: RunState) -> None:
        self.finetuning.look()
        self.finetuning.show(run.folder)

    def primary(self) -> list[str]:
        """Texts of the panel's primary buttons that can be seen."""
        buttons = self.panel.findChildren(QPushButton)
        return [one.text() for one in buttons if one.isVisible() and one.styleSheet() == PRIMARY_BUTTON]


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NAPARI_CERBERUS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(ClosingQuestion, "ask", lambda self, runs: Answer.GO_ON)


def controller_with(viewer: Any, fake: FakeCheck) -> Controller:
    finetuning = FineTuning(check=fake.check, begin=fake.begin, resume=fake.resume)
    return Controller(viewer, Memory(), annotate=FakeAnnotate(), read_pixel_size=no_pixel_size, finetuning=finetuning)


@pytest.fixture
def open_desk(qtbot: QtBot) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def factory(fake: FakeCheck | None = None) -> Desk:
        fake = fake or FakeCheck()
        made.append(Desk(qtbot, controller_with(ViewerModel(), fake), fake))
        return made[-1]

    yield factory
    for desk in made:
        desk.controller.close()


@pytest.fixture
def working() -> Iterator[Callable[..., RunState]]:
    """Makes runs whose process seems to live until the test ends."""
    with ExitStack() as stack:

        def factory(name: str = "mine", status: str = "running", **changes: Any) -> RunState:
            run = write_run(name, status, **changes)
            stack.enter_context(alive(run.folder))
            return run

        yield factory


def test_two_clicks_from_the_last_export_to_a_run(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    desk = open_desk()
    panel = desk.panel
    assert not panel.check.isEnabled(), "there is no folder yet"
    desk.controller.choose.pairs_folder(tmp_path / "pairs")
    assert panel.form.folder.text() == str(tmp_path / "pairs")
    assert desk.primary() == ["Check the pairs"]
    desk.click(panel.check)
    desk.settle()
    assert panel.report.headline.text() == "40 pairs of 12 patients in 2 categories"
    assert panel.report.cost.text() == (
        "About 7 minutes (5 to 9) and 910 MB of memory on this computer, and the comparison afterwards."
    )
    assert desk.primary() == ["Fine-tune"]
    desk.click(panel.start)
    desk.settle()
    (settings,) = desk.fake.asked
    assert settings.pairs_folder == tmp_path / "pairs"
    assert (settings.preset, settings.epochs, settings.learning_rate) == ("quick", None, None)
    assert dict(settings.augment) == {}
    assert len(desk.fake.begun) == 1
    assert panel.live.isVisible()
    assert not panel.check.isVisible()


def test_what_stops_is_said_and_fine_tune_is_not_offered(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(FakeCheck(stops=("One patient only: add pairs of a second one.",), warnings=("Few pairs.",)))
    panel = desk.panel
    panel.form.folder.setText("/pairs")
    desk.click(panel.check)
    desk.settle()
    assert panel.report.stops.text() == "One patient only: add pairs of a second one."
    assert panel.report.warnings.text() == "Few pairs."
    assert desk.primary() == ["Check the pairs"]


def test_another_form_forgets_the_check(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    panel = desk.panel
    panel.form.folder.setText("/pairs")
    desk.click(panel.check)
    desk.settle()
    panel.form.fields.preset.value = "standard"
    assert desk.primary() == ["Check the pairs"]
    assert not panel.report.isVisible()


def test_only_what_was_changed_leaves_the_preset(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    form = desk.panel.form
    assert not form.advanced.isVisible()
    desk.click(form.more.header)
    form.folder.setText("/pairs")
    form.fields.preset.value = "thorough"
    assert form.advanced.fields.epochs.value == 400, "the fields show the preset's values"
    form.advanced.fields.epochs.value = 5
    form.advanced.tasks["glands"].setChecked(True)
    form.advanced.augment["stain"].setValue(80)
    form.advanced.fields.base_model.value = "starter"
    settings = form.settings()
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (5, None, None)
    assert (settings.tasks, settings.base_model, dict(settings.augment)) == (("glands",), "starter", {"stain": 0.8})
    desk.click(form.advanced.reset)
    settings = form.settings()
    assert (settings.epochs, settings.tasks, settings.base_model, dict(settings.augment)) == (None, (), "", {})


def test_a_run_is_followed_paused_and_stopped(
    open_desk: Callable[..., Desk], working: Callable[..., RunState], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[Any] = []
    monkeypatch.setattr(finetuning_module.process, "pause", lambda folder: orders.append("pause"))
    monkeypatch.setattr(finetuning_module.process, "go_on", lambda folder: orders.append("go on"))
    monkeypatch.setattr(finetuning_module.process, "stop", lambda folder, keep: orders.append(keep))
    monkeypatch.setattr(finetuning_module.process, "command_line", lambda folder: f"train {folder.name}")
    desk, run = open_desk(), working()
    desk.show(run)
    live = desk.panel.live
    assert live.stage.text() == "Training: step 60 of 200, about 6 min left"
    assert live.curves.metrics is not None
    steps, values = live.curves.metrics.lines["glands"].getData()
    assert (list(steps), values[-1]) == ([10, 20, 30, 40, 50, 60], pytest.approx(0.62))
    assert "Polyp" in live.metrics.texts()
    assert live.tiles.caption.text() == "Tiles that judge it, step 60 (1 of 1)"
    desk.click(live.pause)
    working_again = write_run(status="paused")
    desk.finetuning.poll()
    assert working_again.folder == run.folder
    assert desk.primary() == ["Go on"]
    desk.click(live.go_on)
    for action in live.stop.menu().actions():
        action.trigger()
    assert orders == ["pause", "go on", "best", "last", "discard"]
    desk.click(live.copy)
    assert QApplication.clipboard().text() == "train mine"


def test_the_timer_moves_the_picture_on(open_desk: Callable[..., Desk], working: Callable[..., RunState]) -> None:
    desk, run = open_desk(), working()
    desk.show(run)
    write_run(step=120, seconds_left=40.0)
    desk.qtbot.waitUntil(lambda: "step 120 of 200, about 40 s" in desk.panel.live.stage.text(), timeout=5_000)


def test_an_interrupted_run_is_resumed(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    run = write_run()
    desk.finetuning.look_and_show()
    live = desk.panel.live
    assert "Interrupted" in live.message.text()
    assert desk.primary() == ["Resume"]
    desk.click(live.resume)
    desk.settle()
    assert desk.fake.resumed == [run.folder]


def test_a_better_model_is_promoted_in_one_click_and_annotate_uses_it(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    write_model("mine")
    run = write_run(status="finished", model_name="mine")
    write_comparison(run.folder)
    desk.show(run)
    comparison = desk.panel.comparison
    assert comparison.story.text() == (
        "On your 5 patients it now finds 36 of 41 glands instead of 27, and draws 4 wrongly instead of 9."
    )
    assert comparison.story.y() < comparison.verdict.y(), "told before any figure"
    assert comparison.verdict.text() == "Better"
    assert "+0.041\n+0.012 to +0.070" in comparison.table.texts()
    assert comparison.exchanged.text() == "Found by the new model alone: 12 glands. By the old one alone: 3 glands."
    assert desk.primary() == ["Promote"]
    desk.click(comparison.promote)
    assert promoted().name == "mine"
    assert promotion_history()[-1].reason == "better"
    assert desk.controller.session.model_name == "mine"
    desk.qtbot.waitUntil(lambda: desk.annotate.model.currentText() == "mine", timeout=10_000)
    assert desk.finetuning.decision is Decision.PROMOTED
    desk.click(comparison.roll_back)
    assert promoted().name == "starter"
    assert desk.controller.session.model_name == "starter"


def test_promoting_against_the_verdict_asks_once(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk()
    write_model("mine")
    run = write_run(status="finished", model_name="mine")
    write_comparison(run.folder, "worse")
    desk.show(run)
    comparison = desk.panel.comparison
    asked: list[str] = []
    answers = iter((NO, YES))

    def question(parent: Any, title: str, text: str, *rest: Any) -> Any:
        asked.append(text)
        return next(answers)

    monkeypatch.setattr(QMessageBox, "question", question)
    assert desk.primary() == ["Keep the old one"]
    desk.click(comparison.promote)
    assert promoted().name == "starter"
    desk.click(comparison.promote)
    assert promoted().name == "mine"
    assert len(asked) == 2
    assert "worse" in asked[0]


def test_a_model_without_a_proof_can_be_compared_and_a_renamed_one_promoted(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    folder = write_model("mine")
    made = write_run("mine", "finished", model_name="mine", model_sha256=sha256_of(folder / WEIGHTS_FILE))
    desk.show(made)
    comparison = desk.panel.comparison
    assert comparison.verdict.text() == "Not compared"
    desk.click(comparison.compare_models)
    desk.settle()
    assert desk.fake.resumed == [made.folder]
    write_comparison(made.folder)
    desk.show(made)
    assert not comparison.compare_models.isVisible()
    desk.controller.library.rename("mine", "ours")
    desk.click(comparison.promote)
    assert promoted().name == "ours"
    assert comparison.roll_back.isVisible()


def test_what_is_being_checked_stays_what_is_shown(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    desk = open_desk()
    desk.controller.choose.pairs_folder(tmp_path / "pairs")
    desk.click(desk.panel.check)
    desk.controller.choose.pairs_folder(tmp_path / "later")
    assert desk.panel.form.folder.text() == str(tmp_path / "pairs")
    desk.settle()
    assert desk.panel.start.isVisible()


def test_a_discarded_model_leaves_the_library(open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    desk = open_desk()
    folder = write_model("mine")
    run = write_run(status="finished", model_name="mine")
    write_comparison(run.folder, "no difference shown")
    desk.show(run)
    monkeypatch.setattr(QMessageBox, "question", lambda *rest: YES)
    desk.click(desk.panel.comparison.discard)
    assert not folder.exists()
    assert desk.finetuning.decision is Decision.DISCARDED
    assert desk.panel.comparison.said.text() == "Discarded: the model was deleted."


def test_the_details_show_every_row_and_the_pictures(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    run = write_run(status="finished", model_name="mine")
    write_comparison(run.folder)
    desk.show(run)
    desk.click(desk.panel.comparison.details)
    dialog = desk.panel.comparison.dialog
    assert dialog is not None
    assert dialog.isVisible()
    assert not dialog.isModal()
    assert "glands, Polyp" in dialog.rows.texts()
    assert "−0.002" in dialog.forgetting.texts()
    dialog.close()


def test_the_third_comparison_on_the_same_patients_is_called_so(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    run = write_run(status="finished", model_name="mine")
    write_comparison(run.folder, tries=3)
    desk.show(run)
    assert desk.panel.comparison.tries.isVisible()
    assert desk.panel.comparison.tries.text().startswith("Third comparison on these patients")
    first = write_run(status="finished", model_name="other")
    write_comparison(first.folder)
    desk.show(first)
    assert not desk.panel.comparison.tries.isVisible()


def test_a_new_model_appears_in_annotate_when_its_run_ends(
    open_desk: Callable[..., Desk], working: Callable[..., RunState]
) -> None:
    desk, run = open_desk(), working()
    desk.show(run)
    write_model("mine")
    write_run(status="finished", model_name="mine")
    desk.finetuning.poll()
    names = desk.annotate.model
    desk.qtbot.waitUntil(lambda: names.findText("mine") >= 0, timeout=10_000)
    assert names.currentText() == "starter", "nothing is used before it is promoted"


def test_an_export_is_proposed_as_the_pairs(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    desk = open_desk()
    exporter = desk.controller.export
    exporter._outcome = type("Written", (), {"root": tmp_path / "ds", "results": ["one"]})()
    desk.controller.session.export = JobStatus(state=JobState.RETURNED, message="1 pair written.")
    assert desk.panel.form.folder.text() == str(tmp_path / "ds")


@pytest.fixture
def dock(
    qtbot: QtBot, make_napari_viewer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CerberusDock]:
    """Opens the dock in a napari window."""

    def factory() -> CerberusDock:
        monkeypatch.setattr(dock_module, "Controller", lambda viewer: controller_with(viewer, FakeCheck()))
        _, found = make_napari_viewer(show=True).window.add_plugin_dock_widget("napari-cerberus")
        qtbot.waitUntil(lambda: bool(found.controller.session.models), timeout=60_000)
        return found

    return factory


def test_closing_napari_asks_what_becomes_of_the_run(
    dock: Callable[..., CerberusDock], working: Callable[..., RunState], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, run = dock(), working()
    asked: list[int] = []
    stopped: list[tuple[Path, str]] = []
    answers = iter((Answer.STAY, Answer.STOP, Answer.GO_ON))
    monkeypatch.setattr(finetuning_module.process, "stop", lambda folder, keep: stopped.append((folder, keep)))
    # on the class: a patched object would live until after napari's own check for leaks
    monkeypatch.setattr(ClosingQuestion, "ask", lambda self, runs: asked.append(runs) or next(answers, Answer.GO_ON))
    window = opened.window()

    def closes() -> bool:
        """Whether the close event goes on to the window."""
        return not opened.closing.eventFilter(window, QCloseEvent())

    assert closes()
    assert asked == [], "there is no run that the dock knows of"
    opened.controller.finetuning.look_and_show()
    window.close()
    assert window.isVisible(), "stay means stay"
    assert stopped == []
    assert closes()
    assert stopped == [(run.folder, "best")]
    assert closes()
    assert asked == [1, 1, 1]


def test_the_docks_title_fits_a_narrow_dock(dock: Callable[..., CerberusDock]) -> None:
    opened = dock()
    around = opened.parent()
    assert isinstance(around, QDockWidget)
    title = around.titleBarWidget().title
    assert title.text() == "Cerberus H&E annotation"
    assert title.sizeHint().width() < opened.minimumSizeHint().width() - 90, "three buttons and a line stand beside it"
