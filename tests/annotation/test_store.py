"""A saved annotation comes back whole, replaces nothing foreign, and refuses anything damaged with one sentence."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
from annotation_helpers import ids_of, label_maps, random_labels
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cerberus.annotation import object_columns, object_table
from napari_cerberus.annotation.annotated_image import AnnotatedImage, ModelRun
from napari_cerberus.annotation.annotation_comparison import compare
from napari_cerberus.annotation.edits import delete_objects, grow, renumber
from napari_cerberus.annotation.finished_areas import FinishedArea
from napari_cerberus.annotation.frame import Frame
from napari_cerberus.annotation.journal import open_journal, read_journal
from napari_cerberus.annotation.store import is_annotation, load_annotation, load_what_is_whole, save_annotation
from napari_cerberus.errors import DataError, OutputError
from napari_cerberus.pixel_size import PixelSize, PixelSizeSource


def frame_for(labels):
    height, width = labels.shape
    return Frame(
        image_key="0c" * 32,
        image_name="Köln 1.png",
        image_height_px=height + 7,
        image_width_px=width + 3,
        region=(7, 0, height + 7, width),
    )


def annotation_of(labels, model_labels=None, **maps):
    maps = {"nuclei": labels, **maps}
    rows = [
        object_table.new_rows(task, object_table.measure(map_, 0.3), confidence=1 / 3, **{"class": 'NA, "=1+1"\n'})
        for task, map_ in maps.items()
    ]
    return AnnotatedImage(
        frame=frame_for(labels),
        pixel_size=PixelSize(0.3, 0.3, PixelSizeSource.ASSUMED),
        labels=maps,
        model_labels={task: map_ if model_labels is None else model_labels for task, map_ in maps.items()},
        objects=pd.concat(rows, ignore_index=True),
        tissue={"Normal": 0.7, "Polyp": 0.3},
        tissue_doubt="The image is unlike all that the model learned its tissue types from.",
        runs={"nuclei": ModelRun(model_name="starter", model_sha256="f" * 64, sensitivity=0.5)},
        image_path="some/where/Köln 1.png",
        notes=("A note.",),
    )


@pytest.fixture
def saved(tmp_path):
    labels = random_labels(4, 40, 50, 9)
    annotation = annotation_of(labels, random_labels(6, 40, 50, 9), lumina=random_labels(5, 40, 50, 3))
    folder = tmp_path / "tile.cerberus"
    save_annotation(folder, annotation, by="Ada")
    return folder, annotation


def check_same(loaded, annotation):
    assert loaded.frame == annotation.frame
    assert set(loaded.labels) == set(annotation.labels)
    for task, labels in annotation.labels.items():
        assert loaded.labels[task].dtype == np.int32
        assert np.array_equal(loaded.labels[task], labels)
        assert np.array_equal(loaded.model_labels_of(task), annotation.model_labels_of(task))
    pd.testing.assert_frame_equal(loaded.objects, annotation.objects, check_exact=True)
    for name in ("pixel_size", "tissue", "tissue_doubt", "runs", "image_path", "notes", "factors"):
        assert getattr(loaded, name) == getattr(annotation, name)


def test_everything_comes_back(saved):
    folder, annotation = saved
    loaded = load_annotation(folder)
    check_same(loaded, annotation)
    assert loaded.saved_by == "Ada"
    assert loaded.saved_at
    assert is_annotation(folder)


@settings(max_examples=12)
@given(labels=label_maps(), state=st.sampled_from(object_columns.STATES), name=st.text(max_size=8))
def test_any_annotation_comes_back(tmp_path_factory, labels, state, name):
    name = name.encode("utf-8", "ignore").decode().replace("\r", "").replace("\0", "")
    annotation = annotation_of(labels.astype(np.int32))
    objects = object_columns.with_review(annotation.objects.assign(state=state, changed_by=name))
    annotation = replace(annotation, objects=objects)
    folder = tmp_path_factory.mktemp("any") / "a"
    save_annotation(folder, annotation)
    check_same(load_annotation(folder), annotation)


def test_saving_again_replaces_the_older_one_whole(saved):
    folder, annotation = saved
    fewer = replace(annotation_of(annotation.labels["nuclei"]), tissue={})
    save_annotation(folder, fewer)
    assert not (folder / "lumina.tif").exists()
    check_same(load_annotation(folder), fewer)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_saving_again_keeps_foreign_files_and_the_journal(saved, tmp_path):
    folder, annotation = saved
    (folder / "notes.txt").write_text("mine")
    journal, _ = open_journal(tmp_path / "journals", annotation.frame, resume=False)
    save_annotation(folder, annotation, journal=journal)
    journal.close()
    before = (folder / "journal.jsonl").read_bytes()
    save_annotation(folder, annotation)
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "journal.jsonl").read_bytes() == before
    other = replace(annotation, frame=replace(annotation.frame, image_key="1d" * 32))
    save_annotation(folder, other)
    assert not (folder / "journal.jsonl").exists()
    assert (folder / "journal.1.jsonl").read_bytes() == before


def test_a_save_that_was_killed_comes_back_at_the_next_look(saved):
    folder, annotation = saved
    folder.rename(folder.with_name(f".{folder.name}.cerberus~"))
    assert is_annotation(folder)
    check_same(load_annotation(folder), annotation)


def test_something_else_of_that_name_is_never_replaced(tmp_path, saved):
    _, annotation = saved
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cat.png").write_bytes(b"meow")
    with pytest.raises(OutputError, match="choose another name"):
        save_annotation(photos, annotation)
    assert (photos / "cat.png").exists()
    with pytest.raises(OutputError, match="choose another name"):
        save_annotation(photos / "cat.png", annotation)


def test_a_failed_save_leaves_the_older_one(saved, monkeypatch):
    folder, annotation = saved

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(OutputError, match="No space left"):
        save_annotation(folder, replace(annotation, tissue={}))
    check_same(load_annotation(folder), annotation)


def test_the_journal_is_saved_with_it(tmp_path, saved):
    _, annotation = saved
    journal, _ = open_journal(tmp_path / "journals", annotation.frame, resume=False)
    with journal:
        change = grow(annotation.labels["nuclei"], sorted(ids_of(annotation.labels["nuclei"]))[0])
        cleared = replace(change, previous=np.zeros_like(change.previous))
        journal.append(cleared, task="nuclei", tool="grow", by="Ada")
        save_annotation(tmp_path / "b", annotation, journal=journal)
    assert read_journal(tmp_path / "b" / "journal.jsonl").records[0].tool == "grow"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": {}, "model_labels": {}, "tissue": {}}, "nothing to save"),
        ({"labels": {"moons": np.zeros((40, 50), np.int32)}, "model_labels": {}}, "'moons' is not a task"),
        ({"labels": {"nuclei": np.zeros((40, 50), np.int32)}}, "in the table but not in the labels"),
        ({"tissue": {"Normal": float("nan")}}, "cannot be saved: tissue.Normal is nan"),
        ({"image_path": "\udcff"}, "cannot be (saved|written as text)"),
    ],
)
def test_parts_that_do_not_fit_are_not_saved(tmp_path, saved, change, message):
    with pytest.raises(DataError, match=message):
        save_annotation(tmp_path / "new", replace(saved[1], **change))
    assert not (tmp_path / "new").exists()


def _edit(folder, **fields):
    path = folder / "annotation.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fields}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "cake"}, "is not a file of the kind “napari-cerberus annotation”"),
        ({"format_version": 1}, "says version 1, but this napari-cerberus reads version 2"),
        ({"frame": None}, "'frame' must be a mapping"),
        ({"frame": {"image_key": 5}}, "'frame.image_key' must be text"),
        ({"pixel_size": "0.5"}, "'pixel_size' must be a mapping"),
        ({"pixel_size": {"y_um": -1, "x_um": 1, "source": "assumed"}}, "Pixel size must lie in"),
        ({"pixel_size": {"y_um": float("nan"), "x_um": 1, "source": "assumed"}}, "'pixel_size.y_um'|Pixel size"),
        ({"tasks": "nuclei"}, "'tasks' must be a list"),
        ({"tasks": ["nuclei", "nuclei"]}, "list of different names"),
        ({"tasks": ["../../etc/passwd"]}, "'tasks\\[0\\]' must be 'nuclei'"),
        ({"tasks": ["glands"]}, "glands.tif"),
        ({"tissue": {"Normal": "much"}}, "'tissue.Normal' must be a number"),
        ({"runs": {"nuclei": {"model_name": 5}}}, "'runs.nuclei.model_name' must be text"),
        ({"runs": []}, "'runs' must be a mapping"),
        ({"more": 5}, "'more' is not known; remove it"),
        ({"saved_by": 5}, "'saved_by' must be text"),
        ({"image_file": "../../etc/passwd"}, "'image_file' must be"),
    ],
)
def test_a_damaged_description_is_one_sentence(saved, fields, message):
    _edit(saved[0], **fields)
    with pytest.raises(DataError, match=message):
        load_annotation(saved[0])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("annotation.json", b""),
        ("annotation.json", b"[" * 100_000),
        ("annotation.json", b"\xff\xfe"),
        ("annotation.json", b"[]"),
        ("nuclei.tif", b""),
        ("nuclei.tif", b"II*\0\x08\0\0\0\xff\xff"),
        ("nuclei.tif", b"not a tiff at all"),
        ("model_nuclei.tif", b"MM\0*\0\0\0\x08"),
        ("objects.csv", b""),
        ("objects.csv", b"task,index\nnuclei,1\n"),
        ("objects.csv", b"\xff\xfe\x00"),
    ],
)
def test_damaged_files_are_one_sentence(saved, name, content):
    (saved[0] / name).write_bytes(content)
    with pytest.raises(DataError, match=name) as caught:
        load_annotation(saved[0])
    assert "Traceback" not in str(caught.value)


@settings(max_examples=40)
@given(cut=st.floats(0, 1, exclude_max=True), flip=st.booleans(), at=st.integers(0, 2000))
def test_a_cut_or_altered_label_file_never_gets_through_as_another_exception(tmp_path_factory, cut, flip, at):
    folder = tmp_path_factory.mktemp("cut") / "a"
    save_annotation(folder, annotation_of(random_labels(4, 40, 50, 9)))
    path = folder / "nuclei.tif"
    data = bytearray(path.read_bytes())
    if flip:
        data[at % len(data)] ^= 0xA5
    else:
        data = data[: int(cut * len(data))]
    path.write_bytes(data)
    try:
        loaded = load_annotation(folder)
    except DataError:
        return
    assert set(loaded.objects["index"]) == ids_of(loaded.labels["nuclei"])


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((4000, 4000), np.uint32),
        np.zeros((40, 50), np.float32),
        np.zeros((40, 50), np.uint64),
        np.full((40, 50), 2**32 - 1, np.uint32),
        np.full((40, 50), -3, np.int32),
    ],
)
def test_labels_of_another_size_or_kind_are_refused(saved, labels):
    tifffile.imwrite(saved[0] / "nuclei.tif", labels, compression="zlib", photometric="minisblack")
    with pytest.raises(DataError, match=r"nuclei\.tif"):
        load_annotation(saved[0])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("state", "perfect", "damaged in line 2"),
        ("task", "moons", "damaged in line 2"),
        ("index", "0", "damaged in line 2"),
        ("index", "many", "cannot be read as an object table"),
        ("index", "99999999999999999999", "cannot be read as an object table"),
        ("index", "119", "not in the"),
        ("confidence", "7", "damaged in line 2"),
        ("confidence", "inf", "damaged in line 2"),
        ("class_probability", "-0.1", "damaged in line 2"),
    ],
)
def test_a_damaged_table_is_one_sentence(saved, column, value, message):
    path = saved[0] / "objects.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows.loc[0, column] = value
    rows.to_csv(path, index=False)
    with pytest.raises(DataError, match=message):
        load_annotation(saved[0])


def test_a_doubled_row_and_a_table_of_other_objects_are_one_sentence(saved):
    path = saved[0] / "objects.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    pd.concat([rows, rows.iloc[:1]]).to_csv(path, index=False)
    with pytest.raises(DataError, match="damaged in line"):
        load_annotation(saved[0])
    rows.iloc[1:].to_csv(path, index=False)
    with pytest.raises(DataError, match="is in the labels but not in the table"):
        load_annotation(saved[0])


def test_enormous_files_are_not_even_read(saved, monkeypatch):
    import napari_cerberus.annotation.stored.stored_table as reading

    monkeypatch.setattr(reading, "_MAX_TABLE_BYTES", 10)
    with pytest.raises(DataError, match="too large"):
        load_annotation(saved[0])
    (saved[0] / "annotation.json").write_bytes(b" " * (17 << 20))
    with pytest.raises(DataError, match="too large"):
        load_annotation(saved[0])


def test_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"annotation\.json"):
        load_annotation(tmp_path / "nowhere")


def test_two_versions_are_compared_object_by_object():
    labels = np.zeros((60, 60), dtype=np.int32)
    for i, (y, x) in enumerate([(5, 5), (5, 30), (30, 5), (30, 30)], start=1):
        labels[y : y + 15, x : x + 15] = i
    before = annotation_of(labels)
    after_labels = delete_objects(labels, [1]).applied(labels)
    after_labels = grow(after_labels, 2).applied(after_labels)
    after_labels = renumber(after_labels, 3, 50).applied(after_labels)
    after_labels[50:55, 50:55] = 9
    after = annotation_of(after_labels)
    after.objects.loc[after.objects["index"] == 4, "class"] = "plasma"
    result = compare(before, after)
    row = result.tasks.iloc[0].to_dict()
    assert (row["before"], row["after"]) == (4, 4)
    assert (row["same"], row["changed"], row["added"], row["removed"]) == (2, 1, 1, 1)
    assert row["reclassified"] == 1
    kept = 2 * 225 + 225
    assert row["dice"] == pytest.approx(2 * kept / (4 * 225 + np.count_nonzero(after_labels)))
    by_old = result.objects.set_index("index_before")["index_after"].to_dict()
    assert by_old[3] == 50
    places = result.objects.set_index("change")[["y_px", "x_px"]]
    assert places.loc["removed"].tolist() == [12, 12]
    assert places.loc["added"].tolist() == [52, 52]
    assert result.objects.set_index("index_after").loc[9, "change"] == "added"


@settings(max_examples=20)
@given(labels=label_maps(), other=st.integers(0, 1000))
def test_a_comparison_accounts_for_every_object(labels, other):
    labels = labels.astype(np.int32)
    changed = random_labels(other, *labels.shape, 8)
    result = compare(annotation_of(labels), annotation_of(changed, lumina=labels))
    rows = result.tasks.set_index("task")
    nuclei = rows.loc["nuclei"]
    assert nuclei["before"] == nuclei["same"] + nuclei["changed"] + nuclei["removed"] == len(ids_of(labels))
    assert nuclei["after"] == nuclei["same"] + nuclei["changed"] + nuclei["added"] == len(ids_of(changed))
    assert rows.loc["lumina", "added"] == len(ids_of(labels))
    same = compare(annotation_of(labels), annotation_of(labels)).tasks.iloc[0]
    assert same["same"] == len(ids_of(labels))
    assert same["dice"] == 1


def test_annotations_of_different_images_are_not_compared():
    labels = random_labels(1, 20, 20, 4)
    other = annotation_of(labels)
    with pytest.raises(DataError, match="cannot be compared"):
        compare(annotation_of(labels), replace(other, frame=replace(other.frame, image_key="aa" * 32)))


def test_finished_areas_are_saved_with_it_and_checked(saved) -> None:
    folder, annotation = saved[0], saved[1]
    areas = (FinishedArea.rectangle(0, 0, 20, 30, ("nuclei",)),)
    save_annotation(folder, replace(annotation, finished=areas))
    assert load_annotation(folder).finished == areas
    about = folder / "annotation.json"
    data = json.loads(about.read_text())
    for damage in ({}, [1], [{"corners": [[0, 0]], "tasks": ["nuclei"]}], [{"corners": "abc", "tasks": []}]):
        about.write_text(json.dumps({**data, "finished": damage}))
        with pytest.raises(DataError, match="damaged"):
            load_annotation(folder)


def test_what_is_whole_is_shown_and_the_rest_is_said(saved):
    folder, annotation = saved
    (folder / "nuclei.tif").unlink()
    (folder / "model_lumina.tif").write_bytes(b"x")
    loaded, problems = load_what_is_whole(folder)
    assert list(loaded.labels) == ["lumina"]
    assert np.array_equal(loaded.labels["lumina"], annotation.labels["lumina"])
    assert [next(name for name in ("model_lumina.tif", "nuclei.tif") if name in one) for one in problems] == [
        "nuclei.tif",
        "model_lumina.tif",
    ]
    assert not loaded.model_labels["lumina"].any(), "all of it counts as made by hand, so that a re-run keeps it"
    (folder / "objects.csv").unlink()
    loaded, problems = load_what_is_whole(folder)
    assert len(problems) == 3
    assert set(loaded.objects["state"]) == {"unreviewed"}
    (folder / "lumina.tif").unlink()
    with pytest.raises(DataError, match=r"nuclei\.tif"):
        load_what_is_whole(folder)


def test_pixels_that_are_wider_than_high_and_an_assumption_survive(tmp_path):
    size = PixelSize(1.13, 1.5, PixelSizeSource.ASSUMED)
    labels = random_labels(4, 40, 50, 9)
    annotated = replace(annotation_of(labels), pixel_size=size)
    save_annotation(tmp_path / "a", annotated)
    assert load_annotation(tmp_path / "a").pixel_size == size
    area = load_annotation(tmp_path / "a").objects.set_index("index")["area_um2"]
    assert area.to_dict() == pytest.approx({i: np.count_nonzero(labels == i) * 1.13 * 1.5 for i in ids_of(labels)})
    with tifffile.TiffFile(tmp_path / "a" / "nuclei.tif") as file:
        across, down = (file.pages[0].tags[name].value for name in ("XResolution", "YResolution"))
    assert across[1] / across[0] * 1e4 == pytest.approx(1.5, rel=1e-3)
    assert down[1] / down[0] * 1e4 == pytest.approx(1.13, rel=1e-3)
    summary = json.loads((tmp_path / "a" / "summary.json").read_text(encoding="utf-8"))
    assert summary["pixel_size"] == {"y_um": 1.13, "x_um": 1.5, "source": "assumed"}
