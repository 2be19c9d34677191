"""Leaks: patients and near-duplicate images on two sides are found, unlike images are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.pairs.check.image_print import image_print, near_duplicates
from napari_cerberus.pairs.check.leaks import leak_report, shared_patients
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.split import Split, split_by_image, split_by_patient
from napari_cerberus.progress import run_to_end


@dataclass(frozen=True)
class Tile:
    id: str
    patient: str
    image_path: Path
    stratum: str = "A"


def texture(seed: int, side: int = 64) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(60, 250, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def save(folder: Path, name: str, patient: str, image: np.ndarray) -> Tile:
    path = folder / f"{name}.png"
    Image.fromarray(image).save(path)
    return Tile(name, patient, path)


def split_of(train: list[str], test: list[str]) -> Split:
    return Split(seed=0, unit="patient", train=tuple(train), validation=(), test=tuple(test), counts={})


def test_a_patient_on_two_sides_is_named_with_counts(tmp_path: Path) -> None:
    records = [save(tmp_path, name, patient, texture(i)) for i, (name, patient) in enumerate(["ap", "bp", "cq"])]
    split = split_of(["a"], ["b", "c"])
    (leak,) = shared_patients(split, records)
    assert leak.patient == "p"
    assert leak.tiles == {"train": 1, "test": 1}
    report = run_to_end(leak_report(split, records))
    assert report.leaks
    assert "1 patient and 0 pairs" in report.summary


def test_near_duplicates_across_sides_are_found_and_others_are_not(tmp_path: Path) -> None:
    image = texture(1)
    noise = np.random.default_rng(9).integers(-6, 7, image.shape)
    altered = np.clip(image * 0.95 + noise, 0, 255).astype(np.uint8)
    records = [
        save(tmp_path, "a", "p", image),
        save(tmp_path, "a2", "p", image),
        save(tmp_path, "b", "q", altered),
        save(tmp_path, "c", "r", texture(2)),
    ]
    report = run_to_end(leak_report(split_of(["a", "a2"], ["b", "c"]), records))
    assert {(leak.first_id, leak.second_id) for leak in report.duplicates} == {("a", "b"), ("a2", "b")}
    assert report.patients == ()


def test_a_clean_split_says_so(tmp_path: Path) -> None:
    records = [save(tmp_path, f"t{i}", f"p{i}", texture(i)) for i in range(6)]
    report = run_to_end(leak_report(split_by_patient(records, (0.5, 0.25, 0.25)), records))
    assert not report.leaks
    assert report.summary.startswith("No patient")


def test_an_unreadable_image_is_counted_not_fatal(tmp_path: Path) -> None:
    records = [save(tmp_path, "a", "p", texture(1)), save(tmp_path, "b", "q", texture(2))]
    records[0].image_path.write_bytes(b"broken")
    assert run_to_end(leak_report(split_of(["a"], ["b"]), records)).unread == ("a",)


def test_blank_images_are_no_duplicates_of_each_other() -> None:
    blank = image_print(np.full((32, 32, 3), 255, np.uint8))
    assert list(near_duplicates([blank, blank])) == []


def test_blocks_of_rows_find_the_same_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = [image_print(texture(i % 5)) for i in range(12)]
    whole = list(near_duplicates(prints))
    monkeypatch.setattr("napari_cerberus.pairs.check.image_print._BLOCK_ROWS", 3)
    assert list(near_duplicates(prints)) == whole
    assert {(i % 5) == (j % 5) for i, j in whole} == {True}
    assert len(whole) == 3 + 3 + 1 + 1 + 1


def test_real_tree_by_image_leaks_and_by_patient_does_not(data_dir: Path) -> None:
    records, _ = index_tree(data_dir / "ebhi-seg")
    rare = [record for record in records if record.category in ("Normal", "Serrated adenoma")]
    assert not run_to_end(leak_report(split_by_patient(rare), rare)).leaks
    assert len(shared_patients(split_by_image(rare), rare)) > 8
