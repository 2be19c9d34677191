import json

import pytest
import torch

from napari_cerberus.errors import DataError
from napari_cerberus.model.checkpoint import load_model, save_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.tasks import EBHI_CLASSES, TaskSpec
from napari_cerberus.training.evaluation.model_card import read_report, release
from napari_cerberus.training.evaluation.outcome import REPORT_FORMAT

BASE = {"name": "b", "sha256": "ab" * 32, "command": "train y", "seed": 2, "steps": 8, "best_step": 6}
PROVENANCE = {"command": "train x", "seed": 3, "steps": 9, "started_from": BASE}
TASKS = (TaskSpec(key="tissue", kind="tissue", classes=EBHI_CLASSES),)


def estimate(value):
    return {"value": value, "low": 0.5, "high": 0.75}


def report(sha256):
    metrics = dict.fromkeys(("dice", "jaccard", "precision", "recall", "f1", "pq", "aji"), estimate(0.625))
    group = {"name": "All", "tiles": 7, "patients": 3, "metrics": {**metrics, "pq": {"value": None}}}
    return {
        "format": REPORT_FORMAT,
        "model": {"sha256": sha256},
        "split": {"side": "test"},
        "leakage_status": {"kind": "held out", "sentence": "It has not learnt from them."},
        "tasks": [{"task": "lumina", "weak": True, "groups": [group]}],
        "types": [
            {
                "types_of": "nuclei",
                "objects": 51,
                "metrics": dict.fromkeys(("accuracy", "balanced_accuracy"), estimate(0.8)),
                "classes": [
                    {"name": "epithelial", "cases": 40, **dict.fromkeys(("recall", "precision", "f1"), estimate(0.9))}
                ],
            }
        ],
        "tissue": {
            "metrics": dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1", "ece"), estimate(0.7)),
            "classes": [{"name": "Polyp", "cases": 4, **dict.fromkeys(("recall", "precision", "f1"), estimate(0.6))}],
        },
    }


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    spec = ModelSpec(name="m", tasks=TASKS, pixel_size_um=1.0, provenance=PROVENANCE)
    save_model(tmp_path / "m", Cerberus(TASKS), spec, half_precision=True)
    return load_model(tmp_path / "m")


def test_the_card_tells_words_making_and_figures_and_the_weights_stay(model, tmp_path):
    sha256 = release(model, "# m\n\nNot for diagnosis.", report(model.sha256), tmp_path / "released")
    assert sha256 == model.sha256
    text = load_model(tmp_path / "released").card()
    assert text.startswith("# m\n\nNot for diagnosis.")
    assert "`train x`, seed 3" in text
    assert "Started from: b (`abababababab…`), made by `train y`, seed 2; step 6 of 8 was kept" in text
    assert "| All | 7 | 3 | 0.625 (0.500-0.750) |" in text
    assert "not counted" in text
    assert "weak labels" in text
    assert "### Classes of nuclei" in text
    assert "| epithelial | 40 | 0.900 (0.500-0.750) |" in text


def test_a_report_of_another_model_is_refused(model, tmp_path):
    with pytest.raises(DataError, match="not of"):
        release(model, "# m", report("0" * 64), tmp_path / "released")
    assert not (tmp_path / "released").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other"}'])
def test_something_else_is_not_a_report(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(DataError, match=r"report\.json"):
        read_report(tmp_path / "report.json")


def test_a_report_is_read(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report("a")))
    assert read_report(tmp_path / "report.json")["split"]["side"] == "test"
