"""A call that waits for the end of a burst of events: what a brush does in one stroke is followed and written once."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QCoreApplication, QTimer

AFTER_MS = 120
"""So soon after a stroke of napari's brush the object table follows it and the journal has it."""


class Soon:
    """Calls a function once, a moment after it was last asked to; without a Qt application nothing is called.

    Parameters
    ----------
    function : callable
        Called on the thread of the Qt application.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._timer: QTimer | None = None

    def start(self) -> None:
        """Call the function ``AFTER_MS`` from now, instead of at the moment that was planned before."""
        if self._timer is None and QCoreApplication.instance() is not None:
            self._timer = QTimer(QCoreApplication.instance())  # outlives the windows, which stop it
            self._timer.setSingleShot(True)
            self._timer.setInterval(AFTER_MS)
            self._timer.timeout.connect(self._function)
        if self._timer is not None:
            self._timer.start()

    def stop(self) -> None:
        """Forget what was planned. Safe to call twice."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.timeout.disconnect(self._function)
            timer.deleteLater()
