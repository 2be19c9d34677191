"""Loads torch and the chosen model beside the window as soon as the dock is open, so that the first click is fast."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ...progress import Job, Progress
from ..session import Device, Session
from ..worker import End, Failed, JobRunner

LOADING = "The model is being loaded in the background; you can choose and annotate already."
logger = logging.getLogger(__name__)


class ModelLoading:
    """Follows the choice of model and device.

    Parameters
    ----------
    session : Session
        ``model_loading`` is written.
    load : callable or None
        ``(model name, device) -> Job``; None loads nothing before the click.
    """

    def __init__(self, session: Session, load: Callable[[str, Device], Job[Any]] | None) -> None:
        self._session, self._load = session, load
        self._jobs = JobRunner("Loading the model")
        self._loaded: tuple[str, Device] | None = None
        self._closed = False
        for signal in (session.events.models, session.events.model_name, session.events.device):
            signal.connect(self.follow)

    @property
    def busy(self) -> bool:
        """Whether a model is being loaded."""
        return self._jobs.busy

    def follow(self, *_: Any) -> None:
        """Load what is chosen now, unless that was done; while another is being loaded, afterwards."""
        wanted = (self._session.model_name, self._session.device)
        load = self._load
        if load is None or self._closed or self._session.model is None or wanted == self._loaded or self._jobs.busy:
            return
        self._loaded = wanted
        self._session.model_loading = LOADING
        self._jobs.start(lambda: load(*wanted), on_progress=_nothing, on_end=self._on_end)

    def stop(self) -> None:
        """Leave the processor to a click; what is loaded stays loaded."""
        self._jobs.cancel()

    def forget(self) -> None:
        """The library changed: load the chosen model anew."""
        self._loaded = None

    def close(self) -> None:
        """Stop. Safe to call twice."""
        self._closed = True
        self._jobs.close()

    def _on_end(self, end: End) -> None:
        self._session.model_loading = ""
        if isinstance(end, Failed):  # the click says it, and what to do
            logger.warning("The model could not be loaded ahead", exc_info=end.error)
        self.follow()


def _nothing(step: Progress) -> None:
    """A progress bar for what nobody asked for would be in the way."""
