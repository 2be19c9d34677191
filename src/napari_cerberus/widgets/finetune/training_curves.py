"""How training goes: losses above, validation figures below, one colour a task.

Every drawing goes through napari's whole window, so there is one at a time: the axes span the whole run and a round
figure from the start, instead of following the data, which costs pyqtgraph a second drawing; and the empty plots are
made one after the other while the run still loads.
"""

from __future__ import annotations

import importlib
import math
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...finetune.run_state import Point
from ...viewer.colours import task_colour
from ..base.style import SPACING_PX, small_label

_HEIGHT_PX = 130
_AXIS_WIDTH_PX = 34
_GREY = (128, 128, 128)
_MARK = (45, 125, 210)
_LIBRARY = "pyqtgraph"
_PIECE_EVERY_MS = 100
_TITLES = ("Error on the tiles it learns from", "Agreement with your outlines on the others: 1 is perfect")


_loader = threading.Thread(target=importlib.import_module, args=(_LIBRARY,), daemon=True)


def load_library() -> None:
    """Load pyqtgraph in a thread, before there is anything to draw: it takes a third of a second."""
    if _loader.ident is None:
        _loader.start()


def _is_loaded() -> bool:
    """Whether pyqtgraph is there as a whole: to import it while a thread does would wait for that."""
    return _LIBRARY in sys.modules and not _loader.is_alive()


class Curves(QWidget):
    """Two plots over the same steps."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(SPACING_PX // 2)
        self.losses: _Plot | None = None
        self.metrics: _Plot | None = None
        self._shown: tuple[Point, ...] = ()
        self._pieces = QTimer(self)
        self._pieces.setInterval(_PIECE_EVERY_MS)
        self._pieces.timeout.connect(self._make_a_piece)
        self.hide()

    def show_points(self, history: Sequence[Point], steps: int, best_step: int = 0, *, awaited: bool = False) -> None:
        """Draw the curves of a run of ``steps``; ``best_step`` is marked in the lower plot.

        Where there are no points, nothing is shown, or else the empty plots, if points are ``awaited``.
        """
        points = tuple(history)
        if not points:
            self._wait(awaited)
            return
        self._pieces.stop()
        self.show()
        losses, metrics = self._plots()
        if points != self._shown:
            losses.draw({task: _series(points, "losses", task) for task in _tasks(points, "losses")})
            metrics.draw({task: _series(points, "metrics", task) for task in _tasks(points, "metrics")})
            last = max(steps, points[-1].step)
            losses.span(last, round_above(max(max(point.losses.values(), default=0.0) for point in points)))
            metrics.span(last, 1.0)
            self._shown = points
        metrics.mark(best_step)

    def _wait(self, awaited: bool) -> None:
        if self._shown:
            for plot in self._plots():
                plot.clear()
            self._shown = ()
        self.setVisible(awaited and self.losses is not None)
        if awaited and self.metrics is None:
            load_library()
            self._pieces.start()
        else:
            self._pieces.stop()

    def _make_a_piece(self) -> None:
        if not _is_loaded():
            return
        if self.losses is None:
            self.losses = self._add(_TITLES[0])
            self.show()
        else:
            self._plots()
            self._pieces.stop()

    def _plots(self) -> tuple[_Plot, _Plot]:
        self.losses = self.losses or self._add(_TITLES[0])
        self.metrics = self.metrics or self._add(_TITLES[1])
        return self.losses, self.metrics

    def _add(self, title: str) -> _Plot:
        plot = _Plot()
        self._layout.addWidget(small_label(title))
        self._layout.addWidget(plot.widget)
        return plot


class _Plot:
    """One plot of lines, light enough to be redrawn every second."""

    def __init__(self) -> None:
        # napari has loaded its Qt by now, and pyqtgraph takes the one that is there
        import pyqtgraph

        self._library: Any = pyqtgraph
        self.widget: Any = pyqtgraph.PlotWidget(background=None)
        self.widget.setFixedHeight(_HEIGHT_PX)
        self.widget.setMenuEnabled(False)
        self.widget.setMouseEnabled(x=False, y=False)
        self.widget.hideButtons()
        self.widget.showGrid(x=False, y=True, alpha=0.25)
        for side in ("left", "bottom"):
            axis = self.widget.getAxis(side)
            axis.setPen(_GREY)
            axis.setTextPen(_GREY)
        self.widget.getAxis("left").setWidth(_AXIS_WIDTH_PX)
        self.widget.disableAutoRange()
        self._span = (0, 0.0)
        self.lines: dict[str, Any] = {}
        self._mark: Any = None

    def draw(self, series: Mapping[str, tuple[list[int], list[float]]]) -> None:
        """Draw one line a task; lines of tasks that are gone are taken away."""
        for task in [task for task in self.lines if task not in series]:
            self.widget.removeItem(self.lines.pop(task))
        for task, (steps, values) in series.items():
            if task not in self.lines:
                pen = self._library.mkPen(task_colour(task), width=2)
                dots = {"symbol": "o", "symbolSize": 4, "symbolBrush": task_colour(task), "symbolPen": None}
                self.lines[task] = self.widget.plot(pen=pen, **dots)
            self.lines[task].setData(steps, values)

    def span(self, steps: int, top: float) -> None:
        """Let the axes go from 0 to these."""
        if (steps, top) != self._span:
            self._span = (steps, top)
            self.widget.setRange(xRange=(0, max(steps, 1)), yRange=(0.0, top), padding=0.02)

    def clear(self) -> None:
        """Take everything away but the axes."""
        self.draw({})
        self.mark(0)

    def mark(self, step: int) -> None:
        """A vertical line at the best step; 0 shows none."""
        if self._mark is None:
            dashes = self._library.QtCore.Qt.PenStyle.DashLine
            self._mark = self._library.InfiniteLine(angle=90, pen=self._library.mkPen(_MARK, width=1, style=dashes))
            self.widget.addItem(self._mark)
        self._mark.setVisible(step > 0)
        self._mark.setValue(step)


def round_above(value: float) -> float:
    """The next of 1, 2 or 5 times a power of ten that is not below ``value``; 1 for what has none."""
    if not (math.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= value * (1 - 1e-9))


def _tasks(points: Sequence[Point], field: str) -> list[str]:
    return list(dict.fromkeys(task for point in points for task in getattr(point, field)))


def _series(points: Sequence[Point], field: str, task: str) -> tuple[list[int], list[float]]:
    """Steps and values of the points that have one."""
    having = [point for point in points if task in getattr(point, field)]
    return [point.step for point in having], [getattr(point, field)[task] for point in having]
