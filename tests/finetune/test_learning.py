"""What the child does when something goes wrong: one clear sentence, base model and library untouched."""

import re
import sys
import types
from dataclasses import replace

import pytest

from finetune import tiny_net
from finetune.pairs_folder import add_pair, make_pairs
from napari_cerberus.errors import DeviceError, OutputError, SettingsError
from napari_cerberus.finetune.comparison.comparison_record import comparison_path
from napari_cerberus.finetune.finetune_plan import prepare
from napari_cerberus.finetune.finetune_settings import FinetuneSettings
from napari_cerberus.finetune.run import child, process, run_worker
from napari_cerberus.finetune.run import state_reporter as reporting
from napari_cerberus.finetune.run.run_worker import drive
from napari_cerberus.finetune.run.state_reporter import Reporter
from napari_cerberus.finetune.run_command import RunCommand, write_command
from napari_cerberus.finetune.run_state import read_state
from napari_cerberus.model.library.entries import entry_of, list_models
from napari_cerberus.model.library.manage import rename
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.progress import Progress, run_to_end
from napari_cerberus.training.config_file import read_config, write_config
from napari_cerberus.training.engine import loop, share_search
from napari_cerberus.training.engine.trainer import Trainer
from napari_cerberus.training.torch_errors import DeviceLostError, MemoryRanOutError


def compare_models(folder, *, base, candidate):
    yield Progress("Proving")
    return types.SimpleNamespace(sentence="Proven.", tries_sentence="")


@pytest.fixture(autouse=True)
def no_child(computer, monkeypatch):
    """The child's work is done here: no process is started, and nobody's priority is lowered."""
    monkeypatch.setattr(process, "_start", lambda folder: None)
    monkeypatch.setattr(share_search, "LEAST_GAIN", -1.0)  # a network of random weights learns nothing in one pass
    monkeypatch.setattr(child, "lower_priority", lambda: None)
    monkeypatch.setitem(
        __import__("sys").modules,
        "napari_cerberus.finetune.comparison.model_comparison",
        types.SimpleNamespace(compare_models=compare_models),
    )


def planned(pairs, **changes):
    fields = {"base_model": "base", "preset": "standard", "epochs": 1, "tasks": ("glands",), "name": "mine"}
    return run_to_end(prepare(FinetuneSettings(pairs_folder=pairs, **{**fields, **changes})))


def own_models(computer):
    return [entry.name for entry in list_models() if entry.path.parent == computer / "models"]


def failed(computer, folder):
    """The sentence of a run that must fail and leave nothing behind."""
    assert child.main([str(folder)]) == 1
    state = read_state(folder)
    assert state.status == "failed"
    assert own_models(computer) == ["base"]
    return state.message


def test_a_plan_with_a_stop_cannot_begin(computer, tmp_path):
    plan = planned(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="nowhere"):
        process.begin(plan)
    assert not (computer / "runs").exists()


def draw_over(pairs):
    """Another picture and another mask for a patient."""
    add_pair(pairs, "Polyp", 200, seed=77)


def test_pairs_that_changed_since_the_check_are_refused(computer, pairs):
    folder = process.begin(planned(pairs))
    draw_over(pairs)
    assert "changed since they were checked (2 files, for example Polyp/" in failed(computer, folder)


def test_pairs_that_were_added_since_the_check_are_left_alone(computer, pairs):
    folder = process.begin(planned(pairs))
    add_pair(pairs, "Polyp", 999)
    assert child.main([str(folder)]) == 0
    state = read_state(folder)
    assert "changed" not in state.message
    record = open_model(state.model_name).spec.provenance
    assert not any("0999" in name for side in ("train", "validation", "test") for name in record[f"{side}_patients"])


def test_pairs_that_change_while_it_trains_are_said(computer, pairs, monkeypatch):
    folder = process.begin(planned(pairs))
    judge = loop.validate

    def validate(*given):
        draw_over(pairs)
        return judge(*given)

    monkeypatch.setattr(loop, "validate", validate)
    assert child.main([str(folder)]) == 0
    state = read_state(folder)
    assert state.status == "finished"
    assert "changed while it trained (2 files" in state.message


def test_a_base_model_that_was_swapped_is_refused(computer, pairs):
    folder = process.begin(planned(pairs))
    tiny_net.save_base(computer / "models" / "base", seed=8)
    assert "not the one this run was planned with" in failed(computer, folder)


def test_a_base_model_that_was_renamed_is_found_again(computer, pairs):
    folder = process.begin(planned(pairs))
    rename("base", "my first one")
    assert child.main([str(folder)]) == 0
    state = read_state(folder)
    assert state.message.startswith("Proven.")
    assert state.model_sha256 == entry_of("mine").sha256


def test_a_model_that_was_not_proven_is_proven_when_asked_and_only_once(computer, pairs, monkeypatch):
    def broken(folder, *, base, candidate):
        yield Progress("Proving")
        raise DeviceError("The graphics card failed.")

    folder = process.begin(planned(pairs))
    with monkeypatch.context() as patch:
        patch.setitem(
            sys.modules,
            "napari_cerberus.finetune.comparison.model_comparison",
            types.SimpleNamespace(compare_models=broken),
        )
        assert child.main([str(folder)]) == 0
    assert "could not be compared: The graphics card failed." in read_state(folder).message
    rename("mine", "ours")
    process.resume(folder)
    write_command(folder, RunCommand(what="stop", keep="discard"))
    with monkeypatch.context() as patch:
        patch.setattr(child, "_before", lambda mine: "another one")
        assert child.main([str(folder)]) == 0
    assert (read_state(folder).status, read_state(folder).message) == ("finished", "The comparison was stopped.")
    process.resume(folder)
    assert child.main([str(folder)]) == 0
    state = read_state(folder)
    assert (state.status, state.message) == ("finished", "Proven.")
    assert own_models(computer) == ["base", "ours"]
    comparison_path(folder).parent.mkdir()
    comparison_path(folder).write_text("{}", encoding="utf-8")
    with pytest.raises(SettingsError, match="only a run that was interrupted or failed"):
        process.resume(folder)


def test_a_stop_that_keeps_something_waits_with_a_resumed_run_for_its_turn(computer, pairs, monkeypatch):
    folder = process.begin(planned(pairs, epochs=9))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "append_metrics", dies_at(5))
        assert "cut off" in failed(computer, folder)
    process.stop(folder, "best")
    waited = []

    def rest(_):
        waited.append(read_state(folder).status)
        monkeypatch.setattr(child, "_before", lambda mine: "")

    monkeypatch.setattr(child, "_before", lambda mine: "another one")
    monkeypatch.setattr(child.time, "sleep", rest)
    assert child.main([str(folder)]) == 0
    assert waited
    assert own_models(computer) == ["base", "mine"]
    assert "Stopped by you" in read_state(folder).early_stop


def test_a_full_disk_does_not_end_a_run_that_only_wants_to_tell(computer, pairs, monkeypatch):
    folder = process.begin(planned(pairs))
    write = reporting.write_state

    def full(state):
        if state.status == "running" and state.step and not state.model_name:
            raise OutputError("state.json cannot be written: No space left on device.")
        write(state)

    monkeypatch.setattr(reporting, "write_state", full)
    monkeypatch.setattr(run_worker, "draw_overlays", lambda *_: (_ for _ in ()).throw(OutputError("full")))
    assert child.main([str(folder)]) == 0
    assert read_state(folder).status == "finished"


def dies_at(step):
    """Stands for ``append_metrics``; the run dies at a step's row, after the checkpoint of the step before."""
    append = loop.append_metrics

    def die(folder, row):
        if row["step"] == step and "rate" in row:
            raise SettingsError("cut off")
        append(folder, row)

    return die


def test_a_checkpoint_that_was_swapped_is_refused(computer, pairs, monkeypatch):
    folder = process.begin(planned(pairs, epochs=3))
    save = loop.save_checkpoint

    def save_and_die(*given):
        save(*given)
        raise SettingsError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", save_and_die)
        assert "cut off" in failed(computer, folder)
    checkpoint = folder / "training" / "fold-0" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes() + b"\0")
    assert "is not what this run has written" in failed(computer, folder)


def test_memory_that_runs_out_gives_smaller_batches_once_said(computer, pairs, monkeypatch):
    folder = process.begin(planned(pairs, batch_size=6))
    advance, sizes, told = Trainer.advance, [], []

    def short(self, batch):
        sizes.append(len(batch.images))
        if len(batch.images) > 3:
            raise MemoryRanOutError("Memory ran out at step 0; use smaller batches.")
        return advance(self, batch)

    say = child.Reporter.say
    monkeypatch.setattr(Trainer, "advance", short)
    monkeypatch.setattr(child.Reporter, "say", lambda self, **c: (told.append(c.get("message")), say(self, **c))[1])
    assert child.main([str(folder)]) == 0
    assert sizes[:2] == [6, 3]
    assert sum("batches of 3" in (sentence or "") for sentence in told) == 1
    assert read_config(folder / "config.toml").batches[0].size == 3


def test_memory_that_runs_out_for_the_smallest_batch_fails_with_a_sentence(computer, pairs, monkeypatch):
    folder = process.begin(planned(pairs, batch_size=2))
    monkeypatch.setattr(Trainer, "_losses", lambda *_: (_ for _ in ()).throw(MemoryError()))
    assert "Memory ran out at step 0" in failed(computer, folder)


def test_a_graphics_card_that_disappears_leaves_the_processor(computer, pairs, monkeypatch):
    folder = process.begin(planned(pairs))
    advance, calls = Trainer.advance, []

    def gone(self, batch):
        calls.append(1)
        if len(calls) == 1:
            raise DeviceLostError("The graphics card failed at step 0 (CUDA error); go on with device = 'cpu'.")
        return advance(self, batch)

    monkeypatch.setattr(Trainer, "advance", gone)
    assert child.main([str(folder)]) == 0
    assert read_config(folder / "config.toml").device == "cpu"
    assert read_state(folder).status == "finished"


def test_a_full_disk_while_it_trains_is_a_sentence(computer, pairs, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    folder = process.begin(planned(pairs))
    monkeypatch.setattr("torch.save", full)
    assert "No space left on device" in failed(computer, folder)


def test_a_defect_of_ours_leaves_no_run_that_seems_to_work(computer, pairs, monkeypatch):
    folder = process.begin(planned(pairs))
    monkeypatch.setattr(loop, "validate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        child.main([str(folder)])
    assert "not foreseen" in read_state(folder).message


def test_a_stop_before_anything_was_learned_keeps_nothing(computer, pairs):
    folder = process.begin(planned(pairs))
    write_command(folder, RunCommand(what="stop", keep="best"))
    assert child.main([str(folder)]) == 0
    assert read_state(folder).status == "stopped"
    assert own_models(computer) == ["base"]


def test_what_is_said_of_a_stage_goes_when_training_begins(computer, pairs):
    reporter = Reporter(read_state(process.begin(planned(pairs))))
    reporter.say(message="Started again with smaller batches.")
    heard = []

    def job():
        for stage in ("Loading tiles", "Training", "Measuring the stain"):
            yield Progress(stage, 1, 2)
            heard.append(reporter.state.message)

    drive(job(), reporter)
    said = "Started again with smaller batches."
    assert heard == ["Loading tiles 1 of 2.", said, "Measuring the stain 1 of 2."]
    assert reporter.state.message == said


def test_nothing_is_said_while_all_goes_well(computer, monkeypatch):
    heard, trained = set(), Reporter.trained

    def hear(self, step, losses):
        if step > 1:
            heard.add(self.state.message)
        trained(self, step, losses)

    monkeypatch.setattr(Reporter, "trained", hear)
    pairs = make_pairs(computer / "pairs", patients=13)
    assert child.main([str(process.begin(planned(pairs)))]) == 0
    assert heard == {""}


def test_early_stop_gives_its_reason_and_ends(computer, monkeypatch):
    folder = process.begin(planned(make_pairs(computer / "pairs", patients=13), epochs=40))
    config = read_config(folder / "config.toml")
    patient = replace(config, early_stopping=replace(config.early_stopping, patience=1))
    write_config(folder / "config.toml", patient)
    scores = iter([0.9] + [0.1] * 100)
    judge = loop.validate
    monkeypatch.setattr(
        loop, "validate", lambda *given: type(judge(*given))(dice={"glands": next(scores)}, by_category={})
    )
    assert child.main([str(folder)]) == 0
    state = read_state(folder)
    assert state.step < state.steps
    assert state.early_stop.startswith(f"Ended early at step {state.step}")
    assert state.best_step < state.step


def test_two_processes_cannot_work_on_one_run(computer, pairs, capsys, monkeypatch):
    monkeypatch.setattr(child, "_TRIES", 1)
    folder = process.begin(planned(pairs))
    with (folder / "process.lock").open("ab+") as held:
        assert child.lock(held.fileno())
        assert child.main([str(folder)]) == 1
    assert "Another process" in capsys.readouterr().err


@pytest.mark.parametrize("patients", [5, 13])
def test_where_nothing_is_gained_no_model_is_made_and_the_old_one_stays(computer, monkeypatch, patients):
    monkeypatch.setattr(share_search, "LEAST_GAIN", 2.0)
    folder = process.begin(planned(make_pairs(computer / "pairs", patients=patients)))
    assert child.main([str(folder)]) == 0
    state = read_state(folder)
    assert (state.status, state.model_name) == ("stopped", "")
    assert "the old model stays" in state.message
    assert own_models(computer) == ["base"]


@pytest.mark.parametrize(
    ("patients", "said"),
    [
        (5, r"Kept from the base model, as too few patients validate: threshold of glands \(2 validation patients\)"),
        (13, "Fitted anew: threshold of glands on 6 validation patients"),
    ],
)
def test_thresholds_are_fitted_anew_where_enough_patients_validate_else_kept_and_said_either_way(
    computer, monkeypatch, patients, said
):
    folder = process.begin(planned(make_pairs(computer / "pairs", patients=patients)))
    assert child.main([str(folder)]) == 0, read_state(folder).message
    assert re.search(said, read_state(folder).message)
    spec = open_model("mine").spec
    assert re.search(said, spec.provenance["finetune"]["calibration"])
    assert ("calibration" in spec.provenance) == (patients == 13)
    if patients == 5:
        assert spec.thresholds == open_model("base").spec.thresholds
    assert spec.temperatures == {}, "the readout has not learned"
    assert not (folder / "training" / "calibrated").exists()
