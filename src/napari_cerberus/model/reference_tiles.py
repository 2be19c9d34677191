"""Tiles that a model learned its tissue classes from, kept beside it: feature vectors, and thumbnails where allowed.

An image resembles those whose vectors point the same way; nothing here says why the model answers as it does. It is far
where its vector is far from the cloud of all of them (Mahalanobis, with the covariance of Ledoit and Wolf 2004; Lee et
al. 2018). How far is far is measured on tiles that the model did not learn from: the rank among their distances is a
conformal p-value (Vovk et al. 2005). Loads no torch.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..decode_errors import reason_of
from ..errors import ModelError
from ..files import atomic_path
from .spec import MAX_TEXT

REFERENCES_FILE = "references.npz"
VECTOR_LENGTH = 512
FAR_SHARE = 0.05
"""An image is far from everything where at most this share of the held-out tiles is as far: so many at home are told so
for nothing."""
MAX_TILES, MAX_THUMBNAIL_BYTES, MAX_FILE_BYTES = 5000, 20_000, 64 << 20
_MAX_ABOUT_BYTES = 4 << 20

Vector = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A kept tile and how unlike it the image is.

    Attributes
    ----------
    place : int
        Row in the store.
    name, tissue_class : str
    distance : float
        1 - cosine of the angle between the vectors: 0 alike, 1 nothing in common.
    """

    place: int
    name: str
    tissue_class: str
    distance: float


@dataclass(frozen=True, kw_only=True)
class ReferenceTiles:
    """What is kept.

    Attributes
    ----------
    vectors : (n, 512) float32 array
        Mean deepest features over each tile's tissue.
    classes : tuple of str
        Tissue classes, as the model names them.
    class_of : (n,) int array
        Index into ``classes``.
    names, patients : tuple of str
        Of each tile.
    thumbnails : tuple of bytes
        A JPEG of each tile, or nothing at all.
    held_out : (m,) float32 array
        ``distance`` of tiles of other patients that the model did not learn from, ascending.
    attribution : str
        Whose tiles these are and under which licence; shown wherever a thumbnail is.
    weights_sha256 : str
        Of the weights that gave the vectors.
    """

    vectors: Vector
    classes: tuple[str, ...]
    class_of: NDArray[np.int64]
    names: tuple[str, ...]
    patients: tuple[str, ...]
    held_out: Vector
    weights_sha256: str
    thumbnails: tuple[bytes, ...] = ()
    attribution: str = ""

    def __post_init__(self) -> None:
        count = len(self.vectors)
        lengths = {len(self.class_of), len(self.names), len(self.patients), len(self.thumbnails) or count}
        if self.vectors.ndim != 2 or self.vectors.shape[1] != VECTOR_LENGTH or not 1 <= count <= MAX_TILES:
            raise ModelError(f"Reference tiles need 1 to {MAX_TILES} vectors of {VECTOR_LENGTH} numbers.")
        if lengths != {count} or self.held_out.ndim != 1:
            raise ModelError("Reference tiles need one class, name, patient and thumbnail for each vector.")
        if not (np.isfinite(self.vectors).all() and np.isfinite(self.held_out).all()):
            raise ModelError("Vectors of reference tiles hold values that are not finite.")
        if self.class_of.min() < 0 or self.class_of.max() >= len(self.classes):
            raise ModelError("A reference tile has a class that the model does not know.")
        if self.thumbnails and not self.attribution:
            raise ModelError("Thumbnails are kept only with the attribution of the tiles' authors.")

    def distances(self, vector: Vector) -> Vector:
        """(n,) distances, 1 - cosine, to every kept tile."""
        found: Vector = cosine_distances(vector[None], self.vectors)[0]
        return found

    def distance(self, vector: Vector) -> float:
        """How far an image is from the cloud of all of them, in its standard deviations (Mahalanobis)."""
        centre, precision = self._cloud
        away = vector.astype(np.float64) - centre
        return math.sqrt(max(float(away @ precision @ away), 0.0))

    @cached_property
    def _cloud(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and inverse covariance; shrunk, since there are hardly more tiles than numbers in a vector."""
        from sklearn.covariance import ledoit_wolf  # takes a second to load

        covariance, _ = ledoit_wolf(self.vectors.astype(np.float64))
        return np.asarray(self.vectors.astype(np.float64).mean(0)), np.linalg.pinv(covariance, hermitian=True)

    def rarity(self, vector: Vector) -> float:
        """Share of held-out tiles that are as far as this image, itself counted; small: unlike all that was learned.

        1 without held-out tiles: nothing is known then.
        """
        if not len(self.held_out):
            return 1.0
        as_far = int((self.held_out >= self.distance(vector)).sum())
        return (as_far + 1) / (len(self.held_out) + 1)

    def is_far(self, vector: Vector) -> bool:
        """Whether the image is unlike all that the model learned its classes from; never without held-out tiles."""
        held = len(self.held_out)
        return bool(held) and self.rarity(vector) <= max(FAR_SHARE, 1 / (held + 1))

    def nearest(self, vector: Vector, count: int, *, tissue_class: str = "") -> tuple[Neighbour, ...]:
        """The ``count`` most alike, nearest first, no patient twice; of one class where one is named."""
        distances, seen = self.distances(vector), set[str]()
        chosen: list[Neighbour] = []
        for place in np.argsort(distances, kind="stable"):
            name = self.classes[self.class_of[place]]
            if len(chosen) == count:
                break
            if (tissue_class and name != tissue_class) or self.patients[place] in seen:
                continue
            seen.add(self.patients[place])
            found = Neighbour(
                place=int(place), name=self.names[place], tissue_class=name, distance=float(distances[place])
            )
            chosen.append(found)
        return tuple(chosen)


def cosine_distances(first: Vector, second: Vector) -> Vector:
    """(n, d) and (m, d) → (n, m) of 1 - cosine; 1 where a vector is empty."""
    units = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (first, second)]
    return np.asarray(1.0 - units[0] @ units[1].T, np.float32)


def write_references(folder: Path, references: ReferenceTiles) -> Path:
    """Write the file into a model's folder, whole or not at all; returns its path. Raises ``OutputError``."""
    about = {
        "classes": references.classes,
        "names": references.names,
        "patients": references.patients,
        "attribution": references.attribution,
        "weights_sha256": references.weights_sha256,
    }
    with atomic_path(folder / REFERENCES_FILE) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            vectors=references.vectors.astype(np.float16),
            class_of=references.class_of.astype(np.int16),
            held_out=references.held_out.astype(np.float32),
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            thumbnails=np.frombuffer(b"".join(references.thumbnails), np.uint8),
            thumbnail_bytes=np.array([len(one) for one in references.thumbnails], np.int32),
        )
    return folder / REFERENCES_FILE


def read_references(folder: Path, weights_sha256: str) -> ReferenceTiles | None:
    """What is kept beside a model; None where nothing is, or where it belongs to other weights.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    path = folder / REFERENCES_FILE
    if not path.is_file():
        return None
    try:
        arrays = _arrays(path)
        about = json.loads(arrays["about"].tobytes())
        if about["weights_sha256"] != weights_sha256:
            return None
        return ReferenceTiles(
            vectors=_numbers(arrays, "vectors", np.float32),
            classes=_texts(about, "classes"),
            class_of=_numbers(arrays, "class_of", np.int64),
            names=_texts(about, "names"),
            patients=_texts(about, "patients"),
            held_out=np.sort(_numbers(arrays, "held_out", np.float32)),
            thumbnails=_pictures(arrays),
            attribution=str(about["attribution"]),
            weights_sha256=weights_sha256,
        )
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, RecursionError) as error:
        raise ModelError(
            f"{path} is damaged: {reason_of(error)}; write it again with 'napari-cerberus calibrate --references N'."
        ) from error


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The file's arrays, none of which may unpack to more than the file may be; nothing is unpickled."""
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > MAX_FILE_BYTES:
            raise ModelError("it would unpack to more than a model's reference tiles can be.")
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if arrays["about"].nbytes > _MAX_ABOUT_BYTES:
        raise ModelError("its description is too long.")
    return arrays


def _numbers(arrays: dict[str, NDArray[Any]], name: str, kind: type[np.generic]) -> NDArray[Any]:
    if arrays[name].dtype.kind not in "fiu":
        raise ModelError(f"{name} holds no numbers.")
    return arrays[name].astype(kind)


def _texts(about: Any, name: str) -> tuple[str, ...]:
    values = about[name]
    if not isinstance(values, list) or not all(isinstance(one, str) and len(one) <= MAX_TEXT for one in values):
        raise ModelError(f"{name} must be a list of short texts.")
    return tuple(values)


def _pictures(arrays: dict[str, NDArray[Any]]) -> tuple[bytes, ...]:
    sizes = arrays["thumbnail_bytes"].astype(np.int64)
    if (sizes <= 0).any() or (sizes > MAX_THUMBNAIL_BYTES).any() or sizes.sum() != arrays["thumbnails"].nbytes:
        raise ModelError("its thumbnails do not have the sizes that it states.")
    ends = np.cumsum(sizes)
    whole = arrays["thumbnails"].tobytes()
    return tuple(whole[end - size : end] for size, end in zip(sizes.tolist(), ends.tolist(), strict=True))
