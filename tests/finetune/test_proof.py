"""The whole comparison: from a run folder to verdict, pictures and forgetting; cancelled, resumed, refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from finetune.made_scores import pair
from model.shelf import open_shelf, put
from napari_cerberus.errors import DataError
from napari_cerberus.finetune.comparison import comparison_scores
from napari_cerberus.finetune.comparison.comparison_record import comparison_path, read_comparison
from napari_cerberus.finetune.comparison.comparison_scores import found_objects, gained_and_lost
from napari_cerberus.finetune.comparison.gallery import BEST, WORST, chosen_tiles, draw
from napari_cerberus.finetune.comparison.model_comparison import SCORES_FOLDER, Fold, compare_models
from napari_cerberus.model.library.entries import entry_of
from napari_cerberus.model.library.manage import read_record
from napari_cerberus.pairs.split import Split, write_split
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import TASK_COLOURS
from napari_cerberus.training.engine import old_domain
from napari_cerberus.training.evaluation import scoring
from training.evaluation import trees

CONFIG = """
name = "mine"
seed = 0
tasks = ["glands", "lumina", "tissue"]
pixel_size_um = 1.0
steps = 1
split_file = "split.json"

[[source]]
name = "new"
kind = "ebhi"
path = "{path}"
pixel_size_um = 1.3
tasks = ["glands", "lumina", "tissue"]

[[batch]]
tasks = ["glands"]
"""
TRAIN, HELD_OUT = [f"1{i}" for i in range(3)], [f"2{i}" for i in range(6)]
GOOD, POOR, NONE = trees.square(4, 4, 8), trees.square(4, 4, 5), trees.square(20, 20, 4)
SHARES = dict(zip(trees.EBHI_CLASSES, (0.1, 0.5, 0.1, 0.1, 0.1, 0.1), strict=True))


def model(sha256, **provenance):
    made = trees.model()
    spec = replace(made.spec, name=sha256, provenance=provenance)
    return replace(made, sha256=sha256 * 8, spec=spec)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder whose held-out tiles each have one 8 px gland."""
    tree = trees.ebhi_tree(tmp_path / "tiles", {"Polyp": [*TRAIN, *HELD_OUT[:3]], "Normal": HELD_OUT[3:]})
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG.format(path=tree))
    split(folder, HELD_OUT)
    monkeypatch.setattr(old_domain, "DRAWN_TILES", 2)
    monkeypatch.setattr(old_domain, "_DRAWN_SIDE_PX", 32)
    monkeypatch.delenv("CERBERUS_DATA", raising=False)
    return folder


def ids(patients):
    return tuple(f"new/{'Normal' if name in HELD_OUT[3:] else 'Polyp'}/GT{name}-1-400-001" for name in sorted(patients))


def split(folder, held_out):
    sides = {"train": ids(TRAIN[:2]), "validation": ids(TRAIN[2:]), "test": tuple(sorted(ids(held_out)))}
    counts = {}
    for side, members in sides.items():
        strata = [one.split("/")[1] for one in members]
        counts[side] = {name: strata.count(name) for name in sorted(set(strata))}
    write_split(folder / "split.json", Split(seed=0, unit="patient", counts=counts, **sides))


@pytest.fixture
def told(monkeypatch):
    """What each model finds; returns the pictures that were asked about, with the model's name."""
    asked = []
    answers = {"base": POOR, "new": GOOD, "bad": NONE}

    def annotate(image, model, settings):
        asked.append((model.name, settings.pixel_size_um))
        labels = answers[model.name][: image.shape[0], : image.shape[1]]
        yield from trees.always(
            trees.annotation({"glands": labels, "lumina": 0 * labels, "nuclei": 0 * labels}, SHARES)
        )(image, model, settings)
        return trees.annotation({"glands": labels, "lumina": 0 * labels, "nuclei": 0 * labels}, SHARES)

    monkeypatch.setattr(scoring, "annotate", annotate)
    return asked


def test_a_better_model(run, told):
    comparison = run_to_end(compare_models(run, base=model("base"), candidate=model("new")))
    assert comparison.verdict == "better"
    assert comparison.sentence.startswith("Better: glands Dice")
    glands = comparison.rows[0]
    assert (glands.task, glands.tiles, glands.patients, glands.primary) == ("glands", 6, 6, True)
    assert glands.candidate == 1.0
    assert glands.base == pytest.approx(2 * 25 / (64 + 25))
    assert (comparison.gained, comparison.lost) == ({"glands": 6, "lumina": 0}, {"glands": 0, "lumina": 0})
    assert {row.category for row in comparison.rows if row.task == "glands"} == {"", "Normal", "Polyp"}
    assert any("Alike in both models" in note and "tissue" in note for note in comparison.notes)
    assert any("come from a rule" in note for note in comparison.notes)
    assert comparison.base == {"name": "base", "sha256": "base" * 8}
    assert read_comparison(run) == comparison
    assert not (run / SCORES_FOLDER).exists()


def test_pairs_are_scored_for_every_task_of_the_model_where_the_run_was_at_the_end(run, told, monkeypatch):
    text = (
        (run / "config.toml").read_text().replace('"ebhi"', '"pairs"').replace("seed = 0", 'seed = 0\ndevice = "cpu"')
    )
    head, source = text.split("[[source]]")
    source = source.replace('["glands", "lumina", "tissue"]', '["tissue"]')
    (run / "config.toml").write_text(f"{head}[[source]]{source}")
    devices = []
    score = comparison_scores.score_tile

    def scored(model, tile, settings):
        devices.append(settings.device)
        return score(model, tile, settings)

    monkeypatch.setattr(comparison_scores, "score_tile", scored)
    comparison = run_to_end(compare_models(run, base=model("base"), candidate=model("new")))
    assert {row.task for row in comparison.rows} >= {"glands", "tissue"}
    assert set(devices) == {"cpu"}


def test_a_candidate_from_the_library_keeps_its_verdict(run, told, tmp_path, monkeypatch):
    folder = put(open_shelf(tmp_path, monkeypatch), "mine")
    candidate = replace(model("new"), path=folder)
    comparison = run_to_end(compare_models(run, base=model("base"), candidate=candidate))
    record = read_record(entry_of("mine"))
    assert (record.verdict, record.sentence) == ("better", comparison.sentence)


def test_only_held_out_tiles_are_looked_at_at_their_own_pixel_size(run, told):
    run_to_end(compare_models(run, base=model("base"), candidate=model("new")))
    on_tissue = [name for name, size in told if size == PixelSize.square(1.3)]
    assert (on_tissue.count("base"), on_tissue.count("new")) == (6, 6)


def test_a_worse_model_has_its_pictures_and_says_what_was_forgotten(run, told):
    comparison = run_to_end(compare_models(run, base=model("new"), candidate=model("bad")))
    assert comparison.verdict == "worse"
    assert comparison.lost["glands"] == 6
    assert "drawn tiles (not tissue" in comparison.forgetting_sentence
    assert len(comparison.gallery) == 6
    first = comparison.gallery[0]
    assert first.difference < 0
    pictures = [np.asarray(Image.open(path)) for path in (first.before, first.after)]
    assert pictures[0].shape == (480, 480, 3)
    assert (pictures[0] != pictures[1]).any()
    files = {path.name for path in comparison_path(run).parent.iterdir()}
    assert files == {"comparison.json", *(path.name for one in comparison.gallery for path in (one.before, one.after))}


def test_few_patients_and_none(run, told):
    split(run, HELD_OUT[:3])
    comparison = run_to_end(compare_models(run, base=model("base"), candidate=model("new")))
    assert (comparison.verdict, comparison.needed_patients) == ("too few patients", 5)
    assert "3 held-out patients" in comparison.sentence
    split(run, [])
    comparison = run_to_end(compare_models(run, base=model("base"), candidate=model("new")))
    assert comparison.verdict == "too few patients"
    assert "nothing can be compared" in comparison.sentence
    assert read_comparison(run).rows == ()


def test_the_same_model_shows_no_difference(run, told):
    comparison = run_to_end(compare_models(run, base=model("new"), candidate=model("new")))
    assert comparison.verdict == "no difference shown"
    assert "the same result on every tile" in comparison.sentence


def test_a_cancelled_proof_leaves_the_old_one_and_goes_on_where_it_was(run, told):
    old = run_to_end(compare_models(run, base=model("new"), candidate=model("bad")))
    told.clear()
    job = compare_models(run, base=model("base"), candidate=model("new"))
    while len(told) < 5:
        next(job)
    job.close()
    assert read_comparison(run) == old
    run_to_end(compare_models(run, base=model("base"), candidate=model("new")))
    whole = len(told)
    assert read_comparison(run).verdict == "better"
    told.clear()
    run_to_end(compare_models(run, base=model("base"), candidate=model("new")))
    assert len(told) <= whole <= len(told) + 1


def test_cancelled_while_pictures_are_drawn_nothing_is_left(run, told):
    job = compare_models(run, base=model("base"), candidate=model("new"))
    while not next(job).stage.startswith("Drawing"):
        pass
    job.close()
    assert not comparison_path(run).parent.exists()
    assert {path.name for path in run.iterdir()} == {"config.toml", "split.json", SCORES_FOLDER}


def test_a_candidate_that_has_seen_a_held_out_patient_is_refused(run, told):
    with pytest.raises(DataError, match="Patient 20 is held out, but the new model has learnt"):
        run_to_end(compare_models(run, base=model("base"), candidate=model("new", train_patients=["new:20", "new:10"])))
    comparison = run_to_end(compare_models(run, base=model("base", train_patients=["new:20"]), candidate=model("new")))
    assert any("learnt from 1 of the 6 held-out patients" in note for note in comparison.notes)


def test_tiles_that_are_gone_are_one_sentence(run, told):
    next((run.parent / "tiles" / "Polyp" / "label").iterdir()).unlink()
    with pytest.raises(DataError, match="does not hold"):
        run_to_end(compare_models(run, base=model("base"), candidate=model("new")))


def test_folds_are_pooled_each_with_the_model_that_has_not_seen_them(run, told):
    folds = [
        Fold(candidate=model("new"), held_out=ids(HELD_OUT[:3])),
        Fold(candidate=model("bad"), held_out=ids(HELD_OUT[3:])),
    ]
    comparison = run_to_end(compare_models(run, base=model("base"), candidate=model("new"), folds=folds))
    by_category = {row.category: row for row in comparison.rows if row.task == "glands" and row.category}
    assert by_category["Polyp"].difference > 0 > by_category["Normal"].difference
    assert any("Cross-validation: 2 models" in note for note in comparison.notes)


def test_the_bases_own_validation_tiles_are_the_reference_where_they_are_here(run, told, monkeypatch):
    tree = trees.ebhi_tree(run.parent / "old", {"Polyp": ["7", "8", "9"]})
    record = {"data": {"old": str(tree)}, "validation_patients": ["old:7", "old:8"], "train_patients": ["old:9"]}
    comparison = run_to_end(compare_models(run, base=model("base", **record), candidate=model("new")))
    assert "on 2 of the base model's own validation tiles (2 patients)" in comparison.forgetting_sentence
    monkeypatch.setenv("CERBERUS_DATA", str(tree.parent))
    named = old_domain.reference_set(model("base", **{**record, "data": {"old": "old"}}), training_patients=["7"])
    assert [tile.patient for tile in named.tiles] == ["old:8"]
    assert named.weak == {"lumina"}


@pytest.mark.parametrize("data", [{"old": "gone"}, {"old": 3}, "x", {}])
def test_else_it_is_the_drawn_set(run, data):
    found = old_domain.reference_set(model("base", data=data, validation_patients=["old:7"], sources=[{"x": 1}]), [])
    assert [tile.id for tile in found.tiles] == ["drawn/9000", "drawn/9001"]
    loaded = found.tiles[0].load()
    assert loaded.image.shape == (32, 32, 3)
    assert found.tiles[0].tasks == {"glands", "lumina", "nuclei"}


def test_objects_gained_and_lost_by_hand():
    truth = trees.square(0, 0, 8, 3) + trees.square(16, 16, 8, 7)
    before, after = trees.square(0, 0, 8, 1), trees.square(16, 16, 7, 9)
    assert found_objects(truth, before) == {0}
    assert found_objects(truth, after) == {1}
    assert gained_and_lost({"glands": truth}, {"glands": before}, {"glands": after}) == ({"glands": 1}, {"glands": 1})
    assert found_objects(truth, trees.square(0, 0, 5, 1)) == frozenset()  # IoU 25/64


def test_the_gallery_has_the_worst_first_and_some_of_the_best():
    pairs = [pair(f"t{i:02d}", "p", {"glands": 0.5}, {"glands": 0.5 + (i - 10) / 100}) for i in range(30)]
    chosen = chosen_tiles(pairs)
    assert [tile for tile, _ in chosen] == [
        *(f"t{i:02d}" for i in range(WORST)),
        *(f"t{30 - BEST + i}" for i in range(BEST)),
    ]
    assert chosen[0][1] == pytest.approx(-0.1)


def test_outlines_are_drawn_in_black_and_in_the_tasks_colour():
    image = np.full((240, 240, 3), 200, np.uint8)
    truth, found = np.zeros((240, 240), np.int32), np.zeros((240, 240), np.int32)
    truth[40:100, 40:100] = 1
    found[140:200, 140:200] = 1
    shown = draw(image, {"glands": truth}, {"glands": found, "nuclei": truth})
    assert shown.shape == (480, 480, 3)
    assert shown[81, 120].tolist() == [20, 20, 20]
    assert shown[280, 300].tolist() == list(bytes.fromhex(TASK_COLOURS["glands"][1:]))
    assert shown[150, 150].tolist() == [200, 200, 200]


def test_comparisons_on_the_same_patients_are_counted(run, told):
    first = run_to_end(compare_models(run, base=model("base"), candidate=model("new")))
    assert (first.tries, first.tries_sentence, first.held_out) == (1, "", tuple(sorted(HELD_OUT)))
    assert run_to_end(compare_models(run, base=model("base"), candidate=model("new"))).tries == 1
    again = run.with_name("again")
    again.mkdir()
    (again / "config.toml").write_text((run / "config.toml").read_text())
    split(again, HELD_OUT[:5])
    second = run_to_end(compare_models(again, base=model("base"), candidate=model("bad")))
    assert second.tries == read_comparison(again).tries == 2
    other = run.with_name("other")
    other.mkdir()
    (other / "config.toml").write_text((run / "config.toml").read_text())
    split(other, HELD_OUT[5:])
    assert run_to_end(compare_models(other, base=model("base"), candidate=model("bad"))).tries == 2  # that of all six
