"""The data check: every kind of damage is found, named with its file, and healthy data stay silent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.errors import DataError
from napari_cerberus.pairs.check.data_check import CheckReport, check_data, detect_layout
from napari_cerberus.pairs.check.tile_checks import check_mask
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.tile_pixels import read_grey, read_rgb
from napari_cerberus.pairs.split import Split
from napari_cerberus.progress import run_to_end

SIDE = 48


def tile(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A pink tile with a blue-violet disk, and the disk's mask."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centre = rng.uniform(16, 32, 2)
    disk = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < rng.uniform(8, 15) ** 2
    image = np.where(disk[..., None], (120, 80, 170), (235, 170, 200)) + rng.integers(-15, 15, (SIDE, SIDE, 3))
    return image.clip(0, 255).astype(np.uint8), np.where(disk, 255, 0).astype(np.uint8)


class Tree:
    """A small healthy tree that tests damage."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for index, (category, patient) in enumerate([("A", 1), ("A", 2), ("B", 3), ("B", 4)]):
            self.add(category, f"GT{patient}-1-400-001", *tile(index))

    def add(self, category: str, name: str, image: np.ndarray, mask: np.ndarray) -> None:
        for part, pixels in (("image", image), ("label", mask)):
            (self.root / category / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(self.root / category / part / f"{name}.png")

    def check(self, **options: object) -> CheckReport:
        return run_to_end(check_data(self.root, **options))  # type: ignore[arg-type]

    def found(self, **options: object) -> dict[str, list[str]]:
        result: dict[str, list[str]] = {}
        for problem in self.check(**options).problems:
            result.setdefault(problem.kind, []).append(problem.path.name)
        return result


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "data")


def test_a_healthy_tree_has_no_problem(tree: Tree) -> None:
    report = tree.check()
    assert report.problems == ()
    assert report.counts == {"A": 2, "B": 2}
    assert report.patients == 4
    assert not report.stops


def test_progress_counts_the_tiles(tree: Tree) -> None:
    steps = []
    run_to_end(check_data(tree.root), steps.append)
    assert [(step.done, step.total) for step in steps] == [(0, 4), (1, 4), (2, 4), (3, 4)]


BAD = "GT9-1-400-001"


def rgba(image: np.ndarray) -> np.ndarray:
    return np.dstack([image, np.full((SIDE, SIDE), 255, np.uint8)])


def blurred(mask: np.ndarray) -> np.ndarray:
    grey = mask.copy()
    grey[:12, :12] = 90
    return grey


@pytest.mark.parametrize(
    ("kind", "severity", "image", "mask"),
    [
        ("grey-image", "skipped", lambda i, m: i[..., 0], lambda i, m: m),
        ("alpha-image", "note", lambda i, m: rgba(i), lambda i, m: m),
        ("size-mismatch", "skipped", lambda i, m: i, lambda i, m: m[:-1]),
        ("empty-mask", "skipped", lambda i, m: i, lambda i, m: m * 0),
        ("full-mask", "note", lambda i, m: i, lambda i, m: m | 255),
        ("dark-mask", "skipped", lambda i, m: i, lambda i, m: m // 255),
        ("soft-mask", "note", lambda i, m: i, lambda i, m: blurred(m)),
        ("inverted-mask", "note", lambda i, m: i, lambda i, m: 255 - m),
        ("odd-size", "note", lambda i, m: i[:-2], lambda i, m: m[:-2]),
    ],
)
def test_each_damage_is_found_and_named(tree: Tree, kind: str, severity: str, image, mask) -> None:
    pixels = tile(99)
    tree.add("A", BAD, image(*pixels), mask(*pixels))
    report = tree.check()
    found = [problem for problem in report.problems if problem.kind == kind]
    assert [(problem.severity, problem.path.stem) for problem in found] == [(severity, BAD)]
    assert all(problem.what.endswith(".") and problem.advice.endswith(".") for problem in report.problems)
    assert (f"A/{BAD}" in {record.id for record in report.records}) == (severity == "note")


GOBLET_TILES = (
    "Normal/GT2100256-1-400-005",
    "Normal/GTXC2012096-4-400-003",
    "Polyp/GTXC2100772-1-400-002",
    "Polyp/GTXC2110529-3-400-005",
    "Serrated adenoma/GT1815555-4-400-001",
    "Serrated adenoma/GT2014783-1-400-002",
)
"""Pale inside, dark outside: a score of the whole inside against the whole outside took them for inverted."""


def test_goblet_cells_are_not_taken_for_an_inverted_mask(data_dir: Path) -> None:
    records = index_tree(data_dir / "ebhi-seg")[0]
    chosen = [record for record in records if record.id in GOBLET_TILES]
    assert len(chosen) == len(GOBLET_TILES)
    fired = {True: 0, False: 0}
    for record in (*chosen, *records[::20]):
        image, grey = read_rgb(record.image_path), read_grey(record.label_path)
        for inverted, mask in ((False, grey), (True, 255 - grey)):
            kinds = {problem.kind for problem in check_mask(record.label_path, image, mask)}
            fired[inverted] += "inverted-mask" in kinds
    assert fired[False] == 0
    assert fired[True] > 0.9 * (len(chosen) + len(records[::20]))  # not where nearly all or nothing is mask


def test_corrupt_files_are_skipped_one_by_one(tree: Tree) -> None:
    (tree.root / "A" / "image" / "GT1-1-400-001.png").write_bytes(b"\x89PNG broken")
    (tree.root / "A" / "label" / "GT2-1-400-001.png").write_bytes(b"")
    report = tree.check()
    assert [problem.kind for problem in report.of("skipped")] == ["unreadable", "unreadable"]
    assert [record.category for record in report.records] == ["B", "B"]


def test_missing_partners_are_listed(tree: Tree) -> None:
    (tree.root / "B" / "label" / "GT3-1-400-001.png").unlink()
    assert tree.found()["no-label"] == ["GT3-1-400-001.png"]


def test_duplicates_are_found_and_contradictions_told_apart(tree: Tree) -> None:
    tree.add("A", "GT1-1-400-002", *tile(0))
    tree.add("B", "GT5-1-400-001", *tile(1))
    found = tree.found()
    assert found["duplicate"] == ["GT1-1-400-002.png"]
    assert found["duplicate-contradiction"] == ["GT5-1-400-001.png"]


def test_a_category_with_one_image_is_noted(tree: Tree) -> None:
    tree.add("C", "GT7-1-400-001", *tile(7))
    assert tree.found()["one-image"] == ["C"]


def test_a_category_of_one_patient_is_noted(tree: Tree) -> None:
    for number in (1, 2):
        tree.add("C", f"GT7-1-400-00{number}", *tile(7 + number))
    assert tree.found()["one-patient-in-category"] == ["C"]


def test_a_patient_in_all_categories_and_a_lone_patient_are_noted(tree: Tree) -> None:
    tree.add("B", "GT1-1-400-009", *tile(9))
    assert "patient-in-all-categories" in tree.found()
    lone = Tree(tree.root.parent / "lone")
    for category, patient in (("A", 2), ("B", 3), ("B", 4)):
        for part in ("image", "label"):
            (lone.root / category / part / f"GT{patient}-1-400-001.png").unlink()
    report = lone.check()
    assert not report.stops, "data of one patient may still join other data, or be scored"
    assert "one-patient" in {problem.kind for problem in report.of("note")}


def test_nothing_usable_stops(tmp_path: Path) -> None:
    (tmp_path / "A" / "image").mkdir(parents=True)
    report = run_to_end(check_data(tmp_path))
    assert report.stops
    assert report.records == ()


def split_of(**sides: tuple[str, ...]) -> Split:
    return Split(seed=0, unit="patient", validation=(), counts={}, **{"train": (), "test": (), **sides})


def test_a_split_that_tears_a_patient_stops(tree: Tree) -> None:
    tree.add("A", "GT1-2-400-001", *tile(5))
    split = split_of(train=("A/GT1-1-400-001",), test=("A/GT1-2-400-001",))
    report = tree.check(split=split, split_path=tree.root / "split.json")
    (problem,) = report.of("stops")
    assert problem.kind == "patient-in-several-splits"
    assert "train (1), test (1)" in problem.what


def test_a_split_of_other_data_stops(tree: Tree) -> None:
    report = tree.check(split=split_of(train=("Z/none",)))
    assert [problem.kind for problem in report.of("stops")] == ["split-mismatch"]


def test_instance_folders_are_checked(tmp_path: Path) -> None:
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    labels = np.zeros((SIDE, SIDE), np.uint16)
    labels[2:6, 2:6] = labels[20:24, 20:24] = 7
    for name, array in (("pieces", labels), ("empty", labels * 0), ("small", labels[:9, :9])):
        image, _ = tile(len(name))
        Image.fromarray(image).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(array).save(tmp_path / "labels" / f"{name}.png")
    report = run_to_end(check_data(tmp_path))
    assert report.layout == "instances"
    found = {(problem.kind, problem.path.stem) for problem in report.problems}
    assert {("object-in-pieces", "pieces"), ("empty-labels", "empty"), ("size-mismatch", "small")} <= found
    assert "patients-unknown" in {problem.kind for problem in report.problems}


def test_tile_folders_are_checked(tmp_path: Path) -> None:
    for index, category in enumerate(("ADI", "TUM")):
        (tmp_path / category).mkdir()
        for number in range(2):
            Image.fromarray(tile(index * 2 + number)[0]).save(tmp_path / category / f"{number}.png")
    Image.new("L", (8, 8)).save(tmp_path / "ADI" / "grey.png")
    report = run_to_end(check_data(tmp_path))
    assert report.layout == "tiles"
    assert report.counts == {"ADI": 2, "TUM": 2}
    assert [problem.kind for problem in report.of("skipped")] == ["grey-image"]


def test_layouts_are_told_apart_and_a_missing_folder_is_refused(tree: Tree, tmp_path: Path) -> None:
    assert detect_layout(tree.root) == "ebhi"
    with pytest.raises(DataError, match="not a folder"):
        detect_layout(tmp_path / "no")


def test_real_nuclei_pass(data_dir: Path) -> None:
    report = run_to_end(check_data(data_dir / "tnbc-nuclei"))
    assert not report.stops
    assert len(report.records) == 50
