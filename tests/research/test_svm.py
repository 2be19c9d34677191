import numpy as np
import pytest

import svm
from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.pairs.split import Split, write_split
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import CERBERUS_TASKS
from napari_cerberus.training.evaluation.model_card import read_report
from napari_cerberus.training.evaluation.selection import select_config
from svm import COSTS, evaluate_svm, fit_svm, tissue_features
from tiny import tiny_model
from training.evaluation import trees


def clouds(seed, count=12):
    rng = np.random.default_rng(seed)
    truth = [0, 2, 5] * (count // 3)
    return (rng.normal(0, 1, (count, 8)) + 5 * np.eye(8)[truth]).astype(np.float32), truth


def test_it_separates_what_can_be_separated_and_knows_nothing_of_unseen_classes():
    machine = fit_svm(clouds(0, 60), clouds(1))
    features, truth = clouds(2, 30)
    shares = machine.probabilities(features, 6)
    assert np.mean(shares.argmax(1) == truth) > 0.9
    assert machine.cost in COSTS
    np.testing.assert_allclose(shares.sum(1), 1)
    assert np.all(shares[:, [1, 3, 4]] == 0)


def test_two_classes_are_a_special_case_of_scikit_learn():
    features = np.array([[-2.0], [-1.0], [1.0], [2.0]], np.float32)
    machine = fit_svm((features, [1, 1, 3, 3]), (features[:0], []))
    assert machine.probabilities(features, 4).argmax(1).tolist() == [1, 1, 3, 3]
    assert machine.cost == 1.0
    with pytest.raises(DataError, match="two tissue classes"):
        fit_svm((features, [1, 1, 1, 1]), (features, [1, 1, 1, 1]))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("CERBERUS_DATA", raising=False)
    trees.ebhi_tree(tmp_path / "tiles", {"Normal": ["1", "2", "3"], "Polyp": ["4", "5", "6"]})
    names = {path.stem: path.parent.parent.name for path in (tmp_path / "tiles").glob("*/image/*")}
    sides = {side: [] for side in ("train", "validation", "test")}
    for place, stem in enumerate(sorted(names)):
        sides[list(sides)[place % 3]].append(f"ebhi/{names[stem]}/{stem}")
    counts = {side: {"Normal": 1, "Polyp": 1} for side in sides}
    parts = {side: tuple(sorted(ids)) for side, ids in sides.items()}
    write_split(tmp_path / "split.json", Split(seed=0, unit="patient", counts=counts, **parts))
    (tmp_path / "run.toml").write_text(
        'name = "r"\nseed = 1\ntasks = ["glands", "tissue"]\npixel_size_um = 1.0\nsteps = 1\n'
        'split_file = "split.json"\n'
        '[[source]]\nname = "ebhi"\nkind = "ebhi"\npath = "tiles"\ntasks = ["glands", "tissue"]\npixel_size_um = 1.0\n'
        '[[batch]]\ntasks = ["glands"]\n',
        encoding="utf-8",
    )
    return tmp_path


def test_the_command_scores_a_side_with_the_class_figures(project, monkeypatch, capsys):
    monkeypatch.setattr(svm, "open_model", lambda name: trees.model())
    assert svm.main(["--config", str(project / "run.toml"), "--out", str(project / "out")]) == 0
    assert "report.html" in capsys.readouterr().out
    report = read_report(project / "out" / "report.json")
    assert report["split"]["side"] == "test"
    assert report["tissue"]["tiles"] == 2
    assert 0 <= report["tissue"]["metrics"]["accuracy"]["value"] <= 1
    assert "support vector machine" in report["notes"][-1]
    assert np.sum(report["tissue"]["confusion"]) == 2


def test_features_are_one_row_a_tile_and_a_model_without_classes_is_refused(project):
    chosen = select_config(project / "run.toml", split_path=None, side="train")
    network = trees.model().network
    features = run_to_end(tissue_features(network, chosen.tiles, 1.0))
    assert features.shape == (len(chosen.tiles), 4)
    bare = tiny_model(CERBERUS_TASKS[:1], pixel_size_um=1.0)
    with pytest.raises(SettingsError, match="no tissue classes"):
        run_to_end(evaluate_svm(bare, {"train": chosen, "validation": chosen, "test": chosen}, project / "out"))
