"""Glands corrected, nuclei and lumina never looked at: only glands learn, and only glands are compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from annotated import annotated_image
from finetune import tiny_net
from napari_cerberus.finetune.comparison.model_comparison import compare_models
from napari_cerberus.finetune.finetune_plan import Plan, prepare
from napari_cerberus.finetune.finetune_settings import FinetuneSettings
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.pairs.split import write_split
from napari_cerberus.pairs.write.export_plan import plan_export
from napari_cerberus.pairs.write.export_source import ExportSettings, ExportSource
from napari_cerberus.pairs.write.write_pairs import write_export
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import instances
from napari_cerberus.training.config_file import write_config
from napari_cerberus.training.data.tile_sources import collect
from napari_cerberus.training.engine import old_domain
from napari_cerberus.training.run_settings import SourceSettings
from training.evaluation import trees

SIDE_PX = 64
PATIENTS = 30


def drawn(patient: int) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int32]]]:
    """A picture unlike any other patient's, and its labels: a gland with a lumen in it, and a nucleus."""
    rng = np.random.default_rng(patient)
    image = rng.integers(90, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    labels = {task: np.zeros((SIDE_PX, SIDE_PX), np.int32) for task in ("nuclei", "glands", "lumina")}
    top, left = (int(value) for value in rng.integers(4, 24, 2))
    labels["glands"][top : top + 28, left : left + 30] = 1
    labels["lumina"][top + 10 : top + 18, left + 10 : left + 18] = 1
    labels["nuclei"][top + 2 : top + 6, left + 2 : left + 6] = 1
    image[labels["glands"] > 0] //= 2
    return image, labels


def export(root: Path, patient: int, *, without: Collection[str] = (), **changes: Any) -> None:
    """A pair of one patient; ``without`` names the tasks that it holds no object of."""
    image, labels = drawn(patient)
    for task in without:
        labels[task][:] = 0
    states = {task: "accepted" if task == "glands" else "unreviewed" for task in labels if task not in without}
    rows = [{"task": task, "index": 1, "review": state} for task, state in states.items()]
    source = ExportSource(
        image=image,
        annotated=annotated_image(labels, pd.DataFrame(rows), pixel_size_um=1.0),
        name=f"{patient}.png",
    )
    fields = {"patient_id": str(1000 + patient), "category": "Polyp", "tile_px": SIDE_PX, "min_tissue_share": 0.0}
    settings = ExportSettings(**(fields | {"checked": ("glands",)} | changes))
    run_to_end(write_export(run_to_end(plan_export(root, source, settings))))


@pytest.fixture
def base(computer: Path) -> str:
    """A model that knows nuclei, glands and lumina."""
    tiny_net.save_base(computer / "models" / "all", tasks=(instances("nuclei"), *tiny_net.TASKS))
    return "all"


def plan_of(root: Path, base: str, **changes: Any) -> Plan:
    return run_to_end(prepare(FinetuneSettings(pairs_folder=root, base_model=base, **({"preset": "quick"} | changes))))


def test_only_what_was_checked_learns_and_is_compared(
    computer: Path, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patient in range(PATIENTS):
        export(computer / "pairs", patient)
    plan = plan_of(computer / "pairs", base)
    assert plan.stops == ()
    assert "The whole network learns glands" in plan.learns
    assert "nuclei, lumina and tissue are held to what the old model says" in plan.learns
    for task in ("nuclei", "lumina"):
        assert f"Nobody said that all {task} of any pair are right, so {task} are neither learned nor compared." in (
            plan.warnings
        )

    run = computer / "run"
    run.mkdir()
    write_config(run / "config.toml", plan.config)
    write_split(run / "split.json", plan.split)
    model = open_model(base)
    new = replace(model, sha256="ab" * 32, spec=replace(model.spec, name="new"))
    tell_what_is_found(monkeypatch)
    comparison = run_to_end(compare_models(run, base=model, candidate=new))
    assert {row.task for row in comparison.rows} == {"glands", "tissue"}, "the category was given by a person"
    assert comparison.verdict == "better", "though the base model agrees with its own nuclei and lumina"
    assert comparison.sentence.startswith("Better: glands")
    assert not any(task in comparison.sentence for task in ("nuclei", "lumina"))


def tell_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new model finds glands as drawn and nothing else; the base all nuclei and lumina, but glands too small."""
    truth = {drawn(patient)[0].tobytes(): drawn(patient)[1] for patient in range(PATIENTS)}

    def annotate(image: NDArray[np.uint8], model: Any, settings: Any) -> Iterator[Any]:
        nothing = np.zeros(image.shape[:2], np.int32)
        labels = truth.get(image.tobytes(), dict.fromkeys(("nuclei", "glands", "lumina"), nothing))
        if model.spec.name == "new":
            found = {"nuclei": nothing, "glands": labels["glands"], "lumina": nothing}
        else:
            steps = 3 + int(image.sum()) % 3
            small = ndimage.binary_erosion(labels["glands"] > 0, iterations=steps).astype(np.int32)
            found = {**labels, "glands": small}
        return (yield from trees.always(trees.annotation(found, {"Normal": 0.5, "Polyp": 0.5}))(image, model, settings))

    monkeypatch.setattr("napari_cerberus.training.evaluation.scoring.annotate", annotate)
    monkeypatch.setattr(old_domain, "DRAWN_TILES", 2)
    monkeypatch.setattr(old_domain, "_DRAWN_SIDE_PX", 32)


def test_a_checked_tile_without_any_object_says_that_there_is_none(computer: Path, base: str) -> None:
    """Checked, and no gland in it: every pixel of it is known to be no gland. The same tile unchecked says nothing."""
    root = computer / "pairs"
    export(root, 1)
    export(root, 2, without=("glands", "lumina"), empty="write")
    export(root, 3, without=("glands", "lumina"), empty="write", checked=())
    source = SourceSettings(name="mine", kind="pairs", path="pairs", tasks=("glands", "lumina"))
    tiles = collect([source], open_model(base).spec.tasks, computer)
    checked = [tile for tile in tiles if "glands" in tile.tasks]
    assert (len(tiles), len(checked)) == (3, 2)
    none, gland = sorted(checked, key=lambda tile: tile.load().labels["glands"].any())
    assert gland.load().labels["glands"].any()
    assert none.load().labels["glands"].shape == (SIDE_PX, SIDE_PX)
    assert not none.load().labels["glands"].any()
    plan = plan_of(root, base, tasks=("glands",))
    assert "In 1 of 3 pairs nobody said that all glands are right; there glands are neither learned nor compared." in (
        plan.warnings
    )


def test_where_nothing_is_checked_nothing_is_learned(computer: Path, base: str) -> None:
    for patient in range(3):
        export(computer / "pairs", patient, checked=())
    plan = plan_of(computer / "pairs", base)
    assert len(plan.stops) >= 1
    assert "Nothing can be trained" in plan.stops[0]
    assert "Nobody said that all glands of any pair are right" in " ".join(plan.warnings)
    asked = plan_of(computer / "pairs", base, tasks=("glands",))
    assert "No pair says that all glands in it are right" in asked.stops[0]


def test_a_task_that_is_checked_in_some_pairs_learns_from_these(computer: Path, base: str) -> None:
    for patient in range(6):
        export(computer / "pairs", patient, checked=("glands", "lumina") if patient < 4 else ("lumina",))
    plan = plan_of(computer / "pairs", base)
    assert "lumina" in plan.learns
    assert "glands" in plan.learns
    said = "In 2 of 6 pairs nobody said that all glands are right; there glands are neither learned nor compared."
    assert said in plan.warnings
    assert plan_of(computer / "pairs", base, tasks=("glands",)).sides["train"][0] < 4 + 1


def test_a_category_that_nobody_confirmed_teaches_no_tissue_type(computer: Path, base: str) -> None:
    for patient in range(6):
        export(
            computer / "pairs", patient, category=("Normal", "Polyp")[patient % 2], category_confirmed=patient % 2 == 0
        )
    plan = plan_of(computer / "pairs", base)
    assert "tissue are held" in plan.learns, "only one category is left"
    assert "In 3 of 6 pairs nobody confirmed the category; it is not learned." in plan.warnings
