"""``benchmarks/cross_validation.py``: every patient of a source is scored by a model that never saw his tiles."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from finetune import tiny_net
from napari_cerberus.errors import DataError
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.tasks import instances
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.config_file import read_config, write_config
from napari_cerberus.training.run_settings import BatchSettings, OptimiserSettings, SourceSettings

PATIENTS = ("01", "02", "03", "04")


@pytest.fixture(scope="module")
def benchmark(project_root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("cross_validation", project_root / "benchmarks/cross_validation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    """Two tiles of each of four patients, and a config that learns nuclei for one step."""
    monkeypatch.delenv("CERBERUS_DATA", raising=False)
    tiny_net.shrink(monkeypatch.setattr)
    rng = np.random.default_rng(0)
    for part in ("images", "labels"):
        (tmp_path / "data" / "nuclei" / part).mkdir(parents=True)
    for patient in PATIENTS:
        for tile in (1, 2):
            image = rng.integers(60, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            labels = np.zeros((64, 64), np.uint16)
            labels[6:18, 8:22], labels[30:44, 30:50] = 1, 2
            Image.fromarray(image).save(tmp_path / f"data/nuclei/images/{patient}_{tile}.png")
            Image.fromarray(labels).save(tmp_path / f"data/nuclei/labels/{patient}_{tile}.png")
    names = [f"{patient}_{tile},{patient}" for patient in PATIENTS for tile in (1, 2)]
    (tmp_path / "data/nuclei/index.csv").write_text("\n".join(["id,patient", *names]) + "\n", encoding="utf-8")
    made = TrainConfig(
        name="folds",
        seed=1,
        data_root="data",
        sources=(SourceSettings(name="n", kind="instances", path="nuclei", tasks=("nuclei",), pixel_size_um=1.0),),
        batches=(BatchSettings(tasks=("nuclei",), size=2, crop_px=32),),
        tasks=(instances("nuclei"),),
        pixel_size_um=1.0,
        steps=1,
        precision="fp32",
        device="cpu",
        optimiser=OptimiserSettings(ema_decay=0.0),
    )
    write_config(tmp_path / "config.toml", made)
    return made


def test_every_patient_is_scored_by_a_model_that_never_saw_him(
    benchmark: ModuleType, config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "config.toml", tmp_path / "out"
    scores = benchmark.cross_validate(path, config, "n", out, 2)
    assert sorted({score.patient for score in scores}) == [f"n:{patient}" for patient in PATIENTS]
    assert len(scores) == 2 * len(PATIENTS)
    seen = [load_model(out / f"fold {number}" / "run" / "model").spec for number in (0, 1)]
    for number, own in enumerate(benchmark.dealt([f"n:{patient}" for patient in PATIENTS], 2)):
        assert not benchmark.all_patients(seen[number]) & own
        assert read_config(out / f"fold {number}" / "config.toml").split_file == "split.json"
    assert capsys.readouterr().out.count("It has not learnt from them.") == 2
    (line,) = benchmark.pooled(scores)
    assert line.startswith("nuclei: 4 patients, 8 tiles: dice 0.")


def test_a_base_that_learned_from_one_of_them_is_refused(
    benchmark: ModuleType, config: TrainConfig, tmp_path: Path
) -> None:
    tiny_net.save_base(tmp_path / "base", tasks=config.tasks, train_patients=["n:02"], ancestor_patients=[])
    with pytest.raises(DataError, match=r"has learned from 1 of these 4 patients \(n:02 is one\)"):
        benchmark.cross_validate(
            tmp_path / "config.toml", replace(config, start=str(tmp_path / "base")), "n", tmp_path / "out", 2
        )


def test_one_tissue_under_two_patients_is_refused(benchmark: ModuleType, config: TrainConfig, tmp_path: Path) -> None:
    images = tmp_path / "data" / "nuclei" / "images"
    (images / "04_1.png").write_bytes((images / "01_1.png").read_bytes())
    with pytest.raises(DataError, match="n/01_1 and n/04_1 show the same tissue"):
        benchmark.cross_validate(tmp_path / "config.toml", config, "n", tmp_path / "out", 2)
