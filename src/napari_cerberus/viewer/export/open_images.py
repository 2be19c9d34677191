"""What of the open layers can be exported: each annotated part of an image, with the label layers that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from ...annotation.annotated_image import AnnotatedImage
from ...annotation.finished_areas import finished_masks
from ...annotation.frame import Frame
from ...exporting.image_index import Stated
from ...exporting.review_counts import ReviewCount, count_reviewed
from ...pairs.label_arrays import object_ids
from ...pairs.layout.ebhi import PairName, parse_name
from ...pixel_size import PixelSize
from ...tasks import INSTANCE_TASKS
from ..annotate.annotation_result import ordered
from ..annotate.image_region import fingerprint, image_path, read_again, why_not
from ..annotate.layer_brightness import said_brightness
from ..correct.workbench import Correcting
from ..layer_features import table_from
from ..layer_provenance import LayerRecord, finished_of, was_edited
from ..layers import TISSUE_MAP, ViewerLayers
from ..pixel_size_lookup import layer_pixel_size
from ..placement import Box, size_of
from ..session import RunSummary
from .snapshot import Snapshot

Part = tuple[tuple[int, int, int, int], tuple[float, float]]
"""Region of an image's level, and full-resolution pixels per pixel of that level."""


@dataclass(frozen=True, kw_only=True)
class ExportCandidate:
    """An annotated part of an open image, or an annotation on disk.

    Attributes
    ----------
    key : str
        Tells it from others, also after layers were added or renamed.
    image_id, name : str
        The image layer (empty for an annotation on disk), and its name with the region where that is not the whole
        image.
    tasks : tuple of str
        Tasks that have labels.
    layer_names : tuple of str
        The label layers that are meant, one a task.
    size_px : (height, width)
    pixel_size_um : float
    suggestion : str
        Category that the readout speaks for; empty where there is none or it is uncertain.
    readout : str
        The readout in words ("Normal 62 %, Adenocarcinoma 21 %").
    file_name : PairName or None
        What the image's name says about patient and block, where it has EBHI's form.
    folder : str
        Of an annotation on disk; empty for open images.
    missing : bool
        The image of an annotation on disk was not found.
    stated : Stated or None
        What an index beside the annotations says of it.
    reviewed : mapping of task to ReviewCount
        How many objects a person has decided on.
    """

    key: str
    image_id: str
    name: str
    tasks: tuple[str, ...]
    layer_names: tuple[str, ...]
    size_px: tuple[int, int]
    pixel_size_um: float
    suggestion: str = ""
    readout: str = ""
    file_name: PairName | None = None
    folder: str = ""
    missing: bool = False
    stated: Stated | None = None
    reviewed: Mapping[str, ReviewCount] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """One part of an image and the layers over it."""

    image: Any
    key: str
    part: Part
    layers: Mapping[str, Any]
    record: LayerRecord | None
    pixel_size: PixelSize


class OpenImages:
    """Finds what can be exported in one viewer.

    Parameters
    ----------
    layers : ViewerLayers
    readout_of : callable
        The last readout of an image layer, by its id.
    pixel_size_of : callable
        What the dock knows of an image's pixel size, by its id; None where it is not the chosen one.
    correct : Correcting
        Keeps the history of corrections, and who makes them.
    """

    def __init__(
        self,
        layers: ViewerLayers,
        readout_of: Callable[[str], RunSummary | None],
        pixel_size_of: Callable[[str], PixelSize | None],
        correct: Correcting,
    ) -> None:
        self._layers, self._readout_of, self._pixel_size_of = layers, readout_of, pixel_size_of
        self._correct = correct

    def list(self) -> tuple[ExportCandidate, ...]:
        """Everything that can be exported now, the topmost image first."""
        return tuple(self._candidate(found) for found in self._find())

    def snapshots(self) -> dict[str, Snapshot]:
        """A copy of each subject's content, by key, with every change that was made until now."""
        self._correct.sync()
        return {found.key: self._snapshot(found) for found in self._find()}

    def _find(self) -> Iterator[_Found]:
        for image_id, _ in self._layers.images():
            image = self._layers.find(image_id)
            if image is not None and not why_not(image):
                yield from self._parts(image)

    def _parts(self, image: Any) -> Iterator[_Found]:
        """Parts that were annotated; then labels of the user's own that fit the whole image."""
        content = fingerprint(image)
        groups: dict[Part, list[tuple[Any, LayerRecord]]] = {}
        for layer, record in self._layers.results(content):
            if record.task != TISSUE_MAP:
                groups.setdefault(_part_of(record), []).append((layer, record))
        whole: Part = ((0, 0, *size_of(image)), (1.0, 1.0))
        own = self._own_layers(image)
        if own:
            groups.setdefault(whole, [])
        for part, members in groups.items():
            chosen = {**(own if part == whole else {}), **_chosen(members)}
            size = members[0][1].pixel_size if members else self._pixel_size(image)
            if size is not None:
                yield _Found(
                    image=image,
                    key=f"{content}:{part}",
                    part=part,
                    layers={task: chosen[task] for task in ordered(chosen)},
                    record=members[0][1] if members else None,
                    pixel_size=size,
                )

    def _own_layers(self, image: Any) -> dict[str, Any]:
        """Labels without a record of ours that are called ``<image> <task>`` and are as large as the image."""
        recorded = {id(layer) for layer, _ in self._layers.results()}
        found: dict[str, Any] = {}
        for layer in self._layers.labels():
            task = next((one for one in INSTANCE_TASKS if layer.name == f"{image.name} {one}"), "")
            if task and id(layer) not in recorded and tuple(layer.data.shape) == size_of(image):
                found.setdefault(task, layer)
        return found

    def _pixel_size(self, image: Any) -> PixelSize | None:
        return self._pixel_size_of(str(image.unique_id)) or layer_pixel_size(image)

    def _candidate(self, found: _Found) -> ExportCandidate:
        image, (region, _) = found.image, found.part
        said = self._tissue(found)
        ranked = sorted(said["tissue"].items(), key=lambda item: -item[1])
        whole = region == (0, 0, *size_of(image))
        return ExportCandidate(
            key=found.key,
            image_id=str(image.unique_id),
            name=str(image.name) if whole else f"{image.name} ({region[3] - region[1]} × {region[2] - region[0]} px)",
            tasks=tuple(found.layers),
            layer_names=tuple(str(layer.name) for layer in found.layers.values()),
            size_px=(region[2] - region[0], region[3] - region[1]),
            pixel_size_um=found.pixel_size.mean_um,
            suggestion=ranked[0][0] if ranked and not said["tissue_doubt"] else "",
            readout=", ".join(f"{name} {share:.0%}" for name, share in ranked[:2]),
            file_name=_file_name(image),
            reviewed=_reviewed(found.layers),
        )

    def _snapshot(self, found: _Found) -> Snapshot:
        y0, x0, y1, x1 = found.part[0]
        return Snapshot(
            annotated=self._annotated(found),
            name=_source_name(found.image),
            path=Path(found.image.source.path) if found.image.source.path else None,
            read=read_again(found.image, Box(y0=y0, x0=x0, y1=y1, x1=x1), found.part[1]),
            journal=self._journal(found),
            annotator=self._correct.corrections.session.reviewer,
        )

    def _annotated(self, found: _Found) -> AnnotatedImage:
        """A copy of what the layers hold."""
        region, factors = found.part
        record = found.record
        height, width = size_of(found.image)
        frame = Frame(
            image_key=fingerprint(found.image),
            image_name=str(found.image.name),
            image_height_px=max(height, region[2]),
            image_width_px=max(width, region[3]),
            region=region,
        )
        labels = {task: np.array(layer.data) for task, layer in found.layers.items()}
        size_um = found.pixel_size.mean_um
        tables = [table_from(layer.features, labels[task], task, size_um) for task, layer in found.layers.items()]
        return AnnotatedImage(
            frame=frame,
            pixel_size=found.pixel_size,
            labels=labels,
            objects=pd.concat(tables, ignore_index=True),
            **self._tissue(found),
            runs=dict.fromkeys(labels, record.run) if record is not None else {},
            factors=factors,
            full_brightness=said_brightness(found.image),
            image_path=image_path(found.image),
        )

    def _journal(self, found: _Found) -> Path | None:
        """Of the first layer that is under correction; the layers of one annotation share it."""
        tracked = (self._correct.corrections.find(str(layer.unique_id)) for layer in found.layers.values())
        one = next((one for one in tracked if one is not None), None)
        return None if one is None else self._correct.autosave.path(one)

    def _tissue(self, found: _Found) -> _Tissue:
        said = found.record or self._readout_of(str(found.image.unique_id))
        if said is None:
            return _Tissue(tissue={}, tissue_doubt="")
        return _Tissue(tissue=said.tissue, tissue_doubt=said.tissue_doubt)


class _Tissue(TypedDict):
    """The readout of an image, and why it should not be relied on."""

    tissue: Mapping[str, float]
    tissue_doubt: str


def _part_of(record: LayerRecord) -> Part:
    y0, x0, y1, x1 = record.region
    return (y0, x0, y1, x1), (record.factors[0], record.factors[1])


def _chosen(members: list[tuple[Any, LayerRecord]]) -> dict[str, Any]:
    """One layer a task: one that was edited wins over the model's own beside it, then the topmost."""
    chosen: dict[str, Any] = {}
    for layer, record in sorted(members, key=lambda pair: was_edited(*pair)):
        chosen[record.task] = layer
    return chosen


def _reviewed(layers: Mapping[str, Any]) -> dict[str, ReviewCount]:
    """Counts by task; of labels without a table how many objects there are."""
    tables = [layer.features.assign(task=task) for task, layer in layers.items() if len(layer.features)]
    counts = count_reviewed(pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), layers)
    bare = [task for task, layer in layers.items() if not len(layer.features)]
    counts |= {task: ReviewCount(total=len(object_ids(np.asarray(layers[task].data)))) for task in bare}
    return {task: replace(count, finished=_all_finished(layers[task], task)) for task, count in counts.items()}


def _all_finished(layer: Any, task: str) -> bool:
    """Whether finished areas cover all of a layer."""
    height, width = layer.data.shape
    mask = finished_masks(finished_of(layer), (height, width)).get(task)
    return mask is not None and bool(mask.all())


def _source_name(image: Any) -> str:
    return Path(image.source.path).name if image.source.path else str(image.name)


def _file_name(image: Any) -> PairName | None:
    """Patient and block, where image or file are called like EBHI's."""
    return parse_name(str(image.name)) or parse_name(Path(_source_name(image)).stem)
