"""Tiles kept beside a model: what an image resembles, and how far is far."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cerberus.errors import ModelError
from napari_cerberus.model.reference_tiles import (
    MAX_FILE_BYTES,
    REFERENCES_FILE,
    VECTOR_LENGTH,
    ReferenceTiles,
    read_references,
    write_references,
)

SHA = "ab" * 32


def axis(*places: int) -> np.ndarray:
    vector = np.zeros(VECTOR_LENGTH, np.float32)
    vector[list(places)] = 1
    return vector


def store(**changes: object) -> ReferenceTiles:
    made = ReferenceTiles(
        vectors=np.stack([axis(0), axis(0, 1), axis(2), axis(2, 3)]),
        classes=("calm", "wild"),
        class_of=np.array([0, 0, 1, 1]),
        names=("a", "b", "c", "d"),
        patients=("p", "p", "q", "r"),
        held_out=np.linspace(0.1, 0.5, 199).astype(np.float32),
        weights_sha256=SHA,
        thumbnails=(b"\xff\xd8one", b"two", b"three", b"four"),
        attribution="Somebody 2020, CC BY 4.0",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_nearest_come_first_and_no_patient_twice() -> None:
    found = store().nearest(axis(0) * 7, 3)
    assert [one.name for one in found] == ["a", "c", "d"]
    assert found[0].distance == pytest.approx(0, abs=1e-6)
    assert found[1].distance == pytest.approx(1)
    assert [one.name for one in store().nearest(axis(0), 2, tissue_class="wild")] == ["c", "d"]


def test_far_is_measured_on_held_out_tiles() -> None:
    """Tiles that vary much along one axis and little along the others."""
    rng = np.random.default_rng(0)
    spread = np.full(VECTOR_LENGTH, 0.1, np.float32)
    spread[0] = 5
    cloud = (rng.normal(size=(300, VECTOR_LENGTH)) * spread).astype(np.float32)
    many = {"names": ("x",) * 300, "patients": ("p",) * 300, "thumbnails": (), "class_of": np.zeros(300, np.int64)}
    kept = store(vectors=cloud, **many)
    others = (rng.normal(size=(199, VECTOR_LENGTH)) * spread).astype(np.float32)
    kept = replace(kept, held_out=np.sort([kept.distance(one) for one in others]).astype(np.float32))
    along, across = 10 * axis(0), 10 * axis(1)
    assert kept.distance(across) > 5 * kept.distance(along)
    assert not kept.is_far(along)
    assert kept.is_far(across)
    assert kept.rarity(across) == pytest.approx(1 / 200)
    unmeasured = replace(kept, held_out=np.zeros(0, np.float32))
    assert unmeasured.rarity(across) == 1.0
    assert not unmeasured.is_far(across), "nothing is known"


def test_written_and_read_again(tmp_path: Path) -> None:
    kept = store()
    write_references(tmp_path, kept)
    again = read_references(tmp_path, SHA)
    assert again is not None
    assert (again.classes, again.names, again.patients) == (kept.classes, kept.names, kept.patients)
    assert (again.thumbnails, again.attribution) == (kept.thumbnails, kept.attribution)
    np.testing.assert_allclose(again.vectors, kept.vectors, atol=1e-3)
    np.testing.assert_array_equal(again.held_out, kept.held_out)


def test_of_other_weights_or_absent_they_are_none(tmp_path: Path) -> None:
    assert read_references(tmp_path, SHA) is None
    write_references(tmp_path, store())
    assert read_references(tmp_path, "cd" * 32) is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"vectors": np.zeros((4, 7), np.float32)}, "512 numbers"),
        ({"vectors": np.full((4, VECTOR_LENGTH), np.nan, np.float32)}, "not finite"),
        ({"class_of": np.array([0, 0, 1, 2])}, "class"),
        ({"names": ("a",)}, "for each vector"),
        ({"attribution": ""}, "attribution"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        store(**changes)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = write_references(tmp_path, store())
    whole = path.read_bytes()
    for broken in (b"", b"PK nothing", whole[: len(whole) // 2], whole.replace(b"about", b"abuot")):
        path.write_bytes(broken)
        with pytest.raises(ModelError, match=REFERENCES_FILE):
            read_references(tmp_path, SHA)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    about = np.frombuffer(json.dumps({"weights_sha256": SHA}).encode(), np.uint8)
    np.savez(tmp_path / REFERENCES_FILE, about=about, vectors=np.array([print], dtype=object))
    with pytest.raises(ModelError, match=REFERENCES_FILE):
        read_references(tmp_path, SHA)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / REFERENCES_FILE, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vectors.npy", bytes(MAX_FILE_BYTES + 1))
    with pytest.raises(ModelError, match="unpack to more"):
        read_references(tmp_path, SHA)
