"""Fine-tuning runs and comparisons as their processes would have left them, without any process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from napari_cerberus.errors import CerberusError
from napari_cerberus.files import sha256_of
from napari_cerberus.finetune import run_state as state_module
from napari_cerberus.finetune.comparison.comparison_record import (
    COMPARISON_FOLDER,
    ModelComparison,
    Pair,
    Row,
    write_record,
)
from napari_cerberus.finetune.finetune_settings import FinetuneSettings
from napari_cerberus.finetune.run_state import Point, RunState, runs_folder, write_state
from napari_cerberus.model.library.entries import library_folder
from napari_cerberus.model.spec import SPEC_FILE, WEIGHTS_FILE, ModelSpec
from napari_cerberus.progress import Job, Progress
from napari_cerberus.tasks import GLANDS, instances
from napari_cerberus.viewer.runs.run_jobs import Checked

TASKS = ("glands", "nuclei")
SUBSETS = {"train": (28, 8), "validation": (6, 2), "held_out": (6, 2)}


def points(number: int) -> tuple[Point, ...]:
    """Curves that get better."""
    found = []
    for place in range(1, number + 1):
        metrics = dict.fromkeys(TASKS, 0.5 + 0.02 * place)
        by_category = {"Normal": metrics, "Polyp": {"glands": 0.4}}
        losses = dict.fromkeys(TASKS, 1.0 / place)
        found.append(Point(step=10 * place, losses=losses, metrics=metrics, by_category=by_category))
    return tuple(found)


def picture(path: Path, shade: int = 200) -> Path:
    """A small PNG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 16, 3), shade, np.uint8)).save(path)
    return path


def write_run(name: str = "mine", status: str = "running", **changes: Any) -> RunState:
    """A run's folder with its state."""
    folder = runs_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {
        "step": 60,
        "steps": 200,
        "seconds_left": 372.0,
        "started_at": time.time(),
        "pid": 1,
        "best_step": 50,
        "history": points(6),
        "overlays": (picture(folder / "overlays" / "step-000060.png"),),
    }
    state = RunState(folder=folder, name=name, base_name="starter", status=status, **{**known, **changes})
    write_state(state)
    return state


@contextmanager
def alive(folder: Path) -> Iterator[None]:
    """Hold a run's lock, as its process would."""
    with (folder / state_module.LOCK_FILE).open("ab") as stream:
        assert state_module.lock(stream), "the lock must be free"
        yield


def row(**changes: Any) -> Row:
    """A row that the verdict rests on."""
    known: dict[str, Any] = {
        "task": "glands",
        "figure": "dice",
        "heading": "Dice of objects",
        "base": 0.85,
        "candidate": 0.891,
        "difference": 0.041,
        "low": 0.012,
        "high": 0.07,
        "tiles": 31,
        "patients": 9,
        "primary": True,
    }
    return Row(**{**known, **changes})


def write_comparison(folder: Path, verdict: str = "better", tries: int = 1) -> ModelComparison:
    """A comparison with one picture pair."""
    place = folder / COMPARISON_FOLDER
    before, after = picture(place / "0_before.png", 120), picture(place / "0_after.png", 180)
    comparison = ModelComparison(
        verdict=verdict,  # type: ignore[arg-type]
        sentence=f"It is {verdict}, says the comparison.",
        rows=(row(), row(category="Polyp", primary=False, low=None, high=None)),
        gained={"glands": 12},
        lost={"glands": 3},
        drawn={"glands": 41},
        found_before={"glands": 27},
        found_after={"glands": 36},
        wrong_before={"glands": 9},
        wrong_after={"glands": 4},
        held_out=("GTTUB11", "GTTUB12", "GTTUB14", "GTTUB19", "GTTUB23"),
        forgetting=(row(difference=-0.002, low=-0.01, high=0.004),),
        forgetting_sentence="Nothing was forgotten.",
        tries=tries,
        gallery=(Pair(tile="Polyp/GTPRK1", before=before, after=after, difference=-0.08),),
    )
    write_record(place, comparison)
    return comparison


def fake_plan(**changes: Any) -> Any:
    """A plan with the fields that the dock shows."""
    known: dict[str, Any] = {
        "pairs": 40,
        "patients": 12,
        "categories": {"Normal": 20, "Polyp": 20},
        "sides": SUBSETS,
        "warnings": (),
        "stops": (),
        "learns": "Heads and last decoder blocks learn.",
        "base_name": "starter",
        "new_head": "",
        "folds": 0,
    }
    return SimpleNamespace(**{**known, **changes})


class FakeCheck:
    """Checks that find what they are told to find, and starts that leave a run folder."""

    def __init__(self, error: CerberusError | None = None, **plan: Any) -> None:
        self.asked: list[FinetuneSettings] = []
        self.begun: list[Any] = []
        self.resumed: list[Path] = []
        self.error, self.plan = error, plan

    def check(self, settings: FinetuneSettings) -> Job[Checked]:
        self.asked.append(settings)
        yield Progress("Looking at the pairs", 1, 2)
        if self.error is not None:
            raise self.error
        plan = fake_plan(**self.plan)
        estimate = None if plan.stops else SimpleNamespace(minutes=7.2, low=5.4, high=9.1, memory_mb=910, steps=200)
        return Checked(plan=plan, estimate=estimate)  # type: ignore[arg-type]

    def begin(self, plan: Any) -> Job[Path]:
        yield Progress("Starting the run")
        self.begun.append(plan)
        return write_run("begun", pid=0).folder

    def resume(self, folder: Path) -> Job[Path]:
        yield Progress("Going on")
        self.resumed.append(folder)
        return folder


def write_model(name: str, **provenance: Any) -> Path:
    """A model of the library whose weights are a few bytes: nothing here reads them as a network."""
    folder = library_folder() / name
    folder.mkdir(parents=True)
    (folder / WEIGHTS_FILE).write_bytes(name.encode())
    spec = ModelSpec(name=name, tasks=(instances(GLANDS),), pixel_size_um=1.0, provenance=provenance)
    text = json.dumps({**spec.to_json(), "weights_sha256": sha256_of(folder / WEIGHTS_FILE)})
    (folder / SPEC_FILE).write_text(text, encoding="utf-8")
    return folder
