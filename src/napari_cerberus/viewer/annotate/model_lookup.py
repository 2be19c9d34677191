"""Fills the list of models beside the window, and chooses the one in use where none is chosen."""

from __future__ import annotations

from collections.abc import Callable

from napari.utils.notifications import show_warning

from ...errors import CerberusError, ModelError
from ...model.library.promotion import promoted
from ...progress import Job, Progress
from ..session import ModelChoice, Session
from ..worker import Cancelled, End, Failed, JobRunner

ModelList = Callable[[], Job[tuple[ModelChoice, ...]]]


class ModelLookup:
    """Looks up the models on this computer.

    Parameters
    ----------
    session : Session
        ``models`` and, where it names none of them, ``model_name`` are written.
    list_models : callable
        Makes the job that looks them up.
    lent : callable
        Models of this session alone, listed after them.
    fail : callable
        Shows why there is no list.
    """

    def __init__(
        self,
        session: Session,
        list_models: ModelList,
        lent: Callable[[], tuple[ModelChoice, ...]],
        fail: Callable[[CerberusError], None],
    ) -> None:
        self.list_models = list_models
        self._session, self._lent, self._fail = session, lent, fail
        self._jobs = JobRunner("Looking for models")
        self._look_again = False

    def look(self) -> None:
        """List the models; while they are being listed, once more afterwards."""
        if self._jobs.busy:
            self._look_again = True
            return
        self._look_again = False
        self._jobs.start(self.list_models, on_progress=_warn, on_end=self._on_end)

    def close(self) -> None:
        """Stop the work and wait for it. Safe to call twice."""
        self._jobs.close()

    def _on_end(self, end: End) -> None:
        if isinstance(end, Cancelled):
            return
        if isinstance(end, Failed):
            self._fail(end.error)
            return
        if self._look_again:
            self.look()
        self._session.models = (*end.result, *self._lent())
        if not end.result:
            self._fail(ModelError("No model was found; install napari-cerberus again or add a model."))
        elif self._session.model is None:
            used, names = promoted().name, [model.name for model in end.result]
            self._session.model_name = used if used in names else names[0]


def _warn(step: Progress) -> None:
    """Say that the promoted model is gone."""
    if step.message:
        show_warning(step.message)
