"""The plan: what is wrong with the pairs, who stands on which side, what will be trained."""

import json
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune import tiny_net
from finetune.pairs_folder import add_pair, make_pairs
from napari_cerberus.finetune.candidate_name import new_model_name
from napari_cerberus.finetune.finetune_plan import prepare
from napari_cerberus.finetune.finetune_settings import FinetuneSettings
from napari_cerberus.model.library.manage import checked_name
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.pairs.split import apply_split
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.config_file import read_config, write_config
from napari_cerberus.training.data.tile_sources import collect

Usage = namedtuple("Usage", "total used free")


def plan_of(folder, **changes):
    fields = {"base_model": "base", "preset": "standard"}
    return run_to_end(prepare(FinetuneSettings(pairs_folder=folder, **{**fields, **changes})))


def patients_of(plan, side):
    return {id_.split("/")[-1][2:6] for id_ in plan.split.sides[side]}


def test_a_plan_counts_and_splits_by_patient_and_its_config_can_be_read(computer, pairs):
    plan = plan_of(pairs)
    assert plan.stops == ()
    assert (plan.pairs, plan.patients, plan.categories) == (10, 10, {"Normal": 5, "Polyp": 5})
    assert sum(number for number, _ in plan.sides.values()) == 10
    assert plan.sides["held_out"][1] >= 1
    sides = [patients_of(plan, side) for side in ("train", "validation", "test")]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 10
    write_config(computer / "plan.toml", plan.config)
    config = read_config(computer / "plan.toml")
    tiles = collect(config.sources, config.tasks, computer)
    assert len(apply_split(plan.split, tiles).train) == plan.sides["train"][0]
    assert config.steps == plan.steps
    assert config.start_sha256 == plan.base_sha256
    assert len(plan.files) == 20


def test_a_model_of_ones_own_is_found_again_though_it_is_called_as_the_shipped_one(computer, pairs):
    own = computer / "elsewhere" / "starter"
    tiny_net.save_base(own)
    write_config(computer / "plan.toml", plan_of(pairs, base_model=str(own)).config)
    config = read_config(computer / "plan.toml")
    assert open_model(config.start).sha256 == config.start_sha256


@pytest.mark.parametrize(("patients", "kept", "patience"), [(10, "last", 0), (30, "best", 4)])
def test_few_validation_patients_do_not_choose_the_weights(computer, patients, kept, patience):
    plan = plan_of(make_pairs(computer / "pairs", ["Polyp"], patients=patients))
    write_config(computer / "plan.toml", plan.config)
    early_stopping = read_config(computer / "plan.toml").early_stopping
    assert (early_stopping.keep, early_stopping.patience) == (kept, patience)
    assert (plan.sides["validation"][1] >= 5) == (kept == "best")
    assert plan.config.folds == (3 if kept == "last" else 0)
    assert any("3 models are trained, each judged by" in one for one in plan.warnings) == (kept == "last")


def test_pairs_without_sidecars_say_which_pixel_size_is_assumed(computer, pairs):
    assert any("1 µm is assumed" in sentence for sentence in plan_of(pairs).warnings)


@pytest.mark.parametrize(
    "make", [lambda root: root.mkdir(), lambda root: (root / "Polyp" / "image").mkdir(parents=True)]
)
def test_an_empty_folder_stops_with_one_sentence(computer, make):
    make(computer / "empty")
    plan = plan_of(computer / "empty")
    assert len(plan.stops) == 1
    assert "empty" in plan.stops[0]


def test_a_folder_may_be_named_from_where_one_stands(computer, pairs, monkeypatch):
    monkeypatch.chdir(pairs.parent)
    plan = plan_of(Path(pairs.name))
    assert plan.stops == ()
    assert plan.settings.pairs_folder == pairs


def test_a_folder_that_is_not_there_stops(computer):
    assert "is not a folder" in plan_of(computer / "nowhere").stops[0]


def test_one_patient_stops(computer):
    for number in range(1, 5):
        add_pair(computer / "pairs", "Polyp", 7, number)
    (sentence,) = plan_of(computer / "pairs").stops
    assert "one patient (0007)" in sentence


def test_two_patients_train_but_nothing_can_be_proven(computer):
    plan = plan_of(make_pairs(computer / "pairs", ["Polyp"], patients=2))
    assert plan.stops == ()
    assert plan.sides == {"train": (1, 1), "validation": (1, 1), "held_out": (0, 0)}
    assert any("nothing can be compared" in sentence for sentence in plan.warnings)


def test_one_category_trains_glands_and_leaves_the_tissue_head_alone(computer):
    plan = plan_of(make_pairs(computer / "pairs", ["Polyp"]))
    assert plan.stops == ()
    assert "learns glands" in plan.learns
    assert "tissue are held to what the old model says" in plan.learns
    assert any("one category" in sentence for sentence in plan.warnings)
    assert plan_of(computer / "pairs", tasks=("tissue",)).stops


def test_half_written_pairs_are_left_out_and_named(computer, pairs):
    lonely = next((pairs / "Polyp" / "label").iterdir())
    lonely.unlink()
    torn = sorted((pairs / "Normal" / "image").iterdir())[0]
    torn.write_bytes(torn.read_bytes()[:40])
    plan = plan_of(pairs)
    assert plan.pairs == 8
    assert any(lonely.name in sentence for sentence in plan.warnings)
    assert any(torn.name in sentence for sentence in plan.warnings)


def test_categories_that_the_base_model_does_not_know_get_a_new_head(computer):
    plan = plan_of(make_pairs(computer / "pairs", ["Sessile", "Polyp"]))
    assert "does not know Sessile" in plan.new_head
    assert [task.classes for task in plan.config.tasks if task.kind == "tissue"] == [("Polyp", "Sessile")]
    assert plan_of(computer / "pairs", tasks=("glands",)).new_head == ""


def test_tasks_that_the_pairs_cannot_teach_stop(computer, pairs):
    assert "no labels of nuclei" in plan_of(pairs, tasks=("nuclei",)).stops[0]


def test_patients_that_the_base_model_learned_from_are_not_held_out_and_proven_ones_stay(computer, pairs):
    learned = [f"pairs:0{number}" for number in (100, 101, 102, 200)]
    tiny_net.save_base(computer / "models" / "second", train_patients=learned, test_patients=["other:0201"])
    plan = plan_of(pairs, base_model="second")
    assert {"0100", "0101", "0102", "0200"}.isdisjoint(patients_of(plan, "test"))
    assert "0201" in patients_of(plan, "test")
    assert plan.stops == ()


def test_where_nearly_all_patients_were_held_out_for_the_base_model_some_are_learned_from(computer, pairs):
    held = [f"other:0{100 * category + number}" for category in (1, 2) for number in range(5)]
    tiny_net.save_base(computer / "models" / "second", test_patients=held[1:])
    plan = plan_of(pairs, base_model="second")
    assert plan.stops == ()
    assert plan.sides["train"][1] >= 5
    assert plan.sides["held_out"][1] >= 1
    assert any("does not speak for the new model" in sentence for sentence in plan.warnings)


def test_a_base_model_that_knows_all_patients_is_said_to_have_an_advantage(computer, pairs):
    names = [f"pairs:0{100 * category + number}" for category in (1, 2) for number in range(5)]
    tiny_net.save_base(computer / "models" / "second", train_patients=names)
    plan = plan_of(pairs, base_model="second")
    assert any("favours it" in sentence for sentence in plan.warnings)
    assert plan.sides["held_out"][1] > 0


def test_patients_with_the_same_picture_stand_on_one_side(computer, pairs):
    for patient in (301, 302, 303):
        image = add_pair(pairs, "Polyp", patient)
        image.write_bytes((pairs / "Polyp" / "image" / "GT0200-1-400-001.png").read_bytes())
    plan = plan_of(pairs)
    alike = {"0200", "0301", "0302", "0303"}
    assert sum(not alike.isdisjoint(patients_of(plan, side)) for side in ("train", "validation", "test")) == 1


def test_the_same_pairs_and_seed_give_the_same_plan(computer, pairs):
    assert plan_of(pairs, seed=4) == plan_of(pairs, seed=4)


def test_no_room_on_disk_stops_before_anything_is_written(computer, pairs, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(10, 9, 1 << 20))
    (sentence,) = plan_of(pairs).stops
    assert "1 MB free" in sentence
    assert not (computer / "runs").exists()


def test_the_users_numbers_go_into_the_config(computer, pairs):
    plan = plan_of(pairs, epochs=2, batch_size=3, learning_rate=5e-5, augment={"flip": 0.0}, train_from_layer=3, seed=9)
    write_config(computer / "plan.toml", plan.config)
    config = read_config(computer / "plan.toml")
    assert (config.batches[0].size, config.optimiser.learning_rate, config.seed) == (3, 5e-5, 9)
    batches = 2 * -(-plan.sides["train"][0] // 3)
    assert config.steps == -(-batches // config.folds) * config.folds, "each of the models gets as many"
    assert (config.augment.flip, config.augment.rotation) == (0.0, 0.5)
    assert config.train_from_layer == 3
    assert "The whole network learns" in plan.learns


def test_a_name_with_quotes_and_umlauts_survives(computer, pairs):
    name = "Müller's best – größtes Modell"
    plan = plan_of(pairs, name=name)
    write_config(computer / "plan.toml", plan.config)
    assert read_config(computer / "plan.toml").name == name
    assert json.dumps(plan.settings.to_json())


@pytest.mark.parametrize("name", ["colon/DAB 3:1", "what?", "CON", "x" * 81])
def test_a_name_that_no_folder_can_have_is_refused_before_the_work(computer, pairs, name):
    assert "name" in plan_of(pairs, name=name).stops[0]


def test_the_name_that_is_proposed_for_a_long_base_fits():
    base = "a model with a name that somebody has made as long as names may possibly be at all"[:80]
    assert checked_name(new_model_name(FinetuneSettings(pairs_folder=Path()), base))


def test_labels_that_contradict_each_other_between_patients_are_found_and_named(computer, pairs):
    first = add_pair(pairs, "Polyp", 401, seed=3)
    second = add_pair(pairs, "Polyp", 402, seed=3)
    assert not any("labels that contradict each other" in one for one in plan_of(pairs).warnings)
    mask = second.parents[1] / "label" / second.name
    Image.fromarray(255 - np.asarray(Image.open(mask))).save(mask)
    said = [one for one in plan_of(pairs).warnings if "labels that contradict each other" in one]
    assert len(said) == 1
    assert first.name in said[0]
    assert second.name in said[0]
