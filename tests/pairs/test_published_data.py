"""Open data sets in the layouts in which they are published, a few pixels of each."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image

from napari_cerberus.cli.main import main
from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.labelled import LabelledPair, read_pair
from napari_cerberus.pairs.licences import LICENCE_FILE, licence_lines, licences_of
from napari_cerberus.pairs.published_data.catalogue import SETS, set_named
from napari_cerberus.pairs.published_data.importing import Imported, import_set
from napari_cerberus.progress import run_to_end

SIDE = 24
IMAGE = np.random.default_rng(0).integers(60, 200, (SIDE, SIDE, 3), np.uint8)
LABELS = np.zeros((SIDE, SIDE), np.int32)
LABELS[2:8, 2:8] = 3
LABELS[12:20, 4:9] = 7


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def mat(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, arrays)


def glas(root: Path) -> None:
    save(root / "train_1.bmp", IMAGE)
    save(root / "train_1_anno.bmp", LABELS.astype(np.uint8))
    (root / "Grade.csv").write_text("name, patient ID, grade (GlaS)\ntrain_1, 17, benign\n", encoding="utf-8")


def crag(root: Path) -> None:
    save(root / "train" / "Images" / "train_1.png", IMAGE)
    save(root / "train" / "Annotation" / "train_1.png", LABELS.astype(np.uint8))


def xml(*regions: list[tuple[float, float]]) -> str:
    def vertices(corners: list[tuple[float, float]]) -> str:
        return "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in corners)

    inner = "".join(f"<Region><Vertices>{vertices(one)}</Vertices></Region>" for one in regions)
    return f"<Annotations><Annotation><Regions>{inner}</Regions></Annotation></Annotations>"


SQUARE = [(2.0, 2.0), (8.0, 2.0), (8.0, 8.0), (2.0, 8.0)]
BAR = [(4.0, 12.0), (8.0, 12.0), (8.0, 19.0), (4.0, 19.0)]


def monuseg(root: Path) -> None:
    (root / "Tissue Images").mkdir(parents=True)
    (root / "Annotations").mkdir()
    tifffile.imwrite(root / "Tissue Images" / "TCGA-18-5592-01Z-00-DX1.tif", IMAGE)
    (root / "Annotations" / "TCGA-18-5592-01Z-00-DX1.xml").write_text(xml(SQUARE, BAR), encoding="utf-8")


def tnbc(root: Path) -> None:
    save(root / "Slide_01" / "01_1.png", IMAGE)
    save(root / "GT_01" / "01_1.png", (LABELS > 0).astype(np.uint8) * 255)


def nuinsseg(root: Path) -> None:
    save(root / "human liver" / "tissue images" / "human_liver_01.png", IMAGE)
    for folder, labels in (("label masks modify", LABELS), ("label masks", LABELS + 1)):
        (root / "human liver" / folder).mkdir()
        tifffile.imwrite(root / "human liver" / folder / "human_liver_01.tif", labels.astype(np.uint16))


def nucls(root: Path) -> None:
    name = "TCGA-A1-A0SP-DX1_id-1"
    codes = np.zeros((SIDE, SIDE, 3), np.uint8)
    codes[1:-1, 1:-1] = (253, 1, 2)  # the annotated field, grey in the published masks
    codes[LABELS == 3] = (1, 1, 5)
    codes[LABELS == 7] = (2, 1, 6)
    save(root / "rgb" / f"{name}.png", IMAGE)
    save(root / "mask" / f"{name}.png", codes)
    (root / "csv").mkdir()
    table = "raw_classification,xmin,ymin,xmax,ymax\ntumor,2,2,8,8\nlymphocyte,4,12,9,20\n"
    (root / "csv" / f"{name}.csv").write_text(table, encoding="utf-8")


def consep(root: Path) -> None:
    save(root / "Train" / "Images" / "train_1.png", IMAGE)
    mat(
        root / "Train" / "Labels" / "train_1.mat",
        inst_map=LABELS.astype(np.float64),
        inst_type=np.array([[3.0], [2.0]]),
    )


def lizard(root: Path) -> None:
    save(root / "Lizard_Images1" / "consep_1.png", IMAGE)
    arrays = {"inst_map": LABELS, "id": np.array([[3], [7]]), "class": np.array([[2], [3]])}
    mat(root / "Lizard_Labels" / "Labels" / "consep_1.mat", **arrays)


def conic(root: Path) -> None:
    kinds = np.where(LABELS == 3, 2, 0) + np.where(LABELS == 7, 3, 0)
    np.save(root / "images.npy", IMAGE[None])
    np.save(root / "labels.npy", np.stack([LABELS, kinds], axis=-1)[None].astype(np.uint16))
    (root / "patch_info.csv").write_text("patch_info\nconsep_1-0000\n", encoding="utf-8")


def pannuke(root: Path) -> None:
    masks = np.zeros((1, SIDE, SIDE, 6))
    masks[0, ..., 0][LABELS == 3] = 1
    masks[0, ..., 2][LABELS == 7] = 1
    for part, array in (("images", IMAGE[None].astype(np.float64)), ("masks", masks)):
        folder = root / "Fold 1" / part / "fold1"
        folder.mkdir(parents=True)
        np.save(folder / f"{part}.npy", array)


MAKERS = {
    "glas": glas,
    "crag": crag,
    "monuseg": monuseg,
    "kumar": monuseg,
    "consep": consep,
    "lizard": lizard,
    "conic": conic,
    "pannuke": pannuke,
    "nuinsseg": nuinsseg,
    "nucls": nucls,
    "tnbc": tnbc,
}
CLASSES = {
    "glas": {"gland"},
    "consep": {"epithelial", ""},
    "lizard": {"epithelial", "lymphocyte"},
    "conic": {"epithelial", "lymphocyte"},
    "pannuke": {"epithelial", "connective"},
    "nucls": {"epithelial", "lymphocyte"},
}


def made(key: str, tmp_path: Path) -> Path:
    root = tmp_path / key
    root.mkdir()
    MAKERS[key](root)
    return root


def imported(key: str, root: Path, target: Path) -> Imported:
    return run_to_end(import_set(set_named(key), root, target, pixel_size_um=0.25 if key == "nuinsseg" else None))


def pairs_of(target: Path) -> list[LabelledPair]:
    records, problems = index_tree(target)
    assert problems == []
    found = [read_pair(record) for record in records]
    return [pair for pair in found if pair is not None]


def test_every_set_has_a_test() -> None:
    assert set(MAKERS) == {one.key for one in SETS}


@pytest.mark.parametrize("key", MAKERS)
def test_a_set_in_its_published_layout(key: str, tmp_path: Path) -> None:
    done = imported(key, made(key, tmp_path), tmp_path / "pairs")
    assert (done.written, done.there_already, done.problems) == (1, 0, ())
    (pair,) = pairs_of(tmp_path / "pairs")
    task = set_named(key).task
    np.testing.assert_array_equal(pair.image, IMAGE)
    seen = pair.labels[task]
    assert len(np.unique(seen)) == 3
    assert (seen[4, 4] > 0, seen[15, 6] > 0, seen[22, 22] > 0) == (True, True, False)
    if key not in ("monuseg", "kumar"):  # outlines there, pixels here
        np.testing.assert_array_equal(seen > 0, LABELS > 0)
    assert pair.sidecar.checked == (task,)
    assert pair.sidecar.pixel_size_um == (set_named(key).pixel_size_um or 0.25)
    if key in CLASSES:
        assert {one.class_name for one in pair.sidecar.objects} == CLASSES[key]


def test_patients_are_those_of_the_set(tmp_path: Path) -> None:
    for key, patient in (("glas", "glas:17"), ("monuseg", "monuseg:TCGA-18-5592"), ("tnbc", "tnbc:Slide_01")):
        imported(key, made(key, tmp_path), tmp_path / f"{key}-pairs")
        (pair,) = pairs_of(tmp_path / f"{key}-pairs")
        assert (pair.sidecar.patient_id, pair.sidecar.patient_known) == (patient, True)


def test_matlab_of_version_73(tmp_path: Path) -> None:
    root = made("consep", tmp_path)
    path = root / "Train" / "Labels" / "train_1.mat"
    path.unlink()
    with h5py.File(path, "w") as stored:  # MATLAB stores the transpose
        stored["inst_map"] = LABELS.astype(np.float64).T
        stored["inst_type"] = np.array([[3.0, 2.0]])
    assert imported("consep", root, tmp_path / "pairs").written == 1
    (pair,) = pairs_of(tmp_path / "pairs")
    np.testing.assert_array_equal(pair.labels["nuclei"] > 0, LABELS > 0)


def test_an_import_goes_on_where_it_stopped_and_changes_nothing(tmp_path: Path) -> None:
    root, target = made("crag", tmp_path), tmp_path / "pairs"
    save(root / "train" / "Images" / "train_2.png", IMAGE[::-1].copy())
    save(root / "train" / "Annotation" / "train_2.png", LABELS[::-1].astype(np.uint8))
    job = import_set(set_named("crag"), root, target)
    next(job)
    next(job)  # the first pair is written, the second is next
    job.close()
    assert len(pairs_of(target)) == 1
    done = imported("crag", root, target)
    assert (done.written, done.there_already) == (1, 1)
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    again = imported("crag", root, target)
    assert (again.written, again.there_already) == (0, 2)
    assert {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} == before


def spoil_rgb(root: Path) -> None:
    save(root / "train_1_anno.bmp", IMAGE)


def spoil_size(root: Path) -> None:
    save(root / "train_1_anno.bmp", LABELS[:10].astype(np.uint8))


def spoil_class(root: Path) -> None:
    mat(root / "Train" / "Labels" / "train_1.mat", inst_map=LABELS, inst_type=np.array([[3], [9]]))


def spoil_count(root: Path) -> None:
    mat(root / "Train" / "Labels" / "train_1.mat", inst_map=LABELS, inst_type=np.array([[3]]))


def spoil_variable(root: Path) -> None:
    mat(root / "Train" / "Labels" / "train_1.mat", other=LABELS)


def spoil_mat(root: Path) -> None:
    (root / "Train" / "Labels" / "train_1.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))


def open_outline(root: Path) -> None:
    next(root.rglob("*.xml")).write_text(xml(SQUARE, BAR[:2]), encoding="utf-8")


def no_number(root: Path) -> None:
    next(root.rglob("*.xml")).write_text(xml(SQUARE).replace('X="2.0"', 'X="left"'), encoding="utf-8")


def entities(root: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]>' + xml(SQUARE)
    next(root.rglob("*.xml")).write_text(bomb, encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "spoil", "sentence"),
    [
        ("glas", spoil_rgb, "one plane of whole numbers"),
        ("glas", spoil_size, "24 × 10 px, its image 24 × 24"),
        ("consep", spoil_class, "unknown class 9"),
        ("consep", spoil_count, "2 objects but 1 classes"),
        ("consep", spoil_variable, "no variable 'inst_map'"),
        ("consep", spoil_mat, "MATLAB file"),
        ("monuseg", open_outline, "region 2 has 2 corners"),
        ("monuseg", no_number, "no numbers X and Y"),
        ("monuseg", entities, "cannot be read as XML"),
    ],
)
def test_a_bad_file_is_named_and_nothing_of_it_is_imported(
    key: str, spoil: object, sentence: str, tmp_path: Path
) -> None:
    root = made(key, tmp_path)
    spoil(root)  # type: ignore[operator]
    done = imported(key, root, tmp_path / "pairs")
    assert done.written == 0
    (problem,) = done.problems
    assert sentence in str(problem)
    assert not (tmp_path / "pairs").exists()


def test_a_folder_of_other_pictures_is_one_sentence(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / "holiday" / f"{number}.png", IMAGE)
    with pytest.raises(DataError, match=r"does not look like GlaS; expected: train_1\.bmp beside train_1_anno\.bmp"):
        imported("glas", tmp_path / "holiday", tmp_path / "pairs")


def test_missing_partners_are_named(tmp_path: Path) -> None:
    root = made("crag", tmp_path)
    save(root / "valid" / "Images" / "test_1.png", IMAGE)
    save(root / "train" / "Annotation" / "train_9.png", LABELS.astype(np.uint8))
    done = imported("crag", root, tmp_path / "pairs")
    assert done.written == 1
    assert sorted((one.path.name, one.what) for one in done.problems) == [
        ("test_1.png", "its annotation is missing."),
        ("train_9.png", "its image is missing."),
    ]


def test_a_folder_without_the_set_says_how_it_should_lie(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"Annotation/train_1\.png"):
        imported("crag", tmp_path / "empty", tmp_path / "pairs")
    with pytest.raises(SettingsError, match="--pixel-size"):
        run_to_end(import_set(set_named("nuinsseg"), tmp_path, tmp_path / "pairs"))
    with pytest.raises(SettingsError, match="known are glas"):
        set_named("imagenet")


def test_the_command_says_what_the_licence_forbids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, target = made("glas", tmp_path), tmp_path / "pairs"
    save(root / "train_2.bmp", IMAGE)
    assert main(["import-data", "glas", str(root), "--to", str(target)]) == 1
    said = capsys.readouterr().out
    assert "train_2.bmp" in said
    assert "1 pairs written, 0 there already, 1 left out" in said
    assert "Do not hand on weights" in said
    assert (target / LICENCE_FILE).is_file()
    (line,) = licence_lines(licences_of([target, tmp_path]))
    assert line.startswith("GlaS: research only")


def test_images_of_one_organ_of_nuinsseg_are_of_one_slide(tmp_path: Path) -> None:
    imported("nuinsseg", made("nuinsseg", tmp_path), tmp_path / "pairs")
    (pair,) = pairs_of(tmp_path / "pairs")
    assert (pair.sidecar.patient_id, pair.sidecar.patient_known) == ("nuinsseg:human liver", False)


def test_a_numpy_file_whose_header_never_ends_is_one_sentence(tmp_path: Path) -> None:
    root = made("pannuke", tmp_path)
    (path,) = root.rglob("masks.npy")
    header = b"{'descr': '<f8', ("
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(DataError, match=r"masks\.npy is no readable NumPy file"):
        imported("pannuke", root, tmp_path / "pairs")


def test_a_short_line_of_a_table_of_classes_is_one_sentence(tmp_path: Path) -> None:
    root = made("nucls", tmp_path)
    (path,) = root.rglob("*.csv")
    path.write_text(path.read_text(encoding="utf-8") + "tumor,2\n", encoding="utf-8")
    (problem,) = imported("nucls", root, tmp_path / "pairs").problems
    assert "cannot be read as a table" in str(problem)
