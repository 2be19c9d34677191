"""Which images of a folder would teach a model most: those it is unsure of, unlike what it knows, unlike each other.

Each image is read once. How unsure the model is of it is how near to a half its pixels lie, on average over what may be
an object of the kind that is to be corrected; how unlike another it is, the angle between their vectors. They are taken
one after another, each time the one whose rank among the unsure, times its distance to the nearest of those taken and
of those already labelled, is largest (k-centre greedy: Sener and Savarese 2018, "Active learning for convolutional
neural networks").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, ImageError, SettingsError
from ...model.checkpoint import Model
from ...model.reference_tiles import cosine_distances
from ...pixel_size import PixelSize
from ...progress import Job, Progress, as_one_step
from ..annotate_settings import DeviceChoice
from ..device import choose_runtime
from ..read_image import read_image

Vector = NDArray[np.float32]
_MOST = 0.25
"""p (1 - p) at its highest."""
_UNLIKE = 0.5
"""Of the usual distance between two images of the folder: what is nearer looks alike."""


@dataclass(frozen=True, kw_only=True)
class SeenField:
    """What a model makes of an image.

    Attributes
    ----------
    name : str
    unsure : float
        0: sure of every pixel; 1: of none.
    vector : (512,) float32 array or None
        None without tissue.
    """

    name: str
    unsure: float
    vector: Vector | None


@dataclass(frozen=True, kw_only=True)
class ProposedField:
    """An image that is worth labelling, and why.

    Attributes
    ----------
    name : str
    unsure : float
    unlike : float
        1 - cosine to the nearest of what was labelled or proposed before it; 1 for the first of all.
    surer, others : int
        Other images that the model is surer of, and how many others there are.
    beside : str
        What it was compared with, in words; "" where there was nothing.
    stands_out : bool
        Whether it is farther from that than half of what lies between two images of the folder, usually.
    """

    name: str
    unsure: float
    unlike: float
    surer: int
    others: int
    beside: str
    stands_out: bool

    @property
    def reason(self) -> str:
        """Why this one, for the user."""
        if not self.beside:
            return f"{self._sureness}."
        if self.stands_out:
            return f"{self._sureness}, and it looks unlike {self.beside}."
        return f"{self._sureness}, but it looks like one of {self.beside}."

    @property
    def _sureness(self) -> str:
        if not self.others:
            return "It is the only image with tissue"
        if self.surer == self.others:
            return "The model is least sure of this one"
        if not self.surer:
            return "The model is surest of this one"
        return f"The model is less sure of it than of {self.surer} of the {self.others} others"

    @property
    def sentence(self) -> str:
        """Its name and why it was chosen."""
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class FieldImage:
    """An image to look at; ``load`` gives (H, W, 3) uint8 pixels and their size when it is its turn."""

    name: str
    load: Callable[[], tuple[NDArray[np.uint8], PixelSize]]


def see(
    images: Sequence[FieldImage],
    model: Model,
    *,
    task: str = "",
    device: DeviceChoice = "auto",
    stage: str = "Looking at the images",
) -> Job[tuple[list[SeenField], tuple[str, ...]]]:
    """Look at images one after another.

    Parameters
    ----------
    images : sequence of FieldImage
    model : Model
    task : str
        The kind of object that is to be corrected: of it the model must be unsure; "" for all kinds alike.
    device : str
        As for ``choose_runtime``.
    stage : str
        What progress says.

    Returns
    -------
    seen : list of SeenField
    problems : tuple of str
        A sentence for each image that could not be read; it is left out.

    Raises
    ------
    DeviceError, CerberusError
        As ``predict``.
    """
    runtime = choose_runtime(device)
    found, problems = [], []
    for place, image in enumerate(images):
        step = Progress(stage, place, len(images))
        yield step
        try:
            rgb, size = image.load()
        except (ImageError, DataError) as error:
            problems.append(str(error))
            continue
        prediction = (yield from as_one_step(read_image(rgb, model, runtime, size), step)).prediction
        maps = prediction.probabilities
        unsure = unsure_of([maps[task]] if task in maps else list(maps.values()))
        found.append(SeenField(name=image.name, unsure=unsure, vector=prediction.embedding))
    return found, tuple(problems)


def unsure_of(maps: Sequence[NDArray[np.floating]]) -> float:
    """How near to a half the pixels of probability maps (2, h, w) of inner part and contour lie, 0..1.

    Pixels that nobody doubts to be background say nothing: they are left out of the mean.
    """
    values = []
    for inner, contour in maps:
        inside = np.clip(inner.astype(np.float32) + contour.astype(np.float32), 0, 1)
        said = inside > 0.1
        if said.any():
            values.append(float((inside * (1 - inside))[said].mean()) / _MOST)
    return float(np.mean(values)) if values else 0.0


def propose(seen: Sequence[SeenField], most: int, known: Sequence[Vector] = ()) -> list[ProposedField]:
    """The fields to label next, best first.

    Parameters
    ----------
    seen : sequence of SeenField
        Those without tissue are never proposed.
    most : int
    known : sequence of (512,) float32 arrays
        Of images that are labelled already.

    Raises
    ------
    SettingsError
        If ``most`` is below 1.
    """
    if most < 1:
        raise SettingsError(f"At least one image must be asked for, not {most}.")
    left = {place: one for place, one in enumerate(seen) if one.vector is not None}
    ranks = {place: rank for rank, place in enumerate(sorted(left, key=lambda place: left[place].unsure), 1)}
    usual = _usual_distance([one.vector for one in left.values() if one.vector is not None])
    taken: list[Vector] = list(known)
    proposed: list[ProposedField] = []
    while left and len(proposed) < most:
        away = {place: _nearest(one.vector, taken) for place, one in left.items()}
        best = max(left, key=lambda place: (ranks[place] * away[place], ranks[place]))
        one = left.pop(best)
        proposed.append(
            ProposedField(
                name=one.name,
                unsure=one.unsure,
                unlike=away[best],
                surer=ranks[best] - 1,
                others=len(ranks) - 1,
                beside=_beside(bool(known), bool(proposed)) if taken else "",
                stands_out=away[best] >= _UNLIKE * usual,
            )
        )
        if one.vector is not None:
            taken.append(one.vector)
    return proposed


def _beside(labelled: bool, above: bool) -> str:
    """What a field is compared with."""
    return " and ".join([*(["the labelled images"] if labelled else []), *(["those above"] if above else [])])


def _usual_distance(vectors: Sequence[Vector]) -> float:
    """Median over pairs of vectors of 1 - cosine; 0 where there is no pair."""
    if len(vectors) < 2:
        return 0.0
    distances = cosine_distances(np.stack(vectors), np.stack(vectors))
    return float(np.median(distances[np.triu_indices(len(vectors), k=1)]))


def _nearest(vector: Vector | None, others: Sequence[Vector]) -> float:
    """1 - cosine to the nearest; 1 where there is none."""
    if vector is None or not others:
        return 1.0
    return float(np.clip(cosine_distances(vector[None], np.stack(others)).min(), 0, 2))
