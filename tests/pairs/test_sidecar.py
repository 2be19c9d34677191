"""Sidecars and manifests: what is written comes back, what is hostile is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_cerberus.errors import DataError
from napari_cerberus.pairs.check.data_check import check_data
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.manifest import NAME, Entry, entry_line, live_entries, read_manifest
from napari_cerberus.pairs.layout.sidecar import MAX_ID, sidecar_json, sidecar_paths, write_label_stack
from napari_cerberus.pairs.layout.sidecar_reading import read_label_planes, read_sidecar, sidecar_of
from napari_cerberus.pairs.layout.tile_pixels import read_grey
from napari_cerberus.pairs.write.export_plan import plan_export
from napari_cerberus.pairs.write.write_pairs import write_export
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.schemas import parse
from pairs.make_source import make_settings, make_source


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    made = run_to_end(plan_export(tmp_path, make_source(32, 32), make_settings()))
    run_to_end(write_export(made))
    return tmp_path


@pytest.fixture
def sidecar_path(exported: Path) -> Path:
    return sidecar_paths(exported / "Polyp", "NC17-1-400-001")[0]


def found(root: Path) -> set[str]:
    kinds = {problem.kind for problem in run_to_end(check_data(root)).problems}
    return kinds - {"one-patient", "one-image"}


def test_a_sidecar_comes_back_as_it_was_written(sidecar_path: Path) -> None:
    sidecar = read_sidecar(sidecar_path)
    assert sidecar_json(sidecar) == sidecar_path.read_text()
    assert sidecar.versions.keys() == {"napari-cerberus", "python", "numpy"}
    assert sidecar.created.endswith("+00:00")


def change(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(content: dict[str, Any]) -> None:
        *parents, last = field.split(".")
        for parent in parents:
            content = content[int(parent)] if parent.isdigit() else content[parent]
        content[last] = value

    return apply


HOSTILE = [
    ("format", "napari-cerberus-sidecar/1"),
    ("category_confirmed", "yes"),
    ("unknown", 1),
    ("name", ""),
    ("name", 7),
    ("patient_known", 1),
    ("block", -1),
    ("block", True),
    ("pixel_size_um", 0),
    ("pixel_size_um", "0.5"),
    ("size_px", [32]),
    ("size_px", [32.5, 32]),
    ("size_px", [0, 32]),
    ("mask_objects", "some"),
    ("source", None),
    ("source.sha256", "zz"),
    ("source.extra", 1),
    ("source.crop_px", [0, 0, 32]),
    ("model_sha256", "A" * 64),
    ("effort", {"edits": "3"}),
    ("effort", [1]),
    ("tasks", []),
    ("tasks", ["glands", "glands"]),
    ("tasks", ["nuclei"]),
    ("mask_task", "lumina"),
    ("checked", "glands"),
    ("checked", None),
    ("checked", [1]),
    ("checked", ["lumina"]),
    ("checked", ["stroma"]),
    ("checked", ["glands", "glands"]),
    ("objects", {}),
    ("objects.0.id", 0),
    ("objects.0.id", MAX_ID + 1),
    ("objects.0.class_probability", 1.5),
    ("objects.0.review", None),
    ("objects.0.task", "lumina"),
    ("objects", [{"task": "glands"}]),
    ("versions", {"python": 3}),
    ("created", 0),
]


@pytest.mark.parametrize(("field", "value"), HOSTILE, ids=[f"{field}={value!r}"[:40] for field, value in HOSTILE])
def test_hostile_sidecars_are_refused_with_file_and_field(sidecar_path: Path, field: str, value: Any) -> None:
    content = json.loads(sidecar_path.read_text())
    change(field, value)(content)
    sidecar_path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=sidecar_path.name) as caught:
        read_sidecar(sidecar_path)
    told = {"format": "is not a file of the kind", "tasks": "labels"}.get(field, field.split(".")[0])
    assert told in str(caught.value) or field == "tasks"


@pytest.mark.parametrize(
    "field", ["name", "source", "objects", "labels_sha256", "checked", "category_confirmed", "created"]
)
def test_a_missing_field_is_named(sidecar_path: Path, field: str) -> None:
    content = json.loads(sidecar_path.read_text())
    del content[field]
    sidecar_path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"'{field}' is missing"):
        read_sidecar(sidecar_path)


@pytest.mark.parametrize("text", ["", "null", "[]", '{"format": NaN}', "[" * 99_999, '{"a": 1e999}', "\xff"])
def test_sidecars_that_are_no_json_object_are_refused(sidecar_path: Path, text: str) -> None:
    sidecar_path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=sidecar_path.name):
        read_sidecar(sidecar_path)


def test_label_planes_that_changed_are_refused(sidecar_path: Path) -> None:
    sidecar = read_sidecar(sidecar_path)
    labels_path = sidecar_path.with_suffix(".tif")
    planes = read_label_planes(labels_path, sidecar)
    write_label_stack(labels_path, {task: plane * 0 for task, plane in planes.items()}, PixelSize.square(0.5))
    with pytest.raises(DataError, match="changed since"):
        read_label_planes(labels_path, sidecar)
    labels_path.unlink()
    with pytest.raises(DataError, match="does not exist"):
        read_label_planes(labels_path, sidecar)


def test_label_planes_carry_their_pixel_size_and_are_16_bit(sidecar_path: Path) -> None:
    with tifffile.TiffFile(sidecar_path.with_suffix(".tif")) as file:
        assert file.series[0].shape == (2, 32, 32)
        assert file.series[0].dtype == np.uint16
        numerator, denominator = file.pages[0].tags["XResolution"].value
        assert 1e4 / (numerator / denominator) == pytest.approx(0.5)


def test_ids_beyond_16_bits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="65535"):
        write_label_stack(tmp_path / "x.tif", {"glands": np.array([[MAX_ID + 1]])}, PixelSize.square(0.5))
    assert not (tmp_path / "x.tif").exists()


def test_a_published_pair_has_no_sidecar(exported: Path) -> None:
    record = index_tree(exported)[0][0]
    sidecar_paths(exported / "Polyp", record.name)[0].unlink()
    assert sidecar_of(record) is None


def test_the_check_finds_a_damaged_sidecar_and_keeps_the_pair(exported: Path, sidecar_path: Path) -> None:
    assert found(exported) == set()
    sidecar_path.write_text("{}")
    report = run_to_end(check_data(exported))
    (problem,) = (problem for problem in report.problems if problem.kind == "sidecar-damaged")
    assert "nothing is learned from it" in str(problem), "training leaves the pair out, its mask too"
    assert len(report.records) == 1


def test_where_only_the_label_file_is_damaged_the_mask_can_be_used(exported: Path, sidecar_path: Path) -> None:
    sidecar_path.with_suffix(".tif").write_bytes(b"damaged")
    (problem,) = (one for one in run_to_end(check_data(exported)).problems if one.kind == "sidecar-damaged")
    assert "mask can still be used" in str(problem)


def test_the_check_finds_masks_edited_by_hand(exported: Path) -> None:
    record = index_tree(exported)[0][0]
    grey = read_grey(record.label_path).copy()
    grey[0, 0] = 255
    Image.fromarray(grey).save(record.label_path)
    assert found(exported) == {"mask-edited"}


def test_the_check_finds_orphans_and_gone_pairs(exported: Path) -> None:
    record = index_tree(exported)[0][0]
    record.image_path.unlink()
    record.label_path.unlink()
    assert found(exported) == {"orphan-sidecar", "pair-removed", "nothing-usable"}


def test_the_check_finds_pairs_without_a_line(exported: Path) -> None:
    (exported / NAME).write_text("")
    assert found(exported) == {"not-in-manifest"}


def test_the_check_finds_patients_who_share_digits(exported: Path) -> None:
    line = json.loads((exported / NAME).read_text())
    line |= {"patient_id": "another", "name": "NC17-1-400-002"}
    with (exported / NAME).open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    assert found(exported) == {"patients-share-digits", "pair-removed"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: "{" + line,
        lambda line: line.replace("/1", "/9"),
        lambda line: line.replace('"name"', '"nom"'),
        lambda line: line.replace("NC17-1-400-001", "../../../x"),
        lambda line: line.replace('"Polyp"', '"../Polyp"'),
        lambda line: "\udcff",
    ],
)
def test_damaged_lines_are_refused_by_number(exported: Path, damage: Callable[[str], str]) -> None:
    path = exported / NAME
    line = path.read_text()
    path.write_bytes((line + damage(line).rstrip("\n") + "\n" + line).encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=r"pairs\.jsonl line 2"):
        read_manifest(exported)
    assert "manifest-damaged" in found(exported)
    with pytest.raises(DataError, match="line 2"):
        run_to_end(plan_export(exported, make_source(32, 32), make_settings()))


HEX = "0123456789abcdef" * 4


def entry(number: int, *, patient_id: str = "1", replaces: int = 0) -> Entry:
    return Entry(
        category="Polyp",
        name=f"NC1-1-400-{number:03d}",
        patient_id=patient_id,
        tile_key="key",
        content_sha256=HEX,
        files=dict.fromkeys(("image", "label", "sidecar", "labels"), HEX),
        replaces=f"Polyp/NC1-1-400-{replaces:03d}" if replaces else "",
    )


@pytest.mark.parametrize("patient_id", ["1", "Müller / 7", '"quoted" \\', "漢字"])
def test_entries_come_back(patient_id: str) -> None:
    one = entry(1, patient_id=patient_id, replaces=2)
    assert parse(Entry, entry_line(one), "test") == one


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), max_size=8))
def test_of_each_pair_the_last_entry_lives(steps: list[tuple[int, int]]) -> None:
    lines = [entry(number, replaces=replaces) for number, replaces in steps]
    live = live_entries(lines)
    alive: list[int] = []
    for number, replaces in steps:
        alive = [one for one in alive if one not in (number, replaces)] + [number]
    assert live == [entry(number, replaces=dict(steps)[number]) for number in alive]
