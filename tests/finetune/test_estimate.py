"""The estimate: from a real trial in a process of its own; how it is scaled; what happens when the trial fails."""

import json
from pathlib import Path

import pytest

from napari_cerberus.errors import CerberusError, DataError, SettingsError
from napari_cerberus.finetune import estimate as module
from napari_cerberus.finetune.estimate import estimate
from napari_cerberus.finetune.finetune_plan import prepare
from napari_cerberus.finetune.finetune_settings import FinetuneSettings
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.config_file import read_config, write_config


@pytest.fixture
def plan(computer, pairs):
    settings = FinetuneSettings(pairs_folder=pairs, base_model="base", preset="standard", tasks=("glands",))
    return run_to_end(prepare(settings))


def answering(monkeypatch, told, code=0):
    """A trial that says ``told``."""
    words = told if isinstance(told, str) else json.dumps(told)
    script = f"import sys; sys.stdout.write({words!r}); sys.stderr.write('Trace\\nIt broke.'); sys.exit({code})"
    monkeypatch.setattr(module, "TRIAL", ("-c", script))


MEASURED = {
    "loading_s": 5.0,
    "memory_mb": 400,
    "stages": {"Gathering data": 1.0, "Checking tiles": 2.0, "Training": 9.0, "Validating": 1.0, "End": 2.0},
    "steps": [9.0, 2.0, 2.0, 2.0, 3.0],
    "judging_s": 2.0,
    "writing_s": 0.5,
}


def test_a_real_trial_gives_minutes_and_memory_and_leaves_nothing(computer, plan, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "TRIAL", (str(Path(__file__).with_name("tiny_child.py")), "timing_trial"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    found = run_to_end(estimate(plan))
    assert 0 < found.low < found.minutes < found.high
    assert found.memory_mb > 50
    assert found.steps == plan.steps
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (computer / "runs").exists()


def test_steps_and_validations_are_scaled_and_the_first_step_does_not_count(plan, monkeypatch, tmp_path):
    answering(monkeypatch, MEASURED)
    write_config(tmp_path / "config.toml", plan.config)
    config = read_config(tmp_path / "config.toml")
    validations = -(-plan.steps // config.validate_every)
    judged = (plan.sides["train"][0] + plan.sides["validation"][0]) // config.folds  # those that a model has not seen
    judging = 2.0 * judged / min(3, plan.sides["validation"][0])
    choosing = 2 * judging * (len(config.blend_shares) + 2)  # base model, its statistics, and every share
    seconds = 5 + 1 + 2 + plan.steps * 2.0 + validations * (judging + 0.5) + choosing + 2.0
    assert run_to_end(estimate(plan)).minutes == pytest.approx(seconds / 60)


def test_a_failing_trial_is_one_sentence(plan, monkeypatch):
    answering(monkeypatch, {"error": "Memory ran out at step 0."}, 1)
    with pytest.raises(CerberusError, match=r"^Memory ran out at step 0\.$"):
        run_to_end(estimate(plan))
    answering(monkeypatch, "", 1)
    with pytest.raises(DataError, match=r"It broke\.$"):
        run_to_end(estimate(plan))


def test_a_plan_with_a_stop_is_not_timed(computer):
    plan = run_to_end(prepare(FinetuneSettings(pairs_folder=computer / "nowhere", base_model="base")))
    with pytest.raises(SettingsError, match="nowhere"):
        run_to_end(estimate(plan))


def test_closing_the_job_ends_the_trial(plan, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(module, "TRIAL", ("-c", "import time; time.sleep(600)"))
    job = estimate(plan)
    next(job)
    next(job)
    job.close()
    assert not list(tmp_path.glob("napari-cerberus-trial-*"))
