"""Sets whose annotations are pictures or outlines: GlaS, CRAG, MoNuSeg, Kumar, TNBC, NuInsSeg, NuCLS."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...decode_errors import DECODE_ERRORS, PICTURE_FORMATS, reason_of
from ...errors import DataError
from ...tasks import GLANDS, NUCLEI
from ..layout.tile_pixels import read_labels, read_rgb
from ..problems import Problem
from .outlines_xml import read_outlines
from .published_set import Content, Found, Item, files, folders_named, matched, named, numbered, whole_numbers

Reader = Callable[[Path, Path], Content]
_PICTURES = (".png", ".bmp", ".tif", ".tiff", ".jpg")
_NUCLS_FIELD_CODE = 253
"""Red value of the annotated field, which is no nucleus (nucleus_GTcodes.csv of the authors' repository)."""
_NUCLS_CLASSES = {
    "tumor": "epithelial",
    "mitotic_figure": "epithelial",
    "ductal_epithelium": "epithelial",
    "fibroblast": "connective",
    "vascular_endothelium": "connective",
    "myoepithelium": "",
    "lymphocyte": "lymphocyte",
    "plasma_cell": "plasma",
    "neutrophil": "neutrophil",
    "eosinophil": "eosinophil",
    "macrophage": "",
    "apoptotic_body": "",
    "unlabeled": "",
    "other_nucleus": "",
    "other": "",
    "correction_other_nucleus": "",
}


def find_glas(root: Path) -> Found:
    """``train_1.bmp`` beside ``train_1_anno.bmp``; patients stand in ``Grade.csv``."""
    found = {path.stem: path for folder in [root, *_below(root)] for path in files(folder, *_PICTURES).values()}
    labels = {stem.removesuffix("_anno"): path for stem, path in found.items() if stem.endswith("_anno")}
    images = {stem: path for stem, path in found.items() if not stem.endswith("_anno")}
    patients = _glas_patients(next(iter(sorted(root.rglob("Grade.csv"))), None))
    return _items(images, labels, partial(_picture, GLANDS), patients)


def _glas_patients(table: Path | None) -> dict[str, str]:
    if table is None:
        return {}
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(table.read_text("utf-8-sig").splitlines())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a table: {reason_of(error)}.") from error
    return {row[0]: row[1] for row in rows[1:] if len(row) > 1 and row[0] and row[1]}


def find_crag(root: Path) -> Found:
    """``train/Images/train_1.png`` with ``train/Annotation/train_1.png``."""
    return _beside(root, "Images", "Annotation", _PICTURES, partial(_picture, GLANDS))


def find_monuseg(root: Path) -> Found:
    """``Tissue Images/TCGA-….tif`` with ``Annotations/TCGA-….xml``, or both in one folder, as the test data."""
    outlines = {path.stem: path for path in sorted(root.rglob("*.xml"))}
    images = {path.stem: path for path in sorted(root.rglob("*")) if path.suffix.lower() in (".tif", ".tiff", ".png")}
    return _items(images, outlines, _outlined, {name: name[:12] for name in images if name.startswith("TCGA-")})


def find_tnbc(root: Path) -> Found:
    """``Slide_01/01_1.png`` with ``GT_01/01_1.png``; a slide is a patient."""
    items: list[Item] = []
    problems: list[Problem] = []
    for slide in sorted(root.rglob("Slide_*")):
        images = files(slide, ".png")
        labels = files(slide.with_name(slide.name.replace("Slide_", "GT_")), ".png")
        found, wrong = _items(images, labels, partial(_picture, NUCLEI), dict.fromkeys(images, slide.name))
        items, problems = items + found, problems + wrong
    return items, problems


def find_nuinsseg(root: Path) -> Found:
    """``human liver/tissue images/….png`` with ``human liver/label masks modify/….tif``; an organ is one slide.

    In ``label masks`` the overlap of two nuclei has an id of its own: the authors say to use the modified ones.
    """
    items, problems = _beside(root, "tissue images", "label masks modify", _PICTURES, partial(_picture, NUCLEI))
    return [replace(item, patient=item.path.parent.parent.name) for item in items], problems


def find_nucls(root: Path) -> Found:
    """``rgb/….png`` with ``mask/….png``: red is the class, green times blue the object; ``csv`` names the classes."""
    found: Found = [], []
    for folder in folders_named(root, "rgb"):
        images, labels = files(folder, ".png"), files(folder.with_name("mask"), ".png")
        patients = {name: name[:12] for name in images if name.startswith("TCGA-")}
        tables = files(folder.with_name("csv"), ".csv")
        more = _items(images, labels, partial(_nucls, tables), patients)
        found = found[0] + more[0], found[1] + more[1]
    return found


def _nucls(tables: Mapping[str, Path], image_path: Path, label_path: Path) -> Content:
    image = read_rgb(image_path)
    codes = _colours(label_path).astype(np.int64)
    nucleus = codes[..., 0] != _NUCLS_FIELD_CODE
    product = whole_numbers(codes[..., 1] * codes[..., 2] * nucleus, label_path, image.shape)
    values, flat = np.unique(product, return_inverse=True)
    outside = values[0] == 0
    labels = np.asarray(flat.reshape(product.shape) + (0 if outside else 1), np.int32)
    classes: dict[int, str] = {}
    if image_path.stem in tables:
        classes = _nucls_classes(tables[image_path.stem], labels)
    return Content(image=image, labels={NUCLEI: labels}, classes={NUCLEI: classes})


def _nucls_classes(table: Path, labels: NDArray[np.int32]) -> dict[int, str]:
    """Class of the object at the centre of each box of the table."""
    classes: dict[int, int] = {}
    words = {word: code for code, word in enumerate(_NUCLS_CLASSES)}
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream):
                y = (int(float(row["ymin"])) + int(float(row["ymax"]))) // 2
                x = (int(float(row["xmin"])) + int(float(row["xmax"]))) // 2
                inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
                if inside and labels[y, x]:
                    classes[int(labels[y, x])] = words[row["raw_classification"]]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{table} cannot be read as a table: {reason_of(error)}.") from error
    except KeyError as error:
        raise DataError(f"{table} has no column or knows no class {error}.") from error
    return named(dict(enumerate(_NUCLS_CLASSES.values())), classes, table)


def _colours(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as picture:
            if picture.mode not in ("RGB", "RGBA"):
                raise DataError(f"{path} has no three channels: class in red, object in green and blue.")
            return np.asarray(picture.convert("RGB"))
    except DECODE_ERRORS as error:
        raise DataError(f"{path} cannot be read: {reason_of(error)}.") from error


def _picture(task: str, image_path: Path, label_path: Path) -> Content:
    image = read_rgb(image_path)
    labels = numbered(whole_numbers(read_labels(label_path), label_path, image.shape))
    classes = {GLANDS: {int(id_): "gland" for id_ in np.unique(labels) if id_}} if task == GLANDS else {}
    return Content(image=image, labels={task: labels}, classes=classes)


def _outlined(image_path: Path, label_path: Path) -> Content:
    image = read_rgb(image_path)
    return Content(image=image, labels={NUCLEI: read_outlines(label_path, (image.shape[0], image.shape[1]))})


def _below(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("**/") if path != root)


def _beside(root: Path, images: str, labels: str, suffixes: tuple[str, ...], read: Reader) -> Found:
    """Two folders side by side, anywhere below ``root``; names of one part do not meet those of another."""
    items: list[Item] = []
    problems: list[Problem] = []
    for folder in folders_named(root, images):
        partner = next((one for one in folder.parent.iterdir() if one.name.lower() == labels.lower()), folder / labels)
        found, wrong = _items(files(folder, *suffixes), files(partner, *suffixes), read, {})
        items, problems = items + found, problems + wrong
    return items, problems


def _items(images: Mapping[str, Path], labels: Mapping[str, Path], read: Reader, patients: Mapping[str, str]) -> Found:
    both, problems = matched(images, labels)
    items = [
        Item(
            name=name,
            patient=patients.get(name, name),
            patient_known=name in patients,
            path=images[name],
            read=partial(read, images[name], labels[name]),
        )
        for name in both
    ]
    return items, problems
