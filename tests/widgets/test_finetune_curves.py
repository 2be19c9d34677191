"""The curves of a run: what is drawn, and how often."""

import math

import pytest
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication

from napari_cerberus.finetune.run_state import Point
from napari_cerberus.widgets.finetune.training_curves import Curves, load_library, round_above

STEPS = 100


def history(count: int) -> list[Point]:
    """One point every fifth step, figures every tenth."""
    steps = [5 * (number + 1) for number in range(count)]
    return [
        Point(step=step, losses={"glands": 3.2 / step}, metrics={"glands": step / 200} if step % 10 == 0 else {})
        for step in steps
    ]


class Paints(QObject):
    """Counts the paintings of some widgets."""

    count = 0

    def eventFilter(self, _widget: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt calls it so
        self.count += event.type() == QEvent.Type.Paint
        return False


@pytest.fixture
def curves(qtbot) -> Curves:
    curves = Curves()
    qtbot.addWidget(curves)
    curves.show_points(history(2), STEPS, 10)
    with qtbot.waitExposed(curves):
        curves.show()
    return curves


def test_a_new_point_draws_each_plot_once(curves: Curves, qtbot) -> None:
    qtbot.wait(200)
    counter = Paints()
    for plot in (curves.losses, curves.metrics):
        plot.widget.viewport().installEventFilter(counter)
    curves.show_points(history(8), STEPS, 40)
    qtbot.wait(200)
    assert counter.count == 2
    assert list(curves.losses.lines["glands"].getData()[0]) == [5, 10, 15, 20, 25, 30, 35, 40]


def test_while_points_are_awaited_the_empty_plots_come_one_after_the_other(qtbot) -> None:
    curves = Curves()
    qtbot.addWidget(curves)
    load_library()
    curves.show_points([], STEPS)
    assert curves.isHidden()
    qtbot.wait(300)
    assert curves.losses is None
    curves.show_points([], STEPS, awaited=True)
    qtbot.waitUntil(lambda: curves.losses is not None, timeout=20_000)
    assert curves.metrics is None
    qtbot.waitUntil(lambda: curves.metrics is not None)
    assert curves.isVisible()
    assert not curves.losses.lines


def test_a_run_without_points_does_not_show_those_of_another(curves: Curves) -> None:
    curves.show_points([], STEPS, awaited=True)
    assert curves.isVisible()
    assert not curves.losses.lines
    curves.show_points([], STEPS)
    assert curves.isHidden()


def test_axes_span_the_run_and_a_round_loss(curves: Curves) -> None:
    QApplication.processEvents()
    (left, right), (bottom, top) = curves.losses.widget.viewRange()
    assert left < 0 < STEPS < right < 1.1 * STEPS
    assert bottom < 0 < 1.0 < top < 1.1  # the highest loss, 0.64, rounded above
    curves.show_points(history(30), STEPS)  # a run that somebody made longer
    assert curves.losses.widget.viewRange()[0][1] > 150


@pytest.mark.parametrize(
    ("value", "above"), [(0.64, 1.0), (0.2, 0.2), (0.21, 0.5), (7, 10), (130, 200), (0, 1), (math.nan, 1)]
)
def test_round_figures(value: float, above: float) -> None:
    assert round_above(value) == pytest.approx(above)
