"""A whole run from a TOML file over a small EBHI-style tree: check, split, train, model folder, resume, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.errors import DataError, OutputError, SettingsError
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.pairs.split import Split, read_split, write_split
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.data.precheck import same_names
from napari_cerberus.training.data.tile_sources import collect
from napari_cerberus.training.engine.training_run import run_training
from napari_cerberus.training.run_folder import data_hash

CATEGORIES = ("Normal", "Polyp")
CONFIG = """
name = "tiny"
seed = 1
data_root = "data"
tasks = ["glands", "lumina", "tissue"]
tissue_classes = ["Normal", "Polyp"]
pixel_size_um = 1.0
steps = 2
validate_every = 1
precision = "fp32"
device = "cpu"
split = [0.5, 0.25, 0.25]
{extra}
[[source]]
name = "ebhi"
kind = "ebhi"
path = "tree"
pixel_size_um = 1.0
tasks = ["glands", "lumina", "tissue"]
[[batch]]
tasks = ["glands", "lumina", "tissue"]
size = 2
crop_px = 32
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("CERBERUS_DATA", raising=False)
    rng = np.random.default_rng(0)
    for category in CATEGORIES:
        for patient in range(8):
            name = f"GT{category[0]}20{patient + 10 * CATEGORIES.index(category):02d}-1-400-001"
            for part in ("image", "label"):
                (tmp_path / "data" / "tree" / category / part).mkdir(parents=True, exist_ok=True)
            image = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
            mask = np.zeros((40, 40), np.uint8)
            mask[5:25, 8:30] = 255
            Image.fromarray(image).save(tmp_path / "data" / "tree" / category / "image" / f"{name}.png")
            Image.fromarray(mask).save(tmp_path / "data" / "tree" / category / "label" / f"{name}.png")
    write_config(tmp_path)
    return tmp_path


def write_config(folder, extra=""):
    (folder / "run.toml").write_text(CONFIG.format(extra=extra), encoding="utf-8")


def test_a_run_leaves_a_model_that_tells_where_it_came_from(project):
    folder = run_to_end(run_training(project / "run.toml", project / "out"))
    model = load_model(folder)
    record = model.spec.provenance
    split = read_split(project / "out" / "split.json")
    assert record["tiles"] == {side: len(ids) for side, ids in split.sides.items()}
    assert set(record["test_patients"]).isdisjoint(record["train_patients"])
    assert record["leaks"].startswith("No patient")
    assert set(record["validation"]["dice"]) == {"glands", "lumina"}
    rows = [json.loads(line) for line in (project / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "rate" in row] == [1, 2]


def test_a_finished_run_is_not_overwritten_and_can_be_resumed(project):
    first = run_to_end(run_training(project / "run.toml", project / "out"))
    sha256 = load_model(first).sha256
    with pytest.raises(OutputError, match="--resume"):
        run_to_end(run_training(project / "run.toml", project / "out"))
    again = run_to_end(run_training(project / "run.toml", project / "out", resume=True))
    assert load_model(again).sha256 == sha256


def test_two_processes_do_not_train_in_one_folder(project):
    first = run_training(project / "run.toml", project / "out")
    next(first)
    with pytest.raises(OutputError, match="Another process trains"):
        next(run_training(project / "run.toml", project / "out"))
    first.close()
    assert load_model(run_to_end(run_training(project / "run.toml", project / "out"))).sha256


def test_a_leaking_split_is_refused_unless_asked_for_by_name(project):
    image = project / "data" / "tree" / "Normal" / "image"
    label = project / "data" / "tree" / "Normal" / "label"
    names = sorted(path.stem for path in image.iterdir())
    twin = names[0].replace("-001", "-002")
    Image.fromarray(np.random.default_rng(9).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(image / f"{twin}.png")
    (label / f"{twin}.png").write_bytes((label / f"{names[0]}.png").read_bytes())
    ids = {"train": (f"ebhi/Normal/{names[0]}", f"ebhi/Normal/{names[1]}"), "validation": (f"ebhi/Normal/{twin}",)}
    counts = {"train": {"Normal": 2}, "validation": {"Normal": 1}, "test": {}}
    write_split(project / "leak.json", Split(seed=0, unit="image", test=(), counts=counts, **ids))
    write_config(project, 'split_file = "leak.json"')
    with pytest.raises(DataError, match="This split leaks: 1 patient"):
        run_to_end(run_training(project / "run.toml", project / "out"))
    write_config(project, 'split_file = "leak.json"\nallow_leaks = true')
    folder = run_to_end(run_training(project / "run.toml", project / "out"))
    assert load_model(folder).spec.provenance["leaks"].startswith("This split leaks")


def test_damaged_files_are_listed_and_left_out(project):
    broken = next((project / "data" / "tree" / "Polyp" / "image").iterdir())
    broken.write_bytes(b"not an image")
    folder = run_to_end(run_training(project / "run.toml", project / "out"))
    assert broken.name in (project / "out" / "data_check.txt").read_text(encoding="utf-8")
    assert sum(load_model(folder).spec.provenance["tiles"].values()) == 15


@pytest.mark.parametrize(
    ("old", "new", "field"), [("steps = 2", "steps = 3", "steps"), ("crop_px = 32", "crop_px = 48", "batches")]
)
def test_a_run_is_not_resumed_with_another_config(project, old, new, field):
    run_to_end(run_training(project / "run.toml", project / "out"))
    text = (project / "run.toml").read_text()
    (project / "run.toml").write_text(text.replace(old, new))
    with pytest.raises(SettingsError, match=f"begun with another {field}"):
        run_to_end(run_training(project / "run.toml", project / "out", resume=True))
    (project / "run.toml").write_text(text.replace('device = "cpu"', 'device = "cpu"\nthreads = 1'))
    run_to_end(run_training(project / "run.toml", project / "out", resume=True))


def test_data_that_lack_a_tile_of_the_split_or_have_more_train_and_say_so(project):
    members = [add_tile(project, number) for number in range(100, 130)]
    ids = {"train": members[:20], "validation": members[20:25], "test": [*members[25:], "ebhi/Polyp/GTP9-1-400-001"]}
    counts = {side: {"Polyp": len(some)} for side, some in ids.items()}
    sides = {side: tuple(some) for side, some in ids.items()}
    write_split(project / "given.json", Split(seed=0, unit="patient", counts=counts, **sides))
    write_config(project, 'split_file = "given.json"')
    folder = run_to_end(run_training(project / "run.toml", project / "out"))
    record = load_model(folder).spec.provenance
    assert record["tiles"] == {"train": 20, "validation": 5, "test": 5}
    lacking, more = record["notes"]
    assert "1 tile of the split left out" in lacking
    assert "GTP9-1-400-001" in lacking
    assert more.startswith("16 tiles left alone")
    for one in members[:3]:
        (project / "data" / "tree" / "Polyp" / "image" / f"{one.rpartition('/')[2]}.png").unlink()
    with pytest.raises(DataError, match="names 4 tiles that the data does not hold"):
        run_to_end(run_training(project / "run.toml", project / "out2"))


def test_patients_of_one_name_in_two_sources_are_pointed_out(project):
    text = (project / "run.toml").read_text()
    source = text[text.index("[[source]]") : text.index("[[batch]]")]
    (project / "run.toml").write_text(text.replace("[[batch]]", source.replace('"ebhi"', '"twin"', 1) + "[[batch]]"))
    config = read_config(project / "run.toml")
    tiles = collect(config.sources, config.tasks, project / "data")
    first, second = (next(tile.id for tile in tiles if tile.id.startswith(name)) for name in ("ebhi/", "twin/"))
    counts = {"train": {"Normal": 1}, "validation": {}, "test": {"Normal": 1}}
    split = Split(seed=0, unit="patient", counts=counts, train=(first,), validation=(), test=(second,))
    (sentence,) = same_names(split, config, tiles)
    assert "1 patient of one name" in sentence
    assert same_names(replace(split, test=()), config, tiles) == ()


def test_the_hash_of_the_data_knows_the_labels(project):
    config = read_config(project / "run.toml")
    before = data_hash(collect(config.sources, config.tasks, project / "data"))
    label = next((project / "data" / "tree" / "Polyp" / "label").iterdir())
    Image.new("L", (40, 40), 255).save(label)
    assert data_hash(collect(config.sources, config.tasks, project / "data")) != before


def add_tile(project, patient):
    """One more tile of a patient; returns its id."""
    rng = np.random.default_rng(patient)
    tree, name = project / "data" / "tree" / "Polyp", f"GTP{patient}-1-400-001"
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tree / "image" / f"{name}.png")
    Image.new("L", (40, 40), 255).save(tree / "label" / f"{name}.png")
    return f"ebhi/Polyp/{name}"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_folder_of_tiles_by_class_teaches_the_tissue_head(project, precision):
    rng = np.random.default_rng(0)
    for category in CATEGORIES:
        for number in range(8):
            path = project / "data" / "classes" / category / f"{category}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)).save(path)
    text = (
        (project / "run.toml")
        .read_text()
        .replace('"fp32"', f'"{precision}"')
        .replace('path = "tree"', 'path = "classes"')
    )
    text = text.replace('kind = "ebhi"', 'kind = "tiles"').replace('"glands", "lumina", "tissue"', '"tissue"')
    (project / "run.toml").write_text(text)
    model = load_model(run_to_end(run_training(project / "run.toml", project / "out")))
    assert model.spec.provenance["validation"]["tissue_accuracy"] is not None
    assert model.spec.provenance["validation"]["dice"] == {}


def test_missing_data_is_named(project):
    write_config(project)
    text = (project / "run.toml").read_text().replace('path = "tree"', 'path = "elsewhere"')
    (project / "run.toml").write_text(text)
    with pytest.raises(DataError, match="elsewhere"):
        run_to_end(run_training(project / "run.toml", project / "out"))


def test_a_run_whose_tiles_are_all_bad_stops_before_it_starts_and_lists_each_with_its_file(project):
    images = sorted((project / "data" / "tree").glob("*/image/*.png"))
    for path in images:
        Image.new("L", (40, 40), 128).save(path)
    with pytest.raises(DataError, match="No usable tile is left"):
        run_to_end(run_training(project / "run.toml", project / "out"))
    listed = (project / "out" / "data_check.txt").read_text(encoding="utf-8")
    assert all(path.name in listed for path in images)
    assert listed.startswith("stops: ")
    assert listed.count("skipped: ") == len(images)
    assert not (project / "out" / "checkpoint.pt").exists()
