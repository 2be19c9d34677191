"""A fine-tune from the dock to its end: a real check, a real process, a real comparison; only the network is tiny."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from fake_jobs import FakeAnnotate, no_pixel_size
from finetune.conftest import computer, pairs  # noqa: F401  (fixtures)
from napari_cerberus.finetune.finetune_settings import FinetuneSettings
from napari_cerberus.finetune.run import process
from napari_cerberus.model.library.entries import list_models
from napari_cerberus.progress import Job, Progress
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.runs.fine_tuning import FineTuning
from napari_cerberus.viewer.runs.run_jobs import Checked
from napari_cerberus.widgets import dock as dock_module
from napari_cerberus.widgets.dock import CerberusDock
from napari_cerberus.widgets.finetune.closing import Answer, ClosingQuestion

CHILD = ("-P", str(Path(__file__).resolve().parents[1] / "proving_child.py"))
_LONG_MS = 240_000


def check_without_trial(settings: FinetuneSettings) -> Job[Checked]:
    """The real plan; the trial process has its own tests."""
    yield Progress("Looking at the pairs")
    from napari_cerberus.finetune.finetune_plan import prepare

    plan = yield from prepare(settings)
    cost: Any = SimpleNamespace(minutes=0.5, low=0.4, high=0.6, memory_mb=300, steps=plan.steps)
    return Checked(plan=plan, estimate=cost)


@pytest.fixture
def open_dock(
    qtbot: QtBot,
    make_napari_viewer: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    computer: Path,  # noqa: F811
) -> Iterator[Callable[[], CerberusDock]]:
    """Opens the dock; a fixture that held the dock itself would keep napari's viewer alive."""
    monkeypatch.setattr(process, "CHILD", CHILD)
    monkeypatch.setattr(ClosingQuestion, "ask", lambda self, runs: Answer.STOP)

    def make_controller(viewer: Any) -> Controller:
        finetuning = FineTuning(check=check_without_trial)
        return Controller(
            viewer, Memory(), annotate=FakeAnnotate(), read_pixel_size=no_pixel_size, finetuning=finetuning
        )

    monkeypatch.setattr(dock_module, "Controller", make_controller)

    def factory() -> CerberusDock:
        return make_napari_viewer(show=True).window.add_plugin_dock_widget("napari-cerberus")[1]

    yield factory
    for one in process._started:
        one.kill()
        one.wait()


def test_from_the_dock_to_a_proven_model(
    qtbot: QtBot,
    open_dock: Callable[[], CerberusDock],
    pairs: Path,  # noqa: F811
) -> None:
    dock = open_dock()
    dock.steps.show_step("learn")
    panel, finetuning = dock.finetune, dock.controller.finetuning
    form = panel.form
    form.folder.setText(str(pairs))
    form.fields.preset.value = "standard"
    form.advanced.fields["name"].value = "mine"
    form.advanced.fields.epochs.value = 2

    def click(button: Any) -> None:
        qtbot.waitUntil(lambda: button.isVisible() and button.isEnabled(), timeout=_LONG_MS)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    qtbot.waitUntil(lambda: "base" in form.advanced.fields.base_model.choices, timeout=_LONG_MS)
    form.advanced.fields.base_model.value = "base"
    click(panel.check)
    qtbot.waitUntil(lambda: not finetuning.status.state.busy, timeout=_LONG_MS)
    assert finetuning.checked is not None, finetuning.status.message
    assert panel.report.headline.text() == "10 pairs of 10 patients in 2 categories"
    assert finetuning.checked.plan.stops == ()
    click(panel.start)
    qtbot.waitUntil(lambda: finetuning.state is not None, timeout=_LONG_MS)
    qtbot.waitUntil(lambda: not finetuning.state.live, timeout=_LONG_MS)
    state = finetuning.state
    log = (state.folder / process.LOG_FILE).read_text(encoding="utf-8", errors="replace")
    assert state.status == "finished", f"{state.message}\n{log}"
    assert (state.model_name, state.base_name) == ("mine", "base")
    assert finetuning.comparison is not None, state.message
    assert panel.comparison.isVisible()
    assert panel.comparison.sentence.text() == finetuning.comparison.sentence
    assert panel.live.curves.metrics is not None
    assert "mine" in [entry.name for entry in list_models()]
    qtbot.waitUntil(lambda: dock.annotate.model.findText("mine") >= 0, timeout=_LONG_MS)
    assert "train" in finetuning.command_line()
