"""Export: what is written, what is skipped, what is asked, and that a whole tree comes out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_cerberus.errors import CerberusError, DataError, OutputError, SettingsError
from napari_cerberus.pairs.check.data_check import check_data
from napari_cerberus.pairs.layout.ebhi import index_tree, parse_name
from napari_cerberus.pairs.layout.labelled import read_pair
from napari_cerberus.pairs.layout.manifest import read_manifest
from napari_cerberus.pairs.layout.sidecar import sidecar_paths
from napari_cerberus.pairs.layout.sidecar_reading import read_label_planes, sidecar_of
from napari_cerberus.pairs.layout.tile_pixels import read_grey, read_mask, read_rgb
from napari_cerberus.pairs.write.export_plan import NO_OBJECT, NO_TISSUE, ExportPlan, plan_export
from napari_cerberus.pairs.write.export_source import ExportSource
from napari_cerberus.pairs.write.write_pairs import ExportResult, write_export
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from pairs.make_labels import label_maps
from pairs.make_source import make_settings, make_source, with_annotation


def plan(root: Path, source: ExportSource | None = None, **changes: Any) -> ExportPlan:
    return run_to_end(plan_export(root, source or make_source(), make_settings(**changes)))


def export(root: Path, source: ExportSource | None = None, **changes: Any) -> ExportResult:
    return run_to_end(write_export(plan(root, source, **changes)))


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_grid_of_pairs_is_written_as_ebhi_has_them(tmp_path: Path) -> None:
    source = make_source()
    result = export(tmp_path, source)
    names = [f"NC17-1-400-00{number}" for number in (1, 2, 3, 4)]
    assert result.written == tuple(f"Polyp/{name}" for name in names)
    records, problems = index_tree(tmp_path)
    assert problems == []
    assert [record.name for record in records] == names
    assert {record.patient for record in records} == {"17"}
    corner = records[0]
    np.testing.assert_array_equal(read_rgb(corner.image_path), source.image[:32, :32])
    np.testing.assert_array_equal(
        read_mask(corner.label_path),
        np.isin(source.annotated.labels["glands"], [70_000, 70_001, 70_003, 70_004])[:32, :32],
    )
    assert set(np.unique(read_grey(corner.label_path))) == {0, 255}
    with Image.open(corner.label_path) as picture:
        assert picture.mode == "L"


def test_the_sidecar_keeps_what_the_mask_loses(tmp_path: Path) -> None:
    source = make_source()
    export(tmp_path, source)
    record = index_tree(tmp_path)[0][3]
    sidecar = sidecar_of(record)
    assert sidecar is not None
    assert (sidecar.patient_id, sidecar.category, sidecar.name) == ("17", "Polyp", record.name)
    assert sidecar.source.crop_px == (32, 32, 64, 64)
    assert sidecar.source.sha256 == source.sha256
    assert sidecar.source.name == "slide Ä.png"
    assert (sidecar.model_name, sidecar.model_sha256) == ("starter", "ab" * 32)
    assert sidecar.annotator == "Dr. Müller"
    assert sidecar.effort == {"active_seconds": 12.5, "edits": 3.0}
    assert sidecar.tissue == {"Normal": 0.75, "Polyp": 0.25}
    planes = read_label_planes(sidecar_paths(tmp_path / "Polyp", record.name)[1], sidecar)
    for task, plane in planes.items():
        back = np.zeros_like(plane)
        for one in sidecar.objects:
            if one.task == task:
                back[plane == one.id] = one.source_id
        np.testing.assert_array_equal(back, source.annotated.labels[task][32:, 32:])
    glands = {one.source_id: one for one in sidecar.objects if one.task == "glands"}
    assert glands[70_008].review == "rejected"
    assert not glands[70_008].in_mask
    assert glands[70_004].in_mask
    assert {one.class_name for one in sidecar.objects if one.task == "nuclei"} == {"epithelial"}
    assert {one.class_probability for one in sidecar.objects if one.task == "nuclei"} == {0.9}


def test_objects_cut_by_the_tile_are_marked(tmp_path: Path) -> None:
    export(tmp_path)
    sidecar = sidecar_of(index_tree(tmp_path)[0][0])
    assert sidecar is not None
    whole = {one.source_id: one.whole for one in sidecar.objects if one.task == "glands"}
    assert whole[70_000]
    assert not whole[70_001]


@settings(max_examples=15)
@given(label_maps, st.integers(0, 4))
def test_the_tiles_of_any_image_give_its_objects_back(
    tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray, overlap: int
) -> None:
    root = tmp_path_factory.mktemp("dataset")
    grown = labels.repeat(3, axis=0).repeat(3, axis=1)
    source = make_source(*grown.shape, labels={"glands": grown}, cells=pd.DataFrame())
    made = plan(root, source, tile_px=16, overlap_px=overlap, empty="write", min_tissue_share=0)
    run_to_end(write_export(made))
    back = np.full(grown.shape, -1)
    for record in index_tree(root)[0]:
        exported = read_pair(record)
        assert exported is not None
        sidecar = exported.sidecar
        source_id = {one.id: one.source_id for one in sidecar.objects} | {0: 0}
        tile = np.vectorize(source_id.__getitem__)(exported.labels["glands"])
        np.testing.assert_array_equal(read_mask(record.label_path), tile > 0)
        top, left, bottom, right = sidecar.source.padding_px
        y0, x0, y1, x1 = (int(corner) for corner in sidecar.source.crop_px)
        back[y0 + top : y1 - bottom, x0 + left : x1 - right] = tile[top : 16 - bottom, left : 16 - right]
    np.testing.assert_array_equal(back, grown)


def test_a_published_pair_with_a_damaged_mask_is_not_taken_for_ours(tmp_path: Path) -> None:
    source = make_source(32, 32)
    publish(tmp_path, "Polyp", "GT17-1-400-001", source.image, source.annotated.labels["glands"] > 0)
    (tmp_path / "Polyp" / "label" / "GT17-1-400-001.png").write_bytes(b"broken")
    assert plan(tmp_path, source).counts["changed"] == 1


def test_accepted_only_leaves_the_others_out_of_the_mask(tmp_path: Path) -> None:
    source = make_source()
    export(tmp_path, source, objects="accepted")
    accepted = {70_000, 70_003, 70_006}
    for record in index_tree(tmp_path)[0]:
        sidecar = sidecar_of(record)
        assert sidecar is not None
        assert {one.source_id for one in sidecar.objects if one.in_mask} <= accepted
        assert {one.source_id for one in sidecar.objects if one.task == "glands"} - accepted


def test_another_task_can_be_the_mask(tmp_path: Path) -> None:
    source = make_source()
    export(tmp_path, source, task="nuclei")
    first = index_tree(tmp_path)[0][0]
    np.testing.assert_array_equal(read_mask(first.label_path), source.annotated.labels["nuclei"][:32, :32] > 0)


def test_the_same_export_again_writes_nothing(tmp_path: Path) -> None:
    export(tmp_path)
    before = files_of(tmp_path)
    again = plan(tmp_path)
    assert again.counts == {"new": 0, "same": 4, "changed": 0}
    assert run_to_end(write_export(again)).written == ()
    assert files_of(tmp_path) == before


def changed_source() -> ExportSource:
    source = make_source()
    glands = source.annotated.labels["glands"].copy()
    glands[10, 10] = 0
    return with_annotation(source, labels={**source.annotated.labels, "glands": glands})


def test_changed_content_is_asked_about(tmp_path: Path) -> None:
    export(tmp_path)
    before = files_of(tmp_path)
    changed = plan(tmp_path, changed_source())
    assert changed.counts == {"new": 0, "same": 3, "changed": 1}
    with pytest.raises(SettingsError, match="other content"):
        run_to_end(write_export(changed))
    assert files_of(tmp_path) == before


def test_changed_content_can_get_a_new_number(tmp_path: Path) -> None:
    export(tmp_path)
    before = files_of(tmp_path)
    result = run_to_end(write_export(plan(tmp_path, changed_source()), "new_number"))
    assert result.written == ("Polyp/NC17-1-400-005",)
    after = files_of(tmp_path)
    assert {name: after[name] for name in before if name != "pairs.jsonl"} == {
        name: content for name, content in before.items() if name != "pairs.jsonl"
    }
    assert plan(tmp_path, changed_source()).counts["same"] == 4
    assert plan(tmp_path).counts["same"] == 4, "the older content is still there too"


def test_changed_content_can_replace_under_its_old_name(tmp_path: Path) -> None:
    export(tmp_path)
    result = run_to_end(write_export(plan(tmp_path, changed_source()), "replace"))
    assert result.replaced == result.written == ("Polyp/NC17-1-400-001",)
    records, problems = index_tree(tmp_path)
    assert len(records) == 4
    assert problems == []
    assert not read_mask(records[0].label_path)[10, 10]
    assert plan(tmp_path, changed_source()).counts == {"new": 0, "same": 4, "changed": 0}
    assert not list(tmp_path.glob(".pairs*"))


def test_changed_content_can_be_kept(tmp_path: Path) -> None:
    export(tmp_path)
    before = files_of(tmp_path)
    result = run_to_end(write_export(plan(tmp_path, changed_source()), "keep"))
    assert (result.written, result.skipped) == ((), 4)
    assert files_of(tmp_path) == before


def test_another_category_replaces_across_folders(tmp_path: Path) -> None:
    export(tmp_path)
    moved = plan(tmp_path, category="Normal")
    assert moved.counts["changed"] == 4
    run_to_end(write_export(moved, "replace"))
    assert {record.category for record in index_tree(tmp_path)[0]} == {"Normal"}


def test_a_mask_edited_by_hand_is_never_replaced(tmp_path: Path) -> None:
    export(tmp_path)
    record = index_tree(tmp_path)[0][0]
    Image.fromarray(255 - read_grey(record.label_path)).save(record.label_path)
    edited = record.label_path.read_bytes()
    again = plan(tmp_path)
    assert again.counts["changed"] == 1
    result = run_to_end(write_export(again, "replace"))
    assert result.replaced == ()
    assert result.written == ("Polyp/NC17-1-400-005",)
    assert record.label_path.read_bytes() == edited


def test_a_pair_that_was_removed_is_written_again_under_a_new_number(tmp_path: Path) -> None:
    export(tmp_path)
    record = index_tree(tmp_path)[0][0]
    record.image_path.unlink()
    record.label_path.unlink()
    assert export(tmp_path).written == ("Polyp/NC17-1-400-005",)


def publish(root: Path, category: str, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    for part, pixels in (("image", image), ("label", mask.astype(np.uint8) * 255)):
        (root / category / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / category / part / f"{name}.png")


def test_it_merges_with_a_published_folder(tmp_path: Path) -> None:
    other = make_source(32, 32, seed=5)
    publish(tmp_path, "Polyp", "GTXC17-1-400-007", other.image, other.annotated.labels["glands"] > 0)
    result = export(tmp_path, patient_id="GT17", category="Adenocarcinoma")
    assert result.written[0] == "Adenocarcinoma/GT17-1-400-008"
    records, problems = index_tree(tmp_path)
    assert problems == []
    assert {record.patient for record in records} == {"17"}
    assert len(records) == 5


def test_a_published_tile_is_recognised(tmp_path: Path) -> None:
    source = make_source(32, 32)
    chosen = ~np.isin(source.annotated.labels["glands"], [0, 70_002])
    publish(tmp_path, "Polyp", "GT17-1-400-001", source.image, chosen)
    assert plan(tmp_path, source, tile_px=32).counts == {"new": 0, "same": 1, "changed": 0}
    publish(tmp_path, "Polyp", "GT17-1-400-001", source.image, ~chosen)
    changed = plan(tmp_path, source, tile_px=32)
    assert changed.counts["changed"] == 1
    assert not changed.pairs[0].replaceable, "what others published is never replaced"


def test_names_of_removed_pairs_are_not_given_again(tmp_path: Path) -> None:
    export(tmp_path)
    for path in (tmp_path / "Polyp").rglob("*-004.*"):
        path.unlink()
    assert export(tmp_path, make_source(32, 32, seed=9)).written == ("Polyp/NC17-1-400-005",)


def test_an_unknown_patient_is_one_for_each_image(tmp_path: Path) -> None:
    first = export(tmp_path, make_source(32, 32, seed=1), patient_id=None)
    second = export(tmp_path, make_source(32, 32, seed=2), patient_id=None)
    assert export(tmp_path, make_source(32, 32, seed=1), patient_id=None).written == ()
    records = index_tree(tmp_path)[0]
    assert len({record.patient for record in records}) == len(first.written) + len(second.written) == 2
    sidecar = sidecar_of(records[0])
    assert sidecar is not None
    assert not sidecar.patient_known
    assert sidecar.patient_id.startswith("unknown-")


def test_all_views_of_a_file_have_one_unknown_patient(tmp_path: Path) -> None:
    slide = tmp_path / "slide.tif"
    slide.write_bytes(b"not read as a picture here")
    other = tmp_path / "other.tif"
    other.write_bytes(b"nor this one")
    pairs = tmp_path / "pairs"
    for seed, path in enumerate([slide, slide, slide, other]):
        export(pairs, make_source(32, 32, seed=seed, path=path), patient_id=None)
    patients = [record.patient for record in index_tree(pairs)[0]]
    assert len(patients) == 4
    assert len(set(patients)) == 2


def test_any_patient_id_gives_digits_and_comes_back_whole(tmp_path: Path) -> None:
    for seed, patient in enumerate(["Müller/7 ß", "x" * 200, "../../etc", "S23-0012", "S23-0013"]):
        export(tmp_path, make_source(32, 32, seed=seed), patient_id=patient)
    entries = read_manifest(tmp_path)
    assert [entry.patient_id for entry in entries] == [
        "Müller/7 ß",
        "x" * 200,
        "../../etc",
        "S23-0012",
        "S23-0013",
    ]
    names = [parse_name(entry.name) for entry in entries]
    assert len({name.patient for name in names if name}) == 5
    assert {path.name for path in tmp_path.iterdir()} == {"Polyp", "pairs.jsonl"}


def test_two_patients_of_one_file_name_are_refused(tmp_path: Path) -> None:
    export(tmp_path, patient_id="A017")
    before = files_of(tmp_path)
    with pytest.raises(DataError, match="'A017' and 'B017'"):
        plan(tmp_path, make_source(seed=3), patient_id="B017")
    assert files_of(tmp_path) == before
    assert export(tmp_path, make_source(seed=3), patient_id="a017").written, "case does not make another patient"


def test_a_larger_image_is_cut_at_the_wanted_pixel_size(tmp_path: Path) -> None:
    source = make_source(128, 160)
    made = plan(tmp_path, source, pixel_size_um=1.0)
    assert made.canvas.shape == (64, 80)
    assert made.counts["new"] == 6
    run_to_end(write_export(made))
    sidecar = sidecar_of(index_tree(tmp_path)[0][0])
    assert sidecar is not None
    assert sidecar.pixel_size_um == 1.0
    assert sidecar.source.pixel_size == PixelSize.square(0.5)
    assert sidecar.source.crop_px == (0, 0, 64, 64)


def test_tiles_overlap_as_asked_and_cover_the_image(tmp_path: Path) -> None:
    made = plan(tmp_path, make_source(70, 64), overlap_px=8, empty="write")
    covered = np.zeros((70, 64), int)
    for pair in made.pairs:
        covered[pair.window.y0 : pair.window.y0 + 32, pair.window.x0 : pair.window.x0 + 32] += 1
    assert covered.min() >= 1
    starts = sorted({pair.window.y0 for pair in made.pairs})
    assert all(second - first <= 24 for first, second in pairwise(starts))


def test_tiles_around_accepted_objects(tmp_path: Path) -> None:
    source = make_source(128, 128)
    made = plan(tmp_path, source, cut="objects")
    accepted = [index for index in range(70_000, 70_025) if (index - 70_000) % 3 == 0]
    seen = set()
    for index in range(len(made.pairs)):
        seen |= {one.source_id for one in made.tile(index).objects if one.whole and one.task == "glands"}
    assert set(accepted) <= seen


def test_nothing_accepted_means_no_tiles_and_says_so(tmp_path: Path) -> None:
    source = make_source(128, 128)
    made = plan(tmp_path, with_annotation(source, cells=source.annotated.objects.drop(columns="state")), cut="objects")
    assert made.pairs == ()
    assert any("No object" in note for note in made.notes)
    assert run_to_end(write_export(made)).written == ()
    assert not (tmp_path / "pairs.jsonl").exists()


def test_glass_and_empty_tiles_are_left_out_with_the_reason(tmp_path: Path) -> None:
    source = make_source()
    image, glands = source.image.copy(), source.annotated.labels["glands"].copy()
    image[:32, :32] = 250
    glands[32:, 32:] = 0
    made = plan(tmp_path, with_annotation(replace(source, image=image), labels={"glands": glands}))
    assert made.counts["new"] == 2
    assert made.left_out == {NO_TISSUE: 1, NO_OBJECT: 1}
    assert "left out" in made.summary


def test_an_empty_tile_with_its_sidecar_is_a_negative_example(tmp_path: Path) -> None:
    source = make_source(32, 32)
    bare = with_annotation(source, labels={"glands": source.annotated.labels["glands"] * 0})
    export(tmp_path, bare, empty="write")
    report = run_to_end(check_data(tmp_path))
    assert len(report.records) == 1


def test_a_smaller_image_is_padded_or_refused(tmp_path: Path) -> None:
    source = make_source(20, 40)
    with pytest.raises(DataError, match="40×20 px"):
        plan(tmp_path, source, small="refuse")
    made = plan(tmp_path, source, tile_px=48)
    assert any("padded" in note for note in made.notes)
    run_to_end(write_export(made))
    record = index_tree(tmp_path)[0][0]
    image = read_rgb(record.image_path)
    assert image.shape == (48, 48, 3)
    np.testing.assert_array_equal(image[14:34, 4:44], source.image)
    assert (image[:14] == 255).all()
    sidecar = sidecar_of(record)
    assert sidecar is not None
    assert sidecar.source.padding_px == (14, 4, 14, 4)


def test_a_written_folder_passes_the_check(tmp_path: Path) -> None:
    export(tmp_path)
    export(tmp_path, make_source(seed=4), patient_id="18", category="Neu & groß")
    report = run_to_end(check_data(tmp_path))
    assert not report.of("skipped")
    assert not report.stops
    assert report.counts == {"Neu & groß": 4, "Polyp": 4}


def test_the_plan_shows_what_will_be_written(tmp_path: Path) -> None:
    made = plan(tmp_path / "new")
    assert made.new_category
    assert [pair.objects for pair in made.pairs] == [4, 2, 4, 2]
    assert made.thumbnail(0, 40).shape == (40, 80, 3)
    assert "4 new pairs at 0.5 µm/px" in made.summary
    assert not (tmp_path / "new").exists(), "a plan writes nothing"


def test_cancel_leaves_nothing(tmp_path: Path) -> None:
    job = write_export(plan(tmp_path / "new"))
    next(job)
    next(job)
    job.close()
    assert not (tmp_path / "new").exists()


def test_a_folder_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    first, second = plan(tmp_path), plan(tmp_path, make_source(seed=8))
    run_to_end(write_export(first))
    before = files_of(tmp_path)
    with pytest.raises(OutputError, match="plan the export again"):
        run_to_end(write_export(second))
    assert files_of(tmp_path) == before


def test_two_exports_at_once_are_refused(tmp_path: Path) -> None:
    running, other = write_export(plan(tmp_path)), write_export(plan(tmp_path, make_source(seed=8)))
    next(running)
    with pytest.raises(OutputError, match="Another export"):
        run_to_end(other)
    assert len(run_to_end(running).written) == 4


@pytest.mark.parametrize("inside", ["slide.png", "Polyp/image/GT1-1-400-001.png"])
def test_the_folder_that_the_image_came_from_is_refused(tmp_path: Path, inside: str) -> None:
    with pytest.raises(OutputError, match="choose another folder"):
        plan(tmp_path, make_source(path=tmp_path / inside))


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3000, "nul\x00byte"])
def test_impossible_folder_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CerberusError):
        export(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_targets_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "A" / "image").mkdir(parents=True)
    (tmp_path / "A" / "label").mkdir()
    (tmp_path / "B" / "images").mkdir(parents=True)
    for target in ("file", "A", "B"):
        with pytest.raises(OutputError, match="choose"):
            plan(tmp_path / target)


@pytest.mark.parametrize(
    "category",
    [
        *(
            "",
            " ",
            "a/b",
            "a\\b",
            "..",
            "x" * 81,
            "ü" * 300,
            "a\x00b",
            "image",
            "Sidecar",
            "trailing.",
            " lead",
            "what?",
            "a\nb",
        ),
        *("CON", "aux", "nul.txt", "COM1", "lpt9.png", "Com²", "CONOUT$", "prn .a"),
    ],
)
def test_categories_that_are_no_folder_names_are_refused(category: str) -> None:
    with pytest.raises(SettingsError, match="Category"):
        make_settings(category=category)


@pytest.mark.parametrize("category", ["Low-grade IN", "Sägezahn-Adenom", "漢字", "x" * 80, "Console", "com10", "a.b"])
def test_a_new_category_is_made_under_its_own_name(tmp_path: Path, category: str) -> None:
    assert plan(tmp_path, make_source(32, 32), category=category).new_category
    export(tmp_path, make_source(32, 32), category=category)
    assert {record.category for record in index_tree(tmp_path)[0]} == {category}
    assert not plan(tmp_path, make_source(32, 32), category=category).new_category
    assert {problem.kind for problem in run_to_end(check_data(tmp_path)).problems} == {"one-patient", "one-image"}


@pytest.mark.parametrize("patient", ["S23 / 0012", "Müller, Ä.", "漢字", "..", "CON", "x" * 200, "a" * 300])
def test_patient_ids_of_any_kind_are_one_digit_name(tmp_path: Path, patient: str) -> None:
    if len(patient) > 200:
        with pytest.raises(SettingsError, match="at most 200 characters"):
            make_settings(patient_id=patient)
        return
    export(tmp_path, make_source(32, 32), patient_id=patient)
    (record,) = index_tree(tmp_path)[0]
    assert record.patient.isdecimal()
    sidecar = sidecar_of(record)
    assert sidecar is not None
    assert (sidecar.patient_id, sidecar.patient_known) == (patient, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Polyp", "pairs.jsonl"]


@pytest.mark.parametrize("name", ["annotation.json", "summary.json"])
def test_a_saved_annotation_is_no_data_set(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(OutputError, match="is a saved annotation"):
        plan(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_category_that_differs_in_case_only_is_refused(tmp_path: Path) -> None:
    export(tmp_path)
    with pytest.raises(SettingsError, match="'Polyp'"):
        plan(tmp_path, category="polyp")


@pytest.mark.parametrize("patient", ["", "   ", "a\x00b", "x" * 201])
def test_patient_ids_that_cannot_be_written_are_refused(patient: str) -> None:
    with pytest.raises(SettingsError, match=r"[Pp]atient id"):
        make_settings(patient_id=patient)


@pytest.mark.parametrize(
    "change",
    [
        {"tile_px": 8},
        {"overlap_px": 32},
        {"min_tissue_share": 1.5},
        {"pixel_size_um": float("nan")},
        {"cut": "random"},
        {"objects": "some"},
        {"when_changed": "always"},
        {"block": -1},
    ],
)
def test_senseless_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(change))):
        make_settings(**change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": np.zeros((64, 64), np.uint8)}, "RGB"),
        ({"labels": {}}, "no label layer"),
        ({"labels": {"glands": np.zeros((9, 9), np.int32)}}, "9 × 9 px"),
        ({"labels": {"glands": np.full((64, 64), -1, np.int32)}}, "below 0"),
        ({"labels": {"glands": np.zeros((64, 64))}}, "whole numbers"),
        ({"objects": pd.DataFrame({"task": ["glands"]})}, "no column"),
        ({"tissue": {"Normal": float("nan")}}, "tissue"),
        ({"effort": {"edits": float("inf")}}, "effort"),
    ],
)
def test_sources_that_contradict_themselves_are_refused(change: dict[str, Any], words: str) -> None:
    source = make_source()
    own = {name: value for name, value in change.items() if name in ("image", "effort")}
    of_annotation = {name: value for name, value in change.items() if name not in own}
    with pytest.raises(CerberusError, match=words):
        replace(source, annotated=replace(source.annotated, model_labels={}, **of_annotation), **own)


def test_a_mask_of_a_task_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'lumina'"):
        plan(tmp_path, task="lumina")


def test_strange_source_names_survive_in_the_sidecar(tmp_path: Path) -> None:
    for seed, name in enumerate(["a b/ü:*?.png", "n" * 300, "half\udcff.png"]):
        export(tmp_path, make_source(32, 32, seed=seed, name=name), patient_id=str(seed))
        record = next(one for one in index_tree(tmp_path)[0] if one.patient == str(seed))
        sidecar = sidecar_of(record)
        assert sidecar is not None
        spelled_out = name.encode("utf-8", "backslashreplace").decode()  # where half a character stands
        assert sidecar.source.name == spelled_out


def test_unreviewed_objects_that_a_checked_mask_leaves_out_are_told(tmp_path: Path) -> None:
    def notes(**changes: object) -> str:
        return " ".join(run_to_end(plan_export(tmp_path, make_source(48, 96), make_settings(**changes))).notes)

    assert "3 of the glands were not reviewed; they are not in the mask" in notes(
        checked=("glands",), objects="accepted"
    )
    assert "were not reviewed" not in notes(checked=("glands",))
    assert "were not reviewed" not in notes(objects="accepted", checked=())
