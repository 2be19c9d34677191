"""Sets that name the kind of each nucleus: CoNSeP, Lizard, CoNIC, PanNuke."""

from __future__ import annotations

import csv
import tokenize
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...decode_errors import DECODE_ERRORS, reason_of
from ...errors import DataError
from ...tasks import NUCLEI
from ..layout.tile_pixels import read_rgb
from ..problems import Problem
from .matlab import read_mat
from .published_set import Content, Found, Item, files, folders_named, matched, named, no_partner, whole_numbers

_CONSEP = {
    1: "",
    2: "",
    3: "epithelial",
    4: "epithelial",
    5: "connective",
    6: "connective",
    7: "connective",
}
"""Other and inflammatory nuclei have no single word among this program's classes."""
_LIZARD = {1: "neutrophil", 2: "epithelial", 3: "lymphocyte", 4: "plasma", 5: "eosinophil", 6: "connective"}
_PANNUKE = {0: "epithelial", 1: "", 2: "connective", 3: "", 4: "epithelial"}
"""Planes: neoplastic, inflammatory, connective, dead, epithelial; the sixth is background."""
_PANNUKE_PLANES = 6


def find_consep(root: Path) -> Found:
    """``Train/Images/train_1.png`` with ``Train/Labels/train_1.mat``; patients are not named."""
    items: list[Item] = []
    problems: list[Problem] = []
    for folder in folders_named(root, "Images"):
        images, labels = files(folder, ".png"), files(folder.with_name("Labels"), ".mat")
        both, wrong = matched(images, labels)
        problems += wrong
        items += [_item(name, name, False, images[name], partial(_consep, images[name], labels[name])) for name in both]
    return items, problems


def _consep(image_path: Path, label_path: Path) -> Content:
    image, found = read_rgb(image_path), read_mat(label_path, ("inst_map", "inst_type"))
    labels = whole_numbers(found["inst_map"], label_path, image.shape)
    return _typed(image, labels, _listed(labels, found["inst_type"], label_path), _CONSEP, label_path)


def _listed(labels: NDArray[np.int32], codes: NDArray[np.generic], path: Path) -> dict[int, int]:
    """Codes that stand in the order of the ids."""
    ids = [int(one) for one in np.unique(labels) if one]
    flat = np.asarray(codes).ravel()
    if len(flat) != len(ids):
        raise DataError(f"{path} has {len(ids)} objects but {len(flat)} classes.")
    return {id_: int(code) for id_, code in zip(ids, flat.tolist(), strict=True)}


def find_lizard(root: Path) -> Found:
    """``Lizard_Images1/….png`` with ``Labels/….mat``; patients are not named: an image is a group of its own."""
    images = {path.stem: path for path in sorted(root.rglob("*.png")) if path.parent.name.startswith("Lizard_Images")}
    labels = {path.stem: path for path in sorted(root.rglob("*.mat"))}
    both, problems = matched(images, labels)
    read = {name: partial(_lizard, images[name], labels[name]) for name in both}
    return [_item(name, name, False, images[name], read[name]) for name in both], problems


def _lizard(image_path: Path, label_path: Path) -> Content:
    image, found = read_rgb(image_path), read_mat(label_path, ("inst_map", "id", "class"))
    labels = whole_numbers(found["inst_map"], label_path, image.shape)
    ids, codes = (np.asarray(found[name]).ravel().tolist() for name in ("id", "class"))
    if len(ids) != len(codes):
        raise DataError(f"{label_path} has {len(ids)} objects but {len(codes)} classes.")
    return _typed(image, labels, {int(i): int(c) for i, c in zip(ids, codes, strict=True)}, _LIZARD, label_path)


def find_conic(root: Path) -> Found:
    """``images.npy`` and ``labels.npy`` (ids, classes), with ``patch_info.csv``: patches of one image stay together."""
    image_path = next(iter(sorted(root.rglob("images.npy"))), root / "images.npy")
    label_path = image_path.with_name("labels.npy")
    if problem := _absent(image_path, label_path):
        return [], [problem]
    images, labels = _mapped(image_path), _mapped(label_path)
    names = _patch_names(image_path.with_name("patch_info.csv"), len(images))
    _require(images.ndim == 4 and labels.shape == (*images.shape[:3], 2), label_path, "does not fit images.npy")
    read = [partial(_conic, images, labels, place, label_path) for place in range(len(names))]
    return [
        _item(name, name.rpartition("-")[0] or name, False, image_path, one)
        for name, one in zip(names, read, strict=True)
    ], []


def _conic(images: NDArray[np.generic], labels: NDArray[np.generic], place: int, path: Path) -> Content:
    planes = np.asarray(labels[place])
    ids = whole_numbers(planes[..., 0], path, planes.shape)
    kinds = whole_numbers(planes[..., 1], path, planes.shape)
    codes = {int(id_): int(np.bincount(kinds[ids == id_]).argmax()) for id_ in np.unique(ids) if id_}
    return _typed(np.array(images[place], np.uint8), ids, codes, _LIZARD, path)


def _patch_names(table: Path, count: int) -> list[str]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            names = [row["patch_info"].strip() for row in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError) as error:
        raise DataError(f"{table} cannot be read as the table of patches: {reason_of(error)}.") from error
    if len(names) != count or len(set(names)) != count:
        raise DataError(f"{table} names {len(set(names))} patches, images.npy holds {count}.")
    return names


def find_pannuke(root: Path) -> Found:
    """``fold1/images.npy`` with ``fold1/masks.npy``, as deep as the archives nest them; patients are not named."""
    items: list[Item] = []
    problems: list[Problem] = []
    for image_path in sorted(root.rglob("images.npy")):
        fold = image_path.parent.name
        near = [image_path.with_name("masks.npy"), image_path.parents[2] / "masks" / fold / "masks.npy"]
        label_path = next((one for one in near if one.is_file()), near[0])
        if problem := _absent(image_path, label_path):
            problems.append(problem)
            continue
        images, masks = _mapped(image_path), _mapped(label_path)
        fits = images.ndim == 4 and masks.shape == (*images.shape[:3], _PANNUKE_PLANES)
        _require(fits, label_path, "does not fit images.npy")
        for place in range(len(images)):
            name = f"{fold.replace(' ', '')}-{place:04d}"
            items.append(_item(name, name, False, image_path, partial(_pannuke, images, masks, place, label_path)))
    return items, problems


def _pannuke(images: NDArray[np.generic], masks: NDArray[np.generic], place: int, path: Path) -> Content:
    """Each plane numbers its own nuclei, so they are numbered anew, plane by plane."""
    image = np.clip(np.asarray(images[place]), 0, 255).astype(np.uint8)
    labels, codes = np.zeros(image.shape[:2], np.int32), dict[int, int]()
    for plane in _PANNUKE:
        ids = whole_numbers(np.asarray(masks[place, ..., plane]), path, image.shape)
        for id_ in np.unique(ids[ids > 0]).tolist():
            codes[len(codes) + 1] = plane
            labels[ids == id_] = len(codes)
    present = set(np.unique(labels).tolist())
    return _typed(image, labels, {id_: code for id_, code in codes.items() if id_ in present}, _PANNUKE, path)


def _typed(
    image: NDArray[np.uint8], labels: NDArray[np.int32], codes: Mapping[int, int], words: Mapping[int, str], path: Path
) -> Content:
    return Content(image=image, labels={NUCLEI: labels}, classes={NUCLEI: named(words, codes, path)})


def _mapped(path: Path) -> NDArray[np.generic]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (*DECODE_ERRORS, tokenize.TokenError) as error:  # NumPy parses headers as Python's literals
        raise DataError(f"{path} is no readable NumPy file: {reason_of(error)}.") from error


def _absent(image_path: Path, label_path: Path) -> Problem | None:
    if not image_path.is_file():
        return no_partner(image_path, "This file")
    return None if label_path.is_file() else no_partner(image_path, label_path.name)


def _require(fits: bool, path: Path, what: str) -> None:
    if not fits:
        raise DataError(f"{path} {what}.")


def _item(name: str, patient: str, known: bool, path: Path, read: partial[Content]) -> Item:
    return Item(name=name, patient=patient, patient_known=known, path=path, read=read)
