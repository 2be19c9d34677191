"""What is said of an image's tissue as a whole: shares, doubt, what it resembles, and a map where it is large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ...model.checkpoint import Model
from ...model.reference_tiles import read_references
from ...model.spec import STRIDE_PX
from ..doubts.tissue_doubt import doubt, least_share_of
from ..read_image import Reading
from ..tissue_readout import TissueMap, deserves_map, read_out, tissue_cells
from .resemblance import Resemblance, resemblance


@dataclass(frozen=True, kw_only=True)
class TissueAnswer:
    """The tissue readout of one image.

    Attributes
    ----------
    shares : mapping of class to probability
        Empty where the model has no tissue head.
    doubt : str
        Why they should not be relied on; "" where they are clear.
    resemblance : Resemblance or None
        None where the model keeps no tiles that it learned from.
    map : TissueMap or None
        For images of several tissue windows.
    notes : tuple of str
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    doubt: str = ""
    resemblance: Resemblance | None = None
    map: TissueMap | None = None
    notes: tuple[str, ...] = ()


def tissue_answer(reading: Reading, model: Model) -> TissueAnswer:
    """The answer that a reading holds."""
    prediction, grid, classes = reading.prediction, reading.grid, model.spec.tissue_classes
    if prediction.tissue is None:
        return TissueAnswer()
    holds_tissue = tissue_cells(reading.image)
    shares, notes = read_out(prediction.tissue, classes, holds_tissue)
    references = read_references(model.path, model.sha256) if model.path is not None else None
    alike = resemblance(shares, prediction.embedding, references)
    said = doubt(
        shares,
        least=least_share_of(model.spec.provenance),
        tissue_um2=float(holds_tissue.sum() * (STRIDE_PX * model.spec.pixel_size_um) ** 2),
        is_far=alike is not None and alike.is_far,
    )
    answer = TissueAnswer(shares=shares, doubt=said, resemblance=alike, notes=notes)
    if not deserves_map(holds_tissue.shape, model.spec.tissue_window_cells):
        return answer
    spacing = STRIDE_PX * grid.scale
    tissue_map = TissueMap(
        classes=classes, probabilities=prediction.tissue, holds_tissue=holds_tissue, spacing_px=spacing
    )
    return replace(answer, map=tissue_map)
