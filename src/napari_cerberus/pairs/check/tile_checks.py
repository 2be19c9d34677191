"""What can be wrong with one tile: each check looks at decoded pixels and yields problems."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ...decode_errors import PICTURE_FORMATS
from ..label_arrays import objects_in_pieces
from ..layout.tile_pixels import MASK_THRESHOLD
from ..problems import Problem

_NEARLY_BLACK, _NEARLY_WHITE = 5, 250
_EDGE_PX = 3
_MAX_SOFT_SHARE = 0.02
_INVERTED_SCORE = 2.5
_INVERTED_SHARES = (0.05, 0.95)
_RIM_PX, _NUCLEI_SHARE = 8, 0.1


def check_transparency(path: Path) -> Iterator[Problem]:
    """Say that an image has an alpha channel; ``read_rgb`` lays it on white."""
    with Image.open(path, formats=PICTURE_FORMATS) as picture:
        if "A" in picture.getbands() or "transparency" in picture.info:
            yield Problem(
                kind="alpha-image",
                path=path,
                severity="note",
                what="The image has a transparency channel; transparent parts count as white.",
                advice="Save it as plain RGB if that is not what you want.",
            )


def check_same_size(path: Path, image: NDArray[np.uint8], label: NDArray[np.generic]) -> Iterator[Problem]:
    """Image (H, W, 3) and label (H, W) must have the same height and width."""
    if image.shape[:2] != label.shape:
        height, width = image.shape[:2]
        yield Problem(
            kind="size-mismatch",
            path=path,
            severity="skipped",
            what=f"The label has {label.shape[1]}×{label.shape[0]} px, its image {width}×{height}.",
            advice="Export the mask again at the size of its image.",
        )


def check_mask(
    path: Path, image: NDArray[np.uint8], grey: NDArray[np.uint8], *, may_be_empty: bool = False
) -> Iterator[Problem]:
    """Empty, full, dark, soft and inverted masks.

    Parameters
    ----------
    path : Path
        The mask's file.
    image : (H, W, 3) uint8 array
    grey : (H, W) uint8 array
        The mask as stored, before the threshold.
    may_be_empty : bool
        Whether a sidecar says that the tile holds no object.
    """
    mask = grey > MASK_THRESHOLD
    if not mask.any():
        if grey.any():
            yield _dark(path, int(grey.max()))
        elif not may_be_empty:
            yield _empty(path)
        return
    if mask.all():
        yield Problem(
            kind="full-mask",
            path=path,
            severity="note",
            what="The mask covers the whole tile.",
            advice="Check that this is meant.",
        )
    if soft_share(grey, mask) > _MAX_SOFT_SHARE:
        yield Problem(
            kind="soft-mask",
            path=path,
            severity="note",
            what=f"The mask has grey areas away from its edges; values above {MASK_THRESHOLD} count as inside.",
            advice="Draw it again with 0 and 255 only if that cuts it in the wrong place.",
        )
    if _looks_inverted(image, mask):
        yield Problem(
            kind="inverted-mask",
            path=path,
            severity="note",
            what="The mask looks inverted: along its edge, nuclei stand on the outer side.",
            advice="Look at it beside its image; invert it if background is white.",
        )


def has_soft_edges(grey: NDArray[np.uint8]) -> bool:
    """Whether a mask holds values between black and white at all."""
    return bool(((grey > _NEARLY_BLACK) & (grey < _NEARLY_WHITE)).any())


def soft_share(grey: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Share of the pixels that are grey though no edge is near; at most 0.011 in EBHI-SEG."""
    soft = (grey > _NEARLY_BLACK) & (grey < _NEARLY_WHITE)
    grown = ndimage.binary_dilation(mask, iterations=_EDGE_PX)
    core = ndimage.binary_erosion(mask, iterations=_EDGE_PX, border_value=1)
    return float((soft & ~(grown & ~core)).mean())


def check_instances(path: Path, labels: NDArray[np.int32]) -> Iterator[Problem]:
    """Empty label images, and objects in several pieces."""
    if not labels.any():
        yield Problem(
            kind="empty-labels",
            path=path,
            severity="note",
            what="The label image holds no object.",
            advice="Check that this tile is meant to be a negative example.",
        )
        return
    pieces = objects_in_pieces(labels)
    if pieces:
        yield Problem(
            kind="object-in-pieces",
            path=path,
            severity="note",
            what=f"{pieces} object(s) consist of several pieces.",
            advice="Give each piece an id of its own if they are different objects.",
        )


def _looks_inverted(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> bool:
    """Whether the outside looks more like gland than the inside.

    A gland's nuclei stand along its edge, on the inner side: blue and dark, with stroma beyond, however pale the mucus
    of its goblet cells makes the middle. Glands also reach the border less than their share of the tile. The weights
    were fitted on the 1,687 masks of EBHI-SEG that cover 5 to 95 % of their tile, against their inverses: none of the
    true ones and 99 % of the inverses score above the limit (98 % and none by cross-validation over patients).
    """
    share = float(mask.mean())
    if not _INVERTED_SHARES[0] < share < _INVERTED_SHARES[1]:
        return False
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean()
    inside, outside = (ndimage.distance_transform_edt(part) for part in (mask, ~mask))
    inner, outer = (inside > 0) & (inside <= _RIM_PX), (outside > 0) & (outside <= _RIM_PX)
    values = image.astype(np.float32)
    density = -np.log10((values + 1) / 256).sum(axis=2)
    nuclei = density > np.quantile(density, 1 - _NUCLEI_SHARE)
    redness = values[..., 0] - values[..., 2]
    score = (
        9.2 * (border - share)
        + 0.067 * (redness[mask].mean() - redness[~mask].mean())
        + 0.11 * (redness[inner].mean() - redness[outer].mean())
        - 21 * (nuclei[inner].mean() - nuclei[outer].mean())
    )
    return bool(score > _INVERTED_SCORE)


def _empty(path: Path) -> Problem:
    return Problem(
        kind="empty-mask",
        path=path,
        severity="skipped",
        what="The mask is empty.",
        advice="Remove the pair, or export it with its sidecar if the tile truly holds no object.",
    )


def _dark(path: Path, highest: int) -> Problem:
    return Problem(
        kind="dark-mask",
        path=path,
        severity="skipped",
        what=f"The mask's highest value is {highest}, so nothing lies above {MASK_THRESHOLD} and it reads as empty.",
        advice="Save it with 0 for background and 255 for the region.",
    )
