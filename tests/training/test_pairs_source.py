"""Pairs exported by this program as training data: every task with labels learns, masks alone give glands."""

import logging

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.errors import DataError
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.pairs.check.data_check import check_data
from napari_cerberus.pairs.write.export_plan import plan_export
from napari_cerberus.pairs.write.write_pairs import write_export
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import CERBERUS_TASKS
from napari_cerberus.training.data.tile_sources import collect
from napari_cerberus.training.engine.training_run import run_training
from napari_cerberus.training.evaluation.selection import kind_of, select_folder
from napari_cerberus.training.run_settings import BatchSettings, SourceSettings
from pairs.make_source import make_settings, make_source
from training import tiny_run

TASKS = ("glands", "nuclei", "tissue")


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pairs"
    for patient in ("1", "2", "3"):
        export(root, patient, checked=("glands", "nuclei"))
    return root


def export(root, patient, **changes):
    usual = {"min_tissue_share": 0.0, "empty": "write", "tile_px": 64, "checked": ()}
    settings = make_settings(patient_id=patient, **(usual | changes))
    run_to_end(write_export(run_to_end(plan_export(root, make_source(seed=int(patient)), settings))))


def tiles(folder, **changes):
    source = SourceSettings(**{"name": "own", "kind": "pairs", "path": folder.name, "tasks": TASKS, **changes})
    return collect([source], tiny_run.TASKS, folder.parent)


def test_every_task_with_labels_learns_at_the_sidecars_pixel_size(folder):
    found = tiles(folder, pixel_size_um=9.0)
    assert [tile.patient for tile in found] == ["own:1", "own:2", "own:3"]
    for tile in found:
        assert tile.tasks == {"glands", "nuclei", "tissue"}
        assert tile.tissue == 1  # Polyp
        loaded = tile.load()
        assert loaded.pixel_size.yx_um == (0.5, 0.5)
        assert set(loaded.labels) == {"glands", "nuclei"}
        assert len(np.unique(loaded.labels["nuclei"])) == 10  # nine nuclei and the background
        assert len(np.unique(loaded.labels["glands"])) == 7  # rejected glands are left out


def test_without_a_sidecar_the_mask_gives_glands_and_the_source_the_pixel_size(folder):
    for path in (folder / "Polyp" / "sidecar").glob("*17*"):
        path.unlink()
    first = sorted((folder / "Polyp" / "sidecar").glob("*.json"))[0]
    first.unlink()
    (folder / "pairs.jsonl").unlink()
    with pytest.raises(DataError, match="pixel_size_um"):
        tiles(folder)
    plain, *others = tiles(folder, pixel_size_um=0.7)
    assert plain.tasks == {"glands", "tissue"}
    assert plain.load().pixel_size.mean_um == 0.7
    assert set(plain.load().labels) == {"glands"}
    assert all("nuclei" in tile.tasks for tile in others)


def test_a_pair_whose_sidecar_was_deleted_is_no_published_one(folder):
    first = sorted((folder / "Polyp" / "sidecar").glob("*.json"))[0]
    first.unlink()
    assert first.stem not in {tile.image_path.stem for tile in tiles(folder, pixel_size_um=0.7)}
    assert len(tiles(folder, pixel_size_um=0.7)) == 2
    kinds = {problem.kind for problem in run_to_end(check_data(folder)).problems}
    assert "sidecar-gone" in kinds


def test_what_nobody_checked_is_no_truth(tmp_path):
    root = tmp_path / "pairs"
    export(root, "1", checked=("nuclei",))
    export(root, "2")
    export(root, "3", category_confirmed=False, checked=("glands",))
    nuclei, nothing, glands = tiles(root)
    assert (nuclei.tasks, nuclei.unchecked) == ({"nuclei", "tissue"}, {"glands"})
    assert set(nuclei.load().labels) == {"nuclei"}, "nor is the mask of an unchecked task"
    assert (nothing.tasks, nothing.unchecked) == ({"tissue"}, {"glands", "nuclei"})
    assert nothing.load().labels == {}
    assert (glands.tasks, glands.unchecked) == ({"glands"}, {"nuclei", "tissue"})


def test_types_of_unchecked_objects_are_no_truth(tmp_path):
    for patient, checked in (("1", ("nuclei",)), ("2", ("glands",))):
        export(tmp_path / "pairs", patient, checked=checked)
    source = SourceSettings(name="own", kind="pairs", path="pairs", tasks=("nuclei_types",))
    settings = tiny_run.config(
        sources=(source,), tasks=CERBERUS_TASKS, batches=(BatchSettings(tasks=("nuclei_types",)),)
    )
    typed, untyped = collect(settings.sources, settings.tasks, tmp_path)
    assert (typed.tasks, set(typed.load().labels)) == ({"nuclei_types"}, {"nuclei_types"})
    assert (untyped.tasks, untyped.load().labels) == (frozenset(), {})


def test_labels_that_are_damaged_leave_the_mask_of_a_checked_task_alone(tmp_path):
    root = tmp_path / "pairs"
    export(root, "1", checked=("glands",))
    export(root, "2", checked=("nuclei",))
    for path in (root / "Polyp" / "sidecar").glob("*.tif"):
        path.write_bytes(b"no TIFF")
    first, second = tiles(root)
    assert set(first.load().labels) == {"glands"}
    assert second.load().labels == {}


def test_an_evaluation_leaves_out_tiles_in_which_nothing_is_checked(tmp_path):
    root = tmp_path / "pairs"
    export(root, "1", checked=("glands",))
    export(root, "2")
    specs = [task for task in CERBERUS_TASKS if task.key in ("glands", "nuclei")]
    chosen = select_folder(root, specs, split_path=None, side=None, pixel_size=None)
    assert [tile.tasks for tile in chosen.tiles] == [{"glands"}]
    assert "1 tile(s) in which nothing is checked were left out." in chosen.notes
    with pytest.raises(DataError, match="--checked"):
        select_folder(
            root, specs[:1] if specs[0].key == "nuclei" else specs[1:], split_path=None, side=None, pixel_size=None
        )


def test_a_damaged_sidecar_is_told_and_nothing_of_its_pair_is_learned(folder, caplog):
    first = sorted((folder / "Polyp" / "sidecar").glob("*.json"))[0]
    first.write_text("{", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        found = tiles(folder)
    assert first.name in caplog.text
    assert first.stem not in {tile.id.split("/")[-1] for tile in found}
    assert len(found) == 2


def test_a_mask_that_was_drawn_over_by_hand_goes_before_the_sidecar(folder):
    path = sorted((folder / "Polyp" / "label").glob("*.png"))[0]
    mask = np.zeros((64, 64), np.uint8)
    mask[4:20, 4:20] = 255
    Image.fromarray(mask).save(path)
    labels = tiles(folder)[0].load().labels
    assert np.array_equal(labels["glands"] > 0, mask > 0)
    assert len(np.unique(labels["nuclei"])) == 10


def test_only_the_sources_tasks_and_known_categories_are_learnt(folder):
    (folder / "Polyp").rename(folder / "Something else")
    found = tiles(folder, tasks=("nuclei", "tissue"), pixel_size_um=0.5)
    assert found[0].tissue == -1
    assert "tissue" not in found[0].tasks


def test_a_run_learns_from_pairs_and_evaluation_reads_their_sidecars(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("CERBERUS_DATA", raising=False)
    (tmp_path / "run.toml").write_text(
        'name = "own"\nseed = 1\ntasks = ["glands", "nuclei"]\npixel_size_um = 0.5\nsteps = 1\nvalidate_every = 1\n'
        'precision = "fp32"\ndevice = "cpu"\nsplit = [0.34, 0.33, 0.33]\nallow_leaks = true\n'
        '[[source]]\nname = "own"\nkind = "pairs"\npath = "pairs"\ntasks = ["glands", "nuclei"]\n'
        '[[batch]]\ntasks = ["glands", "nuclei"]\nsize = 1\ncrop_px = 32\n',
        encoding="utf-8",
    )
    model = load_model(run_to_end(run_training(tmp_path / "run.toml", tmp_path / "out")))
    assert set(model.spec.provenance["validation"]["dice"]) == {"glands", "nuclei"}
    assert kind_of(folder) == "pairs"
    chosen = select_folder(folder, model.spec.tasks, split_path=None, side=None, pixel_size=None)
    assert set(chosen.tiles[0].load().labels) == {"glands", "nuclei"}
