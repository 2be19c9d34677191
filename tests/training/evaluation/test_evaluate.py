"""The whole evaluation: through the product's own path, resumable, honest in its report."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from napari_cerberus.errors import DataError, OutputError
from napari_cerberus.pairs.split import split_by_image, split_by_patient
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import CERBERUS_TASKS, EBHI_CLASSES
from napari_cerberus.training.evaluation import scoring
from napari_cerberus.training.evaluation.evaluate_model import evaluate
from napari_cerberus.training.evaluation.outcome import EvaluateSettings
from napari_cerberus.training.evaluation.report import REPORT_FILE
from napari_cerberus.training.evaluation.scoring import ScoreSettings
from napari_cerberus.training.evaluation.selection import Selection, select_folder
from napari_cerberus.training.evaluation.summary import BootstrapSettings
from tiny import tiny_model
from training.evaluation import trees

SETTINGS = EvaluateSettings(scoring=ScoreSettings(device="cpu"), bootstrap=BootstrapSettings(samples=50))
SHARES = dict(zip(EBHI_CLASSES, (0.1, 0.5, 0.1, 0.1, 0.1, 0.1), strict=True))


@pytest.fixture
def told(monkeypatch):
    """The model always finds the same gland; returns what it was asked."""
    asked = []
    found = {"glands": trees.square(4, 8, 8), "lumina": 0 * trees.square(0, 0, 1)}
    monkeypatch.setattr(scoring, "annotate", trees.always(trees.annotation(found, SHARES), asked))
    return asked


def selection(tmp_path, **changes):
    tiles = [trees.tile(f"t{i}", patient=str(i % 3), tmp_path=tmp_path) for i in range(6)]
    tiles += [trees.tile("n", stratum="Normal", tmp_path=tmp_path)]
    return Selection(**{"tiles": tuple(tiles), "everything": tuple(tiles), "side": "all", **changes})


class _Parts(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.links = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in ("meta", "br", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_products_own_path_on_real_files(tmp_path):
    tree = trees.ebhi_tree(tmp_path / "tiles", {"Normal": ["1"], "Polyp": ["2"]})
    model = trees.model()
    chosen = select_folder(tree, model.spec.tasks, split_path=None, side=None, pixel_size=None)
    outcome = run_to_end(evaluate(model, chosen, tmp_path / "out", SETTINGS))
    assert {summary.task for summary in outcome.tasks} == {"glands", "lumina"}
    assert outcome.tissue.tiles == 2
    names = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert names == {
        *("report.html", "report.json", "metrics.csv", "tiles.csv", "tissue.csv", "confusion.csv"),
        *("scores.jsonl", "evaluation.json"),
    }


def test_a_cut_off_evaluation_goes_on_and_gives_the_same_report(tmp_path, told):
    chosen, model = selection(tmp_path), trees.model()
    run_to_end(evaluate(model, chosen, tmp_path / "whole", SETTINGS))
    whole = len(told)
    job = evaluate(model, chosen, tmp_path / "cut", SETTINGS)
    while len(told) < whole + 4:
        next(job)
    job.close()
    run_to_end(evaluate(model, chosen, tmp_path / "cut", SETTINGS, resume=True))
    assert whole < len(told) - whole <= whole + 1  # at most the tile that was being scored is done twice
    for name in ("metrics.csv", "tiles.csv", "report.json", REPORT_FILE):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_evaluation_is_not_overwritten_by_another(tmp_path, told):
    chosen = selection(tmp_path)
    run_to_end(evaluate(trees.model(), chosen, tmp_path / "out", SETTINGS))
    with pytest.raises(OutputError, match="already holds"):
        run_to_end(evaluate(trees.model(), chosen, tmp_path / "out", SETTINGS))
    with pytest.raises(DataError, match="another data"):
        run_to_end(evaluate(trees.model(), chosen.limited(2), tmp_path / "out", SETTINGS, resume=True))


def test_tiles_with_problems_are_listed_and_a_set_of_nothing_else_stops(tmp_path, told):
    bad = trees.tile("bad", labels={"glands": trees.square(0, 0, 1)[:5]}, tmp_path=tmp_path)
    chosen = selection(tmp_path)
    mixed = selection(tmp_path, tiles=(*chosen.tiles, bad))
    outcome = run_to_end(evaluate(trees.model(), mixed, tmp_path / "out", SETTINGS))
    assert [score.id for score in outcome.skipped] == [bad.id]
    assert bad.id in (tmp_path / "out" / REPORT_FILE).read_text(encoding="utf-8")
    with pytest.raises(DataError, match="None of the 1 tiles could be scored"):
        run_to_end(evaluate(trees.model(), selection(tmp_path, tiles=(bad,)), tmp_path / "none", SETTINGS))


def test_the_report_says_in_large_letters_that_it_is_training_data(tmp_path, told):
    model = trees.model()
    record = {"train_patients": ["s:0"], "validation_patients": [], "test_patients": []}
    object.__setattr__(model.spec, "provenance", record)
    outcome = run_to_end(evaluate(model, selection(tmp_path), tmp_path / "out", SETTINGS))
    assert outcome.leakage_status.kind == "training"
    page = (tmp_path / "out" / REPORT_FILE).read_text(encoding="utf-8")
    assert re.search(r'class="banner bad"><strong>TRAINING DATA', page)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["leakage_status"]["kind"] == "training"


@pytest.mark.parametrize(("make", "leaks"), [(split_by_image, True), (split_by_patient, False)])
def test_leaks_are_looked_for_and_marked(tmp_path, told, make, leaks):
    chosen = selection(tmp_path)
    split = make(chosen.tiles, (0.4, 0.3, 0.3), seed=1)
    marked = selection(tmp_path, split=split, split_name="split.json")
    outcome = run_to_end(evaluate(trees.model(), marked, tmp_path / "out", SETTINGS))
    assert outcome.leaks.leaks == leaks
    page = (tmp_path / "out" / REPORT_FILE).read_text(encoding="utf-8")
    assert ("This split leaks" in page) == leaks
    assert f"split.json (by {split.unit})" in page


def test_nothing_in_the_page_breaks_out_or_reaches_out(tmp_path, told):
    hostile = '<script>alert("x")</script>&\'\udcff'
    tile = trees.tile("x", tmp_path=tmp_path)
    object.__setattr__(tile, "id", f"s/{hostile}")
    chosen = selection(tmp_path, tiles=(tile,), notes=(hostile,), split_name=hostile)
    model = trees.model()
    object.__setattr__(model.spec, "name", hostile)
    run_to_end(evaluate(model, chosen, tmp_path / "out", SETTINGS))
    page = (tmp_path / "out" / REPORT_FILE).read_text(encoding="utf-8")
    parts = _Parts(page)
    assert "script" not in parts.tags
    assert not parts.open
    assert {"svg", "table", "figure"} <= set(parts.tags)
    assert parts.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in parts.links)
    assert "http" not in page


def test_json_and_tables_hold_the_figures(tmp_path, told):
    run_to_end(evaluate(trees.model(), selection(tmp_path, weak=frozenset({"lumina"})), tmp_path / "out", SETTINGS))
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    glands = next(task for task in report["tasks"] if task["task"] == "glands")
    assert glands["groups"][0]["metrics"]["dice"]["value"] == pytest.approx(0.5)
    assert report["model"]["sha256"] == "a" * 64
    assert len(report["data"]["sha256"]) == 64
    with (tmp_path / "out" / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    dice = next(row for row in rows if (row["task"], row["group"], row["figure"]) == ("glands", "Normal", "dice"))
    assert (float(dice["value"]), dice["tiles"], dice["low"]) == (0.5, "1", "")
    with (tmp_path / "out" / "tiles.csv").open(encoding="utf-8", newline="") as stream:
        tiles = list(csv.DictReader(stream))
    assert len(tiles) == 7
    assert tiles[0]["conformity_state"] == "number"
    with (tmp_path / "out" / "confusion.csv").open(encoding="utf-8", newline="") as stream:
        confusion = list(csv.reader(stream))
    assert [row[2] for row in confusion] == ["Polyp", "1", "6", "0", "0", "0", "0"]


def test_classes_of_objects_stand_in_every_form_of_the_report(tmp_path, monkeypatch):
    drawn = {"glands": trees.square(4, 4, 8), "gland_types": trees.square(4, 4, 8, index=2)}
    tiles = tuple(trees.tile(f"t{i}", labels=drawn, tmp_path=tmp_path) for i in range(3))
    plain = trees.annotation({"glands": trees.square(4, 4, 8)})
    found = replace(plain, objects=plain.objects.assign(**{"class": "gland"}))
    monkeypatch.setattr(scoring, "annotate", trees.always(found))
    model = tiny_model([task for task in CERBERUS_TASKS if "gland" in task.key], pixel_size_um=1.0, sha256="b" * 64)
    out = tmp_path / "out"
    chosen = Selection(tiles=tiles, everything=tiles, side="all")
    first = run_to_end(evaluate(model, chosen, out, SETTINGS))
    again = run_to_end(evaluate(model, chosen, out, SETTINGS, resume=True))
    assert again.types == first.types
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["types"][0]["metrics"]["accuracy"]["value"] == 0.0
    assert report["types"][0]["confusion"][2] == [0, 3, 0]
    page = (out / REPORT_FILE).read_text(encoding="utf-8")
    _Parts(page)
    assert "Glands: classes" in page
    with (out / "confusion_gland_types.csv").open(encoding="utf-8") as stream:
        assert list(csv.reader(stream))[3] == ["surface epithelium", "0", "3", "0"]
    with (out / "metrics.csv").open(encoding="utf-8") as stream:
        rows = {(row["group"], row["figure"]): row["value"] for row in csv.DictReader(stream) if "types" in row["task"]}
    assert rows["surface epithelium", "recall"] == "0.0"


def test_a_failure_is_a_state_in_every_form_of_the_report(tmp_path, monkeypatch):
    nothing = {"glands": 0 * trees.square(0, 0, 1)}
    monkeypatch.setattr(scoring, "annotate", trees.always(trees.annotation(nothing, SHARES)))
    run_to_end(evaluate(trees.model(), selection(tmp_path), tmp_path / "out", SETTINGS))
    out = tmp_path / "out"
    assert "glands,drawn,All,conformity,failure,," in (out / "metrics.csv").read_text(encoding="utf-8")
    assert '<td class="muted">failure</td>' in (out / REPORT_FILE).read_text(encoding="utf-8")
    group = json.loads((out / "report.json").read_text(encoding="utf-8"))["tasks"][0]["groups"][0]
    assert (group["metrics"]["conformity"]["value"], group["conformity_failures"]) == (None, 7)
