"""Is an image stained like those a model was trained on? Said before annotation, not after.

An image is summed up in seven numbers over its tissue pixels (darkest colour below 220), all logarithms: median and
interquartile range of haematoxylin and of eosin after colour deconvolution (Ruifrok and Johnston 2001), and the three
eigenvalues of the covariance of optical density (the plane of Macenko et al. 2009). None of them depends on the pixel
size. A model keeps, for each of its data sources, centre, spread and covariance of its training tiles, and the limit:
the 99.5th percentile of the distance (Mahalanobis) of each patient's tiles to the other patients'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .glass import glass_min
from .spec import ModelSpec

FIELD = "stain"
"""Field of a model's provenance."""

FEATURES = (
    "haematoxylin_median",
    "eosin_median",
    "haematoxylin_spread",
    "eosin_spread",
    "density_eigenvalue_3",
    "density_eigenvalue_2",
    "density_eigenvalue_1",
)
_PALE_MIN = 220
"""Pixels that are brighter are left out; a fixed number, so that a faded stain is told from a strong one."""
_LARGEST_PX = 256
_FEWEST_PIXELS = 64
_LIMIT_PERCENTILE = 99.5
_LEAST_LIMIT = 4.5  # the same percentile of seven independent normal numbers
_LEAST_SPREAD, _RIDGE, _CLIP = 0.05, 0.05, 4.0
_FEWEST_TILES = 2
_EMPTY_DENSITY, _EMPTY_VARIANCE = 0.02, 1e-4

_DENSITY = (-np.log10((np.arange(256) + 1) / 256)).astype(np.float64)
_STAINS = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]])
_STAINS /= np.linalg.norm(_STAINS, axis=1, keepdims=True)
_SEPARATE = np.linalg.inv(np.vstack([_STAINS, np.cross(_STAINS[0], _STAINS[1])]))

Values = NDArray[np.float64]


class Described(Protocol):
    """A model, loaded or not."""

    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> ModelSpec: ...


@dataclass(frozen=True, kw_only=True)
class StainProfile:
    """An image in seven numbers, in the order of ``FEATURES``."""

    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SourceStain:
    """The training tiles of one data source.

    Attributes
    ----------
    source : str
    tiles, patients : int
    centre, spread : tuple of float
        Median and robust standard deviation of each feature.
    covariance : tuple of tuple of float
        Of the standardised features.
    limit : float
        A distance beyond it is unlike the source.
    """

    source: str
    tiles: int
    patients: int
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    limit: float

    def distances(self, values: Values) -> Values:
        """Mahalanobis distance of each row of an (n, 7) array."""
        standard = (values - np.array(self.centre)) / np.array(self.spread)
        precision = np.linalg.inv(np.array(self.covariance))
        return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", standard, precision, standard)))


@dataclass(frozen=True, kw_only=True)
class ModelStain:
    """What a model was trained on, source by source; those of the models it came from too."""

    sources: tuple[SourceStain, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Plain JSON types."""
        return [asdict(source) for source in self.sources]


def profile_of(image: NDArray[np.uint8]) -> StainProfile | None:
    """Sum up an image; None where it holds next to no tissue.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        Of any size: of large images every n-th pixel is looked at, so it takes some milliseconds.
    """
    step = max(1, math.ceil(max(image.shape[:2]) / _LARGEST_PX))
    pixels = image[::step, ::step]
    darkest = pixels.min(axis=2)
    if (darkest < glass_min(pixels)).sum() < _FEWEST_PIXELS:
        return None
    pixels = pixels[darkest < _PALE_MIN]
    density = _DENSITY[pixels]
    low, middle, high = np.percentile(density @ _SEPARATE[:, :2], (25, 50, 75), axis=0)
    amounts = np.concatenate([middle, high - low])
    eigenvalues = np.linalg.eigvalsh(np.cov(density.T))
    values = [
        *np.log(np.maximum(amounts, 0) + _EMPTY_DENSITY),
        *np.log(np.maximum(eigenvalues, 0) + _EMPTY_VARIANCE),
    ]
    return StainProfile(values=tuple(round(float(value), 4) for value in values))


def fit_source(source: str, profiles: Sequence[StainProfile], patients: Sequence[str]) -> SourceStain | None:
    """Sum up the training tiles of a source; None where there are fewer than two.

    Parameters
    ----------
    source : str
    profiles, patients : sequences of one length
        With a single patient, tile is held against tile instead.
    """
    if len(profiles) < _FEWEST_TILES:
        return None
    values = np.array([one.values for one in profiles])
    groups = np.unique(np.asarray(patients), return_inverse=True)[1]
    count = int(groups.max()) + 1
    if count == 1:
        groups = np.arange(len(values))
    away = [
        _fitted(source, values[groups != group], 1).distances(values[groups == group]) for group in np.unique(groups)
    ]
    limit = max(float(np.percentile(np.concatenate(away), _LIMIT_PERCENTILE)), _LEAST_LIMIT)
    return _fitted(source, values, count, round(limit, 3))


def distance(profile: StainProfile, model: ModelStain) -> float:
    """How far an image is from the nearest source of a model, in units of that source's limit: above 1 is unlike."""
    values = np.array([profile.values])
    return min(float(source.distances(values)[0]) / source.limit for source in model.sources)


def stain_of(spec: ModelSpec) -> ModelStain | None:
    """What a model's record says of its training tiles; None where it says nothing that can be used."""
    stored = spec.provenance.get(FIELD)
    if not isinstance(stored, list):
        return None
    sources = [source for item in stored if (source := _read_source(item)) is not None]
    return ModelStain(sources=tuple(sources)) if sources else None


def unlike(image: NDArray[np.uint8], model: Described) -> str:
    """A sentence where an image is stained unlike a model's training tiles; ``""`` where it is not, or nobody knows.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    model : Model or ModelEntry
    """
    return warning_of(profile_of(image), stain_of(model.spec), model.name)


def warning_of(profile: StainProfile | None, known: ModelStain | None, name: str) -> str:
    """The sentence of ``unlike`` for an image and a model that were looked at before."""
    if known is None or profile is None:
        return ""
    times = distance(profile, known)
    if times <= 1:
        return ""
    return (
        f"The stain of this image is unlike that of the tiles {name!r} was trained on ({times:.1f} times as far "
        "away as they lie apart): look at the result with care, or fine-tune on a few corrected tiles of this kind."
    )


def _fitted(source: str, values: Values, patients: int, limit: float = 1.0) -> SourceStain:
    centre = np.median(values, axis=0)
    spread = np.maximum(1.4826 * np.median(np.abs(values - centre), axis=0), _LEAST_SPREAD)
    standard = np.clip((values - centre) / spread, -_CLIP, _CLIP)
    size = len(FEATURES)
    # Few tiles say little of how features go together: their covariance is drawn toward independence.
    trust = len(values) / (len(values) + size)
    seen = standard.T @ standard / len(values)
    covariance = trust * seen + (1 - trust) * np.eye(size) + _RIDGE * np.eye(size)
    return SourceStain(
        source=source,
        tiles=len(values),
        patients=patients,
        centre=_rounded(centre),
        spread=_rounded(spread),
        covariance=tuple(_rounded(row) for row in covariance),
        limit=limit,
    )


def _rounded(values: Values) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)


def _read_source(item: Any) -> SourceStain | None:
    """One source of an untrusted record."""
    size = len(FEATURES)
    if not isinstance(item, Mapping):
        return None
    try:
        centre, spread = np.array(item["centre"], np.float64), np.array(item["spread"], np.float64)
        covariance, limit = np.array(item["covariance"], np.float64), float(item["limit"])
        tiles, patients, name = int(item["tiles"]), int(item["patients"]), str(item["source"])
    except (KeyError, TypeError, ValueError):
        return None
    shapes = centre.shape == spread.shape == (size,) and covariance.shape == (size, size)
    if not shapes or not all(np.isfinite(part).all() for part in (centre, spread, covariance)):
        return None
    if not (math.isfinite(limit) and limit > 0) or spread.min() <= 0 or np.linalg.eigvalsh(covariance).min() <= 0:
        return None
    return SourceStain(
        source=name,
        tiles=tiles,
        patients=patients,
        centre=_rounded(centre),
        spread=_rounded(spread),
        covariance=tuple(_rounded(row) for row in covariance),
        limit=limit,
    )
