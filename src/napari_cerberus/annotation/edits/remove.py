"""Deleting objects, cutting lumina to their glands, and new numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...errors import EditError
from ..label_maps import Labels, areas_px
from .changes import ChangeSet, as_ids
from .window import check_labels, free_ids, pixels_of

_FEW = 8


def delete_objects(labels: Labels, ids: Iterable[int]) -> ChangeSet:
    """Delete objects.

    Raises
    ------
    EditError
        If there are no ids or one of them does not exist.
    """
    chosen = as_ids(list(ids))
    if not chosen:
        raise EditError("Nothing to delete: click on an object first.")
    what = f"object {chosen[0]}" if len(chosen) == 1 else f"{len(chosen)} objects"
    return _deleted(labels, chosen, f"Deleted {what}")


def _deleted(labels: Labels, ids: tuple[int, ...], summary: str) -> ChangeSet:
    check_labels(labels)
    if len(ids) <= _FEW:
        rows, cols = (np.concatenate(axis) for axis in zip(*(pixels_of(labels, i) for i in ids), strict=True))
    else:
        flat = np.flatnonzero(np.isin(labels, ids))
        rows, cols = flat // labels.shape[1], flat % labels.shape[1]
    previous = labels[rows, cols]
    if (missing := np.setdiff1d(ids, previous)).size:
        raise EditError(f"There is no object {missing[0]} in this layer; it may have been deleted or merged.")
    return ChangeSet(
        summary=summary,
        indices=(rows, cols),
        values=np.zeros_like(previous),
        previous=previous,
        removed_ids=ids,
    )


def small_objects(labels: Labels, *, below_um2: float, pixel_size_um: float) -> tuple[int, ...]:
    """Ids of the objects with an area under ``below_um2``; their number is the preview of ``delete_small``.

    Raises
    ------
    EditError
        If one of the sizes is not positive.
    """
    check_labels(labels)
    if not (below_um2 > 0 and pixel_size_um > 0):
        raise EditError("The smallest area and the pixel size must be above 0.")
    ids, areas = areas_px(labels)
    return as_ids(ids[areas * pixel_size_um**2 < below_um2])


def delete_small(labels: Labels, *, below_um2: float, pixel_size_um: float) -> ChangeSet:
    """Delete the objects with an area under ``below_um2``; an empty change set where there are none.

    Raises
    ------
    EditError
        If one of the sizes is not positive.
    """
    ids = small_objects(labels, below_um2=below_um2, pixel_size_um=pixel_size_um)
    if not ids:
        return ChangeSet(summary=f"No object is smaller than {below_um2:g} µm²")
    return _deleted(labels, ids, f"Deleted {len(ids)} objects under {below_um2:g} µm²")


def clip_lumina(lumina: Labels, glands: Labels, ids: Iterable[int] | None = None) -> ChangeSet:
    """Cut lumina to the glands they lie in; a lumen wholly outside vanishes.

    Parameters
    ----------
    lumina, glands : (H, W) integer arrays
        Label maps of one image; the change set is for ``lumina``.
    ids : iterable of int or None
        Only these lumina.

    Raises
    ------
    EditError
        If the maps have different sizes or one of the ids does not exist.
    """
    check_labels(lumina)
    if lumina.shape != glands.shape:
        raise EditError("The gland layer and the lumen layer have different sizes; choose two of one image.")
    outside = (lumina > 0) & (glands <= 0)
    if ids is not None:
        chosen = as_ids(list(ids))
        for object_id in chosen:
            pixels_of(lumina, object_id)
        outside &= np.isin(lumina, chosen)
    rows, cols = np.nonzero(outside)
    previous = lumina[rows, cols]
    cut = as_ids(previous)
    if not cut:
        return ChangeSet(summary="Every lumen lies inside a gland")
    left = np.unique(lumina[(lumina > 0) & (glands > 0)])
    return ChangeSet(
        summary=f"Cut {len(cut)} {'lumen' if len(cut) == 1 else 'lumina'} to the glands",
        indices=(rows, cols),
        values=np.zeros_like(previous),
        previous=previous,
        removed_ids=as_ids(np.setdiff1d(cut, left)),
        changed_ids=as_ids(np.intersect1d(cut, left)),
    )


def renumber(labels: Labels, object_id: int, new_id: int | None = None) -> ChangeSet:
    """Give one object a new id, for example where two far parts share one by mistake.

    Parameters
    ----------
    new_id : int or None
        A free id; by default one above the highest.

    Raises
    ------
    EditError
        If there is no such object or ``new_id`` is taken.
    """
    rows, cols = pixels_of(labels, object_id)
    (chosen,) = free_ids(labels, 1, new_id)
    return ChangeSet(
        summary=f"Renumbered object {object_id} to {chosen}",
        indices=(rows, cols),
        values=np.full(rows.size, chosen, dtype=labels.dtype),
        previous=labels[rows, cols],
        new_ids=(chosen,),
        removed_ids=(object_id,),
        parents={chosen: object_id},
    )
