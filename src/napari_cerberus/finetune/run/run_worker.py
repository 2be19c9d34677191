"""What the child process does once it is its turn: train, put the model into the library, compare it with its base."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ...errors import CerberusError, DataError, OutputError
from ...model.checkpoint import Model
from ...model.library.opening import open_model
from ...model.spec import load_spec
from ...progress import Job, run_to_end
from ...training.config_file import read_config
from ...training.data.precheck import CheckedTiles
from ...training.early_stopping import Keep
from ...training.engine.callbacks import Callback, ValidationResult
from ...training.engine.training_run import run_training
from ...training.run_folder import (
    CHECKPOINT_FILE,
    FEATURES_FOLDER,
    MODEL_FOLDER,
    has_checkpoint,
    read_metrics,
    training_folders,
)
from ...training.torch_errors import DeviceLostError, MemoryRanOutError
from ...training.transfer.initial_weights import open_base
from ..pairs_fingerprint import changes, fingerprint
from ..run_command import POLL_S, RunCommand, StoppedError, read_command, write_command
from .config_changes import end_here, on_the_cpu, with_smaller_batches
from .plan_record import RunPlan, read_plan
from .process import CONFIG_FILE, TRAINING_FOLDER
from .recalibration import CALIBRATED_FOLDER, fitted_anew
from .registration import register
from .state_reporter import Reporter
from .validation_pictures import draw_overlays

Result = TypeVar("Result")
_LEARNING = ("Training", "Validating")


def learn(reporter: Reporter) -> None:
    """Train from the run folder's config, or go on with it; register the model; compare it with its base.

    Raises
    ------
    CerberusError
        If it cannot be done; the base model and the library are as they were.
    StoppedError
        If the user wants nothing kept.
    """
    reporter.mention(message="")
    folder = reporter.state.folder
    plan = read_plan(folder)
    trained, base = reporter.state.early_stop, None
    if not reporter.state.model_name:
        _refuse_changed(plan, reporter)
        base = open_base(read_config(folder / CONFIG_FILE))
        model_folder = _train(reporter, WorkerCallback(reporter), plan, base)
        record = load_spec(model_folder)[0].provenance
        share = record.get("share", {})
        if share and not share["gained"]:
            _keep_the_parent(reporter, share["sentence"])
            return
        early, note = str(record.get("ended", "")) or reporter.state.early_stop, _changed_meanwhile(plan)
        fit = fitted_anew(model_folder, folder / TRAINING_FOLDER, folder / CONFIG_FILE)
        model_folder, fitted = drive(fit, reporter)
        trained = " ".join(filter(None, [share.get("sentence", "Trained."), early, note, fitted]))
        entry = register(model_folder, reporter.state, plan, fitted)
        made = {"model_name": entry.name, "model_sha256": entry.sha256}
        reporter.say(**made, seconds_left=None, early_stop=early, message=trained)
    _compare(reporter, plan, trained, base)
    _tidy(folder / TRAINING_FOLDER)


def _keep_the_parent(reporter: Reporter, sentence: str) -> None:
    """Nothing was gained on the validation patients: no model is made."""
    shutil.rmtree(reporter.state.folder / TRAINING_FOLDER, ignore_errors=True)
    reporter.say(status="stopped", message=sentence, seconds_left=None)


def _tidy(training: Path) -> None:
    """Remove what is large and no longer of use: the model is in the library."""
    (training / CHECKPOINT_FILE).unlink(missing_ok=True)
    for one in training_folders(training)[1:]:
        shutil.rmtree(one, ignore_errors=True)
    for name in (FEATURES_FOLDER, MODEL_FOLDER, CALIBRATED_FOLDER):
        shutil.rmtree(training / name, ignore_errors=True)


class WorkerCallback(Callback):
    """Between the training loop and the run's state: curves, pictures, and what the user wants."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._folder = reporter.state.folder

    def trained(self, step: int, losses: Any) -> None:
        """Note a batch."""
        self._reporter.trained(step, losses)

    def validated(self, view: ValidationResult) -> None:
        """Note a validation, and draw some of its tiles."""
        self._reporter.validated(view.step, view.best_step, view.scores)
        with suppress(OutputError):
            self._reporter.mention(overlays=draw_overlays(self._folder, view))

    def wants_checkpoint(self) -> bool:
        """Before a pause."""
        return read_command(self._folder).what == "pause"

    def wants_end(self, step: int) -> Keep | None:
        """The user's stop, once something was learned."""
        command = read_command(self._folder)
        if command.what == "stop" and command.keep != "discard" and step:
            # Before the wish is forgotten, so that a kill changes nothing.
            end_here(self._folder / CONFIG_FILE, step, command.keep)
            write_command(self._folder, RunCommand())
            self._reporter.say(status="stopping", early_stop=f"Stopped by you at step {step}; kept: {command.keep}.")
            return command.keep
        return None


def _train(reporter: Reporter, worker_callback: WorkerCallback, plan: RunPlan, base: Model | None) -> Path:
    """The new model's folder. Memory that runs out halves the batches; a lost graphics card leaves the processor."""
    folder = reporter.state.folder
    config, training = folder / CONFIG_FILE, folder / TRAINING_FOLDER
    checked = CheckedTiles(usable=frozenset(plan.usable))
    while True:
        going_on = has_checkpoint(training)
        if not going_on:
            shutil.rmtree(training, ignore_errors=True)
        reporter.go_back_to(_last_step(training) if going_on else 0)
        try:
            job = run_training(config, training, resume=going_on, callback=worker_callback, base=base, checked=checked)
            return drive(job, reporter)
        except MemoryRanOutError as error:
            sizes = with_smaller_batches(config)
            if not sizes:
                raise
            shutil.rmtree(training, ignore_errors=True)
            reporter.say(message=f"{str(error).partition(';')[0]}: started again with batches of {sizes}.")
        except DeviceLostError as error:
            if not on_the_cpu(config):
                raise
            reporter.say(message=f"{str(error).partition(';')[0]}; going on with the processor.")


def _last_step(training: Path) -> int:
    """Step of the last batch on record; the checkpoint may be a little older."""
    return sum(max((row["step"] for row in read_metrics(one)), default=0) for one in training_folders(training))


def drive(job: Job[Result], reporter: Reporter) -> Result:
    """Drive a job to its end, minding what the user wants. Raises ``StoppedError``.

    What is said of a stage goes when training begins, or with the job; what was said before it stands again.
    """
    note = reporter.state.message
    try:
        while True:
            try:
                progress = next(job)
            except StopIteration as stop:
                reporter.beat(message=note)
                return stop.value  # type: ignore[no-any-return]
            _mind(reporter)
            if progress.stage in _LEARNING:
                reporter.beat(message=note)
            else:
                count = f" {progress.done} of {progress.total}" if progress.total else ""
                reporter.beat(message=f"{progress.stage}{count}.")
    finally:
        job.close()


def _mind(reporter: Reporter) -> None:
    """Wait while paused. Raises ``StoppedError`` where a stop keeps nothing, or there is nothing to keep yet."""
    folder, before = reporter.state.folder, reporter.state.status
    while (command := read_command(folder)).what == "pause":
        if reporter.state.status != "paused":
            reporter.say(status="paused", seconds_left=None)
        time.sleep(POLL_S)
        reporter.beat()
    if reporter.state.status == "paused":
        reporter.rest()
        reporter.say(status=before)
    # A stop that keeps something is the training loop's, once there is something to keep.
    keeps = command.keep != "discard" and reporter.state.step > 0 and reporter.state.status != "proving"
    if command.what == "stop" and not keeps:
        raise StoppedError("Stopped.")


def _refuse_changed(plan: RunPlan, reporter: Reporter) -> None:
    if told := changes(plan.files, drive(fingerprint(plan.settings.pairs_folder), reporter)):
        raise DataError(f"The pairs have changed since they were checked ({told}); check them again and start anew.")


def _changed_meanwhile(plan: RunPlan) -> str:
    try:
        after = run_to_end(fingerprint(plan.settings.pairs_folder))
    except DataError as error:
        return f"The pairs cannot be read any more: {error}"
    told = changes(plan.files, after)
    return f"The pairs changed while it trained ({told}); the model learned from them as they were." if told else ""


def _compare(reporter: Reporter, plan: RunPlan, trained: str, base: Model | None) -> None:
    from ..comparison.model_comparison import compare_models

    state = reporter.state
    reporter.say(status="proving", message=trained)
    try:
        start = base or open_model(read_config(state.folder / CONFIG_FILE).start, plan.base_sha256)
        candidate = open_model(state.model_name, state.model_sha256)
        if start.sha256 != plan.base_sha256:
            raise DataError("the base model is not there any more as it was")
        comparison = drive(compare_models(state.folder, base=start, candidate=candidate), reporter)
        message = " ".join(filter(None, (comparison.sentence, comparison.tries_sentence, trained)))
    except StoppedError:
        message = f"The comparison was stopped. {trained}"
    except CerberusError as error:
        message = f"The model is in the library, but it could not be compared: {error}"
    reporter.say(status="finished", message=message.strip(), seconds_left=None)
