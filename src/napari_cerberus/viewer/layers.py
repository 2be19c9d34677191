"""The one place that adds, finds and edits napari layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image, Labels, Shapes

from ..tasks import GLANDS, LUMINA, NUCLEI
from .colours import FILLED_OPACITY, OUTLINE_OPACITY, OUTLINE_PX, class_colour, colormap_for, direct_colormap
from .layer_provenance import KEY, LayerRecord, checksum_of, record_of, was_edited
from .session import Display

RECTANGLE_LAYER = "Cerberus region"
TISSUE_MAP = "tissue map"
HIDDEN_LAYER = "Cerberus hidden"
"""Parts of the image that are hidden to see what changes; no region to annotate."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """What became of a result: names of new layers, of those replaced and of edited ones that were kept."""

    new: tuple[str, ...]
    replaced: tuple[str, ...]
    kept: tuple[str, ...]


class ViewerLayers:
    """The layers of one viewer.

    Parameters
    ----------
    viewer : napari.Viewer, its public proxy, or napari.components.ViewerModel
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer

    # -- finding ---------------------------------------------------------------------------------

    def images(self) -> tuple[tuple[str, str], ...]:
        """``(unique_id, name)`` of every image layer, top one first."""
        layers = [layer for layer in self.viewer.layers if isinstance(layer, Image)]
        return tuple((str(layer.unique_id), str(layer.name)) for layer in reversed(layers))

    def find(self, unique_id: str) -> Any | None:
        """The layer with this id, if it is still there."""
        return next((layer for layer in self.viewer.layers if str(layer.unique_id) == unique_id), None)

    def active_image(self) -> str:
        """``unique_id`` of the image meant by the active layer; the topmost image otherwise; empty without any."""
        active = self.viewer.layers.selection.active
        meant = self.image_meant_by(active) if active is not None else ""
        images = self.images()
        return meant or (images[0][0] if images else "")

    def image_meant_by(self, layer: Any) -> str:
        """``unique_id`` of an image layer itself, or of the image that a result layer belongs to; else empty."""
        if isinstance(layer, Image):
            return str(layer.unique_id)
        record = record_of(layer)
        same_name = [] if record is None else [key for key, name in self.images() if name == record.image_name]
        return same_name[0] if same_name else ""

    def shapes(self) -> Iterator[Any]:
        """Shapes layers in which a region may be drawn: the active one, ours, then the rest from the top."""
        active = self.viewer.layers.selection.active
        chosen = None if active is None else active.unique_id
        layers = [
            one for one in reversed(list(self.viewer.layers)) if isinstance(one, Shapes) and one.name != HIDDEN_LAYER
        ]
        return iter(sorted(layers, key=lambda one: (one.unique_id != chosen, one.name != RECTANGLE_LAYER)))

    def results(self, fingerprint: str = "") -> list[tuple[Any, LayerRecord]]:
        """Result layers, of one image or of all, with their records."""
        pairs = ((layer, record_of(layer)) for layer in self.viewer.layers if isinstance(layer, Labels))
        return [
            (layer, record)
            for layer, record in pairs
            if record is not None and fingerprint in ("", record.image_fingerprint)
        ]

    def annotation_of(self, fingerprint: str) -> list[tuple[Any, LayerRecord]]:
        """The layers of the newest annotation of an image, one a task, with their records."""
        found = [pair for pair in reversed(self.results(fingerprint)) if pair[1].task != TISSUE_MAP]
        if not found:
            return []
        place = max(found, key=lambda pair: pair[1].made_at)[1].place[1:]
        return list({record.task: (one, record) for one, record in found if record.place[1:] == place}.values())

    def labels(self) -> list[Any]:
        """Every Labels layer, top one first."""
        return [layer for layer in reversed(list(self.viewer.layers)) if isinstance(layer, Labels)]

    # -- adding and changing ---------------------------------------------------------------------

    def add_annotation(
        self,
        annotation: Any,
        image_name: str,
        placement: dict[str, Any],
        record: LayerRecord,
        display: Display,
    ) -> Added:
        """Show the labels of an annotation.

        An older layer that answers the same question (task, image, region) is replaced if nobody touched it; one that
        was edited or renamed stays, and the new one comes beside it. A layer is always replaced as a whole: napari's
        undo history belongs to the layer, and would corrupt new labels put into an old one.

        Parameters
        ----------
        annotation : napari_cerberus.inference.annotate.Annotation
        image_name : str
            Name of the image now.
        placement : dict
            From ``grid.placement``.
        record : LayerRecord
            Provenance common to all tasks; ``task``, ``layer_name`` and ``checksum`` are filled in here.
        """
        new, replaced, kept = [], [], []
        for task in sorted(annotation.labels, key=_drawing_order):
            rows = annotation.objects[annotation.objects["task"] == task]
            layer = labels_layer(task, annotation.labels[task], rows, display, name=f"{image_name} {task}", **placement)
            mine = replace(record, task=task)
            old, edited = self._older(mine)
            kept += [one.name for one in edited]
            if old is not None:
                replaced.append(str(old.name))
            new.append(self._place(layer, mine, old))
        active = f"{image_name} {GLANDS}"
        self._activate(active if active in new else new[-1] if new else "")
        return Added(new=tuple(new), replaced=tuple(replaced), kept=tuple(kept))

    def put(self, layer: Any, record: LayerRecord) -> None:
        """Add a restored result layer in the place of an untouched one that answers the same question."""
        self._place(layer, record, self._older(record)[0])

    def restyle(self, fingerprint: str, display: Display) -> None:
        """Apply ``display`` to every result layer of an image."""
        for layer, record in self.results(fingerprint):
            if record.task != TISSUE_MAP:
                style(layer, record.task, display)

    def recolour(self, layer: Any, task: str, display: Display) -> None:
        """Follow the classes in a result layer's features."""
        layer.colormap = colormap_for(task, layer.features, display)

    def add_tissue_map(self, annotation: Any, image: Any, placement: dict[str, Any], record: LayerRecord) -> None:
        """Show the likeliest tissue class of each cell, right over ``image``; an older map is replaced."""
        tissue_map = annotation.tissue_map
        classes = tissue_map.classes
        likeliest = np.argmax(tissue_map.probabilities, axis=0).astype(np.int32) + 1
        layer = Labels(
            np.where(tissue_map.holds_tissue, likeliest, 0),
            name=f"{image.name} {TISSUE_MAP}",
            features={"index": np.arange(1, len(classes) + 1), "class": list(classes)},
            colormap=direct_colormap(class_colour(""), enumerate(classes, start=1)),
            opacity=0.4,
            **placement,
        )
        mine = replace(record, task=TISSUE_MAP)
        self._place(layer, mine, self._older(mine)[0], above=image)

    def add_picture(self, pixels: Any, settings: dict[str, Any]) -> None:
        """Add an image, such as a sample, and make it the active layer."""
        self.viewer.add_layer(Image(pixels, **settings))

    def add_beside_the_point(self, layer: Any) -> None:
        """Put a helper layer on top and leave the active layer active."""
        active = self.viewer.layers.selection.active
        self.viewer.layers.append(layer)
        if active is not None:
            self.viewer.layers.selection.active = active

    def draw_rectangle(self, image: Any) -> None:
        """Let the user pull a rectangle: makes our Shapes layer if need be, clears it and turns its tool on."""
        layer = next((one for one in self.viewer.layers if _is_rectangle_layer(one)), None)
        if layer is None:
            layer = Shapes(
                ndim=2,
                name=RECTANGLE_LAYER,
                edge_color="#ffd23f",
                face_color="transparent",
                edge_width=3 * float(np.min(image.scale)),
                units=tuple(image.units),
            )
            self.viewer.add_layer(layer)
        layer.data = []
        layer.visible = True
        self._activate(RECTANGLE_LAYER)
        layer.mode = "add_rectangle"

    def put_rectangle(self, image: Any, corners: Any) -> None:
        """Draw our rectangle around a part of an image; ``corners`` are two opposite ones in its pixels."""
        layer = next(one for one in self.viewer.layers if _is_rectangle_layer(one))
        (top, left), (bottom, right) = corners
        four = [(top, left), (top, right), (bottom, right), (bottom, left)]
        layer.add_rectangles([layer.world_to_data(image.data_to_world(corner))[-2:] for corner in four])
        layer.mode = "pan_zoom"

    def bring_into_view(self, image: Any, results: Sequence[Any]) -> None:
        """Show an image with its result layers: above images that lie over it, and in the field of view.

        Nothing else is hidden, moved or changed.
        """
        layers, shown = self.viewer.layers, [image, *results]
        for one in shown:
            one.visible = True
        above = list(layers)[layers.index(image) + 1 :]
        if any(isinstance(one, Image) and one.visible and _overlap(one, image) for one in above):
            mine = {str(one.unique_id) for one in shown}
            for one in [one for one in layers if str(one.unique_id) in mine]:
                layers.move(layers.index(one), len(layers))
        self._activate(str(image.name))
        self._fit(image)

    # -- inside ----------------------------------------------------------------------------------

    def _older(self, record: LayerRecord) -> tuple[Any | None, list[Any]]:
        """The untouched layer that answers the same question, if any, and the edited ones."""
        same = [(layer, other) for layer, other in self.results() if other.place == record.place]
        edited = [layer for layer, other in same if was_edited(layer, other)]
        untouched = [layer for layer, _ in same if layer not in edited]
        return (untouched[-1] if untouched else None), edited

    def _place(self, layer: Any, record: LayerRecord, old: Any | None, above: Any | None = None) -> str:
        """Insert ``layer`` and complete its record; its final name.

        It takes the place and the looks of ``old`` if there is one, else lies right over ``above``, else on top.
        """
        layers = self.viewer.layers
        if old is not None:
            layer.visible, layer.opacity, layer.contour = old.visible, old.opacity, old.contour
            index = layers.index(old)
            layers.remove(old)
        else:
            index = len(layers) if above is None else layers.index(above) + 1
        layers.insert(index, layer)
        final = replace(record, layer_name=str(layer.name), checksum=checksum_of(layer))
        layer.metadata = {**layer.metadata, KEY: final.to_metadata()}
        return str(layer.name)

    def _fit(self, image: Any) -> None:
        """Fit the view to an image whose middle is not where the camera looks at."""
        scene = getattr(self.viewer, "scene", None)
        camera = self.viewer.camera if scene is None else scene.camera
        low, high = _extent(image)
        centre = np.asarray(camera.center)[-2:]
        if not ((centre >= low) & (centre <= high)).all():
            camera.center = (0.0, *((low + high) / 2).tolist())

    def _activate(self, name: str) -> None:
        layer = next((one for one in self.viewer.layers if one.name == name), None)
        if layer is not None:
            self.viewer.layers.selection.active = layer


_BOTTOM_UP = (GLANDS, LUMINA, NUCLEI)
"""Large objects below small ones, so that filled areas hide nothing."""


def _extent(layer: Any) -> tuple[Any, Any]:
    low, high = np.asarray(layer.extent.world)[:, -2:]
    return low, high


def _overlap(one: Any, other: Any) -> bool:
    (low, high), (bottom, top) = _extent(one), _extent(other)
    return bool(((low < top) & (bottom < high)).all())


def _drawing_order(task: str) -> int:
    return _BOTTOM_UP.index(task) if task in _BOTTOM_UP else len(_BOTTOM_UP)


def _is_rectangle_layer(layer: Any) -> bool:
    return isinstance(layer, Shapes) and layer.name == RECTANGLE_LAYER


_HOVER_COLUMNS = (
    "index",
    "class",
    "class_probability",
    "confidence",
    "area_um2",
    "centroid_y_px",
    "centroid_x_px",
)


def labels_layer(task: str, labels: Any, rows: pd.DataFrame, display: Display, **placement: Any) -> Labels:
    """A Labels layer of one task; it owns its array, so that the annotation stays what the model said.

    Parameters
    ----------
    labels : (H, W) integer array
    rows : pandas.DataFrame
        The task's rows of the object table; they become the layer's features, which napari shows on hover.
    placement
        More arguments of the layer: name, scale, units.
    """
    features = rows[[column for column in _HOVER_COLUMNS if column in rows]].reset_index(drop=True)
    if "class" in features and (features["class"] == "").all():
        features = features.drop(columns=["class", "class_probability"], errors="ignore")
    layer = Labels(np.array(labels, dtype=np.int32), features=features, **placement)
    style(layer, task, display)
    return layer


def style(layer: Any, task: str, display: Display) -> None:
    """Colours, outlines or areas, and how much shines through, as ``display`` says."""
    layer.colormap = colormap_for(task, layer.features, display)
    layer.contour = 0 if display.filled else OUTLINE_PX.get(task, 1)
    layer.opacity = FILLED_OPACITY if display.filled else OUTLINE_OPACITY
