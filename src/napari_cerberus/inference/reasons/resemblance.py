"""Which tiles that a model learned from an image resembles: how alike they are, never why the model answered so.

Loads no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...model.reference_tiles import ReferenceTiles

SHOWN = 3
"""Tiles of each class, no patient twice."""
_COUNTED = 10


@dataclass(frozen=True, kw_only=True)
class LearnedTile:
    """A tile that the model learned from.

    Attributes
    ----------
    name : str
    distance : float
        1 - cosine between its features and the image's: 0 alike.
    thumbnail : bytes
        A JPEG; empty where the licence did not allow to keep one.
    """

    name: str
    distance: float
    thumbnail: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Resemblance:
    """What an image resembles.

    Attributes
    ----------
    said, rival : str
        The likeliest tissue class and the next; ``rival`` is empty where the model knows one class only.
    of_said, of_rival : tuple of LearnedTile
        The most alike of each, nearest first.
    nearest : mapping of class to number of tiles
        Of the ten most alike of any class, the most frequent first.
    is_far : bool
        The image is unlike everything that the model learned its classes from.
    attribution : str
        Whose tiles these are and under which licence.
    """

    said: str
    rival: str
    of_said: tuple[LearnedTile, ...]
    of_rival: tuple[LearnedTile, ...]
    nearest: Mapping[str, int]
    is_far: bool
    attribution: str

    @property
    def nearest_sentence(self) -> str:
        """ "Of the 10 tiles most alike, 7 are Polyp, 3 Normal." """
        parts = [f"{number} {'are ' if not place else ''}{name}" for place, (name, number) in enumerate(self._ranked)]
        return f"Of the {sum(self.nearest.values())} tiles most alike, whatever their class, {', '.join(parts)}."

    @property
    def _ranked(self) -> list[tuple[str, int]]:
        return sorted(self.nearest.items(), key=lambda item: -item[1])


def resemblance(
    shares: Mapping[str, float], vector: NDArray[np.float32] | None, references: ReferenceTiles | None
) -> Resemblance | None:
    """What an image resembles; None where the model keeps no tiles, or the image holds no tissue.

    Parameters
    ----------
    shares : mapping of class to probability
        The tissue readout.
    vector : (512,) float32 array or None
        ``Annotation.embedding``.
    references : ReferenceTiles or None
    """
    if references is None or vector is None or not shares:
        return None
    said, *others = sorted(shares, key=lambda name: -shares[name])
    rival = others[0] if others else ""
    nearest = Counter(one.tissue_class for one in references.nearest(vector, _COUNTED))
    return Resemblance(
        said=said,
        rival=rival,
        of_said=_nearest(vector, references, said),
        of_rival=_nearest(vector, references, rival) if rival else (),
        nearest=dict(nearest),
        is_far=references.is_far(vector),
        attribution=references.attribution,
    )


def _nearest(vector: NDArray[np.float32], references: ReferenceTiles, tissue_class: str) -> tuple[LearnedTile, ...]:
    pictures = references.thumbnails
    return tuple(
        LearnedTile(name=one.name, distance=one.distance, thumbnail=pictures[one.place] if pictures else b"")
        for one in references.nearest(vector, SHOWN, tissue_class=tissue_class)
    )
