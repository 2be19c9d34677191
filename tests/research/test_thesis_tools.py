"""The script of the thesis's tables: its rows and configs, its comparison networks, its tables from reports alone."""

from pathlib import Path

import pytest
import torch

from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.inference.device import Runtime
from napari_cerberus.inference.predict import predict
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import EBHI_CLASSES, instances
from napari_cerberus.training.config_file import read_config
from tiny import spotted

ROOT = Path(__file__).parents[2]


def test_rows_cover_both_tables_by_patient_and_by_image(tmp_path):
    from thesis_rows import FLOOR, NETWORKS, PRETRAIN, QUICK, all_rows, write_config, write_pretrain_config

    rows = all_rows()
    assert len({row.name for row in rows}) == len(rows) == 28
    for row in rows:
        config = read_config(write_config(tmp_path, row, QUICK, "start", tmp_path))
        assert config.train_from_layer == row.layer
        assert config.steps == QUICK.steps
        assert config.allow_leaks == (row.unit == "image")
        assert config.start == ("scratch" if row.scratch or row.network in (*NETWORKS, FLOOR) else "start")
    assert read_config(write_pretrain_config(tmp_path, QUICK, tmp_path)).name == PRETRAIN


def test_two_schedules_are_never_mixed_and_a_kept_row_is_found_again(tmp_path):
    from thesis_kept import KEPT_FILE, keep_row, kept_rows
    from thesis_rows import QUICK, Schedule

    path = tmp_path / KEPT_FILE
    assert kept_rows(path, QUICK, "scratch") == {}
    keep_row(path, QUICK, "scratch", "patient-unet", {"tasks": [{"task": "glands", "groups": [group("All", 1 / 3)]}]})
    keep_row(path, QUICK, "scratch", "image-unet", {"tasks": []})
    rows = kept_rows(path, QUICK, "scratch")
    assert list(rows) == ["image-unet", "patient-unet"]
    assert rows["patient-unet"]["tasks"][0]["groups"][0]["metrics"]["dice"]["value"] == 0.3333
    for other in ((Schedule(), "scratch"), (QUICK, "imagenet")):
        with pytest.raises(SettingsError, match="another schedule"):
            kept_rows(path, *other)


@pytest.mark.parametrize("kind", ["unet", "segnet", "medt", "swinu"])
def test_comparison_networks_are_annotated_with_like_ours(kind):
    from comparison_networks import OneTask

    task = instances("glands")
    torch.manual_seed(0)
    network = OneTask(kind, task).eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 48, 80) * 255)["glands"].shape == (1, 3, 48, 80)
    model = Model(network=network, spec=ModelSpec(name=kind, tasks=(task,), pixel_size_um=1.0), sha256="")
    seen = run_to_end(
        predict(spotted((40, 50)), model, Runtime(device=torch.device("cpu"), dtype=torch.float32, reason=""))
    )
    assert seen.probabilities["glands"].shape == (2, 40, 50)


def test_medt_is_as_large_as_the_published_one_without_what_it_never_calls():
    from medt import MedT

    published, dead_in_blocks, dead_last = 1_560_140, 35_536, 34
    assert sum(one.numel() for one in MedT(2).parameters()) == published - dead_in_blocks - dead_last
    assert 1_520_000 < sum(one.numel() for one in MedT(3, side=256).parameters()) < 1_560_000
    with pytest.raises(SettingsError, match="multiples of 128"):
        MedT(2, side=224)


def test_medt_cuts_the_image_into_patches_and_puts_them_back():
    from medt import MedT

    network = MedT(2).eval()
    network.parts = torch.nn.Identity()
    x = torch.rand(2, 3, 128, 128)
    assert torch.equal(network._in_parts(x), x)


def test_medts_gates_join_in_after_a_while_and_the_answer_has_the_images_size():
    from medt import MedT

    torch.manual_seed(0)
    network = MedT(3)
    gates = [one for name, one in network.named_parameters() if "gates" in name]
    assert len(gates) == 4 * 6  # four for each of two axes in three blocks of the global branch
    network.progressed(0.0)
    network(torch.rand(1, 3, 224, 224))[..., 100, 100].sum().backward()
    assert all(one.grad is None for one in gates)
    network.progressed(0.5)
    answer = network(torch.rand(1, 3, 224, 224))
    assert answer.shape == (1, 3, 224, 224)
    answer[..., 100, 100].sum().backward()
    assert all(one.grad is not None for one in gates)


def test_the_published_protocol_is_one_of_its_own(tmp_path):
    from thesis_rows import PUBLISHED, all_rows, write_config

    row = next(row for row in all_rows() if row.name == "image-layer2")
    config = read_config(write_config(tmp_path, row, PUBLISHED, "starter", tmp_path))
    assert (config.batches[0].size, config.batches[0].crop_px, config.pixel_size_um) == (32, 224, 1.3)
    assert (config.optimiser.name, config.optimiser.learning_rate, config.optimiser.schedule) == ("sgd", 0.1, "thirds")
    assert (config.augment.stain, config.augment.scale, config.augment.resolution) == (0, 0, 0)
    assert (config.balance, config.dice_weight, config.start, config.train_from_layer) == (0, 0, "starter", 2)
    assert "30 epochs" in PUBLISHED.sentence("starter").replace("about ", "")


def estimate(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def group(name, value):
    metrics = {key: estimate(value) for key in ("dice", "jaccard", "precision", "recall")}
    return {"name": name, "tiles": 7, "conformity_failures": 2, "metrics": {**metrics, "conformity": estimate(None)}}


def test_tables_come_from_the_reports_alone_and_stand_between_their_markers(tmp_path):
    from thesis_writing import MARKERS, put_between, tables

    reports = {
        "patient-layer1": {
            "tissue": {
                "metrics": dict.fromkeys(("accuracy", "balanced_accuracy"), estimate(0.8, 0.7, 0.9)),
                "confusion": [[row * 10 + column for column in range(6)] for row in range(6)],
            }
        },
        "patient-unet": {"tasks": [{"task": "glands", "groups": [group("All", 0.5), group(EBHI_CLASSES[1], 0.25)]}]},
    }
    text = tables(reports, "Every row alike.")
    assert "| Polyp | 10 | 11 | 12 | 13 | 14 | 15 |" in text
    assert "| encoder layer 1 | not run | 0.800 (0.700-0.900) | 0.800 (0.700-0.900) | 0.852 |" in text
    assert "| All | U-Net | 7 | 0.500 |  | 0.500 | not counted | 2 | 0.500 | 0.500 |" in text
    assert (
        f"| {EBHI_CLASSES[1]} | U-Net | 7 | 0.250 | 0.965 (impossible beside its Jaccard of 0.308; 0.932 would fit) |"
        in text
    )
    page = tmp_path / "results.md"
    page.write_text("# Results\n\nBefore.\n", encoding="utf-8")
    for content in (text, text.replace("0.800", "0.900")):
        put_between(page, MARKERS, content)
    assert page.read_text(encoding="utf-8").startswith("# Results\n\nBefore.\n")
    assert page.read_text(encoding="utf-8").count("### Table 1") == 1
    assert "0.900 (0.700" in page.read_text(encoding="utf-8")
    page.write_text(MARKERS[0], encoding="utf-8")
    with pytest.raises(DataError, match="only one of the lines"):
        put_between(page, MARKERS, text)


def test_repair_steps_are_scored_each_on_its_own():
    from napari_cerberus.training.evaluation.scoring import TileScore, compare_labels
    from repair_steps import ALL_ON, table, ways
    from training.evaluation.trees import square

    assert len(ways()) == 7
    truth, worse = square(4, 4, 8), square(4, 4, 6)
    scores = {
        name: [TileScore(id="t", patient="p", stratum="s", tasks={"glands": compare_labels(truth, labels)})]
        for name, labels in ((ALL_ON, truth), ("without smooth", worse))
    }
    lines = list(table(scores))
    assert lines[2].startswith("| glands | all steps on | 1.000 |")
    assert lines[3].startswith("| glands | without smooth | -0.2800 |")
