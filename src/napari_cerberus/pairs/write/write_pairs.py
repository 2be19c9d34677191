"""Write planned pairs: images, masks, sidecars, all or none of them, each with a line in the manifest."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from ... import __version__
from ...errors import OutputError, SettingsError
from ...files import sha256_of
from ...pixel_size import PixelSize
from ...progress import Job, Progress
from ..layout.dataset import open_dataset
from ..layout.ebhi import parse_name
from ..layout.manifest import STAGING, Entry, pair_paths
from ..layout.names import folded
from ..layout.patients import remember
from ..layout.sidecar import Sidecar, SourceInfo, sidecar_json, write_label_stack
from ..words import counted
from .export_plan import ExportPlan, PlannedPair
from .export_source import WhenChanged
from .tile_canvas import Tile
from .transaction import commit, discard, open_for_export, seal


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """What was written.

    Attributes
    ----------
    root : Path
    written : tuple of str
        ``category/name`` of the new pairs.
    replaced : tuple of str
        Of pairs whose place was taken, because that was asked for.
    skipped : int
        Tiles that are there already, or were kept as they are.
    """

    root: Path
    written: tuple[str, ...]
    replaced: tuple[str, ...]
    skipped: int

    @property
    def summary(self) -> str:
        """One sentence for the user."""
        replaced = f", {len(self.replaced)} of them in place of older ones" if self.replaced else ""
        return f"{counted(len(self.written), 'pair')} written into {self.root}{replaced}; {self.skipped} there already."


@dataclass(frozen=True, kw_only=True)
class _Order:
    """One pair to write: under which name, in whose place."""

    pair: PlannedPair
    name: str
    replaces: str


def write_export(plan: ExportPlan, when_changed: WhenChanged | None = None) -> Job[ExportResult]:
    """Write what was planned. Closing the generator before its end leaves the folder as it was.

    Parameters
    ----------
    plan : ExportPlan
    when_changed : {"new_number", "replace", "keep"} or None
        The answer for tiles that were exported before with other content; None: as in the plan's settings.

    Yields
    ------
    Progress
        One step a pair.

    Raises
    ------
    SettingsError
        If tiles have changed and nothing says what to do with them.
    OutputError
        If the folder cannot be written or has changed since the plan was made; nothing was written.
    """
    orders = _orders(plan, when_changed or plan.settings.when_changed)
    if not orders:
        return _result(plan, [])
    with open_for_export(plan.root) as stream:
        _require_unchanged_folder(plan, orders)
        if plan.settings.patient_id is not None and not plan.settings.keep_patient_id:
            remember(plan.root, plan.settings.patient_id, plan.patient_id)
        sealed = False
        try:
            entries: list[Entry] = []
            for done, order in enumerate(orders):
                yield Progress("Writing pairs", done, len(orders))
                entries.append(_stage(plan, order))
            seal(plan.root, entries)
            sealed = True
        except OSError as error:
            raise OutputError(f"{plan.root} cannot be written: {error.strerror or error}.") from error
        finally:
            if not sealed:
                discard(plan.root)
        commit(plan.root, stream, entries)
    return _result(plan, orders)


def _orders(plan: ExportPlan, when_changed: WhenChanged) -> list[_Order]:
    changed = plan.counts["changed"]
    if changed and when_changed == "ask":
        raise SettingsError(
            f"{counted(changed, 'tile was', 'tiles were')} exported before with other content; choose whether to "
            "give a new number, to replace what is there, or to keep it."
        )
    orders = []
    for pair in plan.pairs:
        replaces = when_changed == "replace" and pair.replaceable
        if pair.status == "new" or (pair.status == "changed" and when_changed != "keep"):
            name = _name_in_place(plan, pair) if replaces else pair.name
            orders.append(_Order(pair=pair, name=name, replaces=pair.previous if replaces else ""))
    return orders


def _name_in_place(plan: ExportPlan, pair: PlannedPair) -> str:
    """The old name where patient, block and magnification are still the same, so that splits stay valid."""
    name = pair.previous.partition("/")[2]
    old, new = parse_name(name), parse_name(pair.name)
    same = old and new and (old.patient, old.block, old.magnification) == (new.patient, new.block, new.magnification)
    return name if same else pair.name


def _require_unchanged_folder(plan: ExportPlan, orders: list[_Order]) -> None:
    """The names must still be free, and what is replaced must still be what the user saw."""
    dataset = open_dataset(plan.root)
    taken = {str(name).casefold() for name in dataset.taken}
    for order in orders:
        free = order.name.casefold() not in taken
        if not (dataset.is_untouched(order.replaces) if order.replaces else free):
            raise OutputError(f"{plan.root} has changed since the plan was made; plan the export again.")


def _stage(plan: ExportPlan, order: _Order) -> Entry:
    """Write one pair's files into the staging folder."""
    category = plan.settings.category
    paths = {key: plan.root / STAGING / path for key, path in pair_paths(category, order.name).items()}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    tile = plan.canvas.tile(order.pair.window)
    Image.fromarray(tile.image).save(paths["image"])
    Image.fromarray(tile.mask.astype(np.uint8) * 255).save(paths["label"])
    write_label_stack(paths["labels"], tile.planes, PixelSize.square(plan.canvas.pixel_size_um))
    sidecar = _sidecar(plan, order, tile, sha256_of(paths["labels"]))
    paths["sidecar"].write_text(sidecar_json(sidecar), encoding="utf-8")
    return Entry(
        category=category,
        name=order.name,
        patient_id=plan.patient_id,
        tile_key=order.pair.tile_key,
        content_sha256=order.pair.content_sha256,
        files=_flushed_hashes(paths),
        replaces=order.replaces,
    )


def _flushed_hashes(paths: Mapping[str, Path]) -> dict[str, str]:
    for path in paths.values():
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())
    return {key: sha256_of(path) for key, path in paths.items()}


def _sidecar(plan: ExportPlan, order: _Order, tile: Tile, labels_sha256: str) -> Sidecar:
    source, settings, window = plan.source, plan.settings, order.pair.window
    name = parse_name(order.name)
    if name is None:
        raise ValueError(f"{order.name} is no pair's name")
    return Sidecar(
        name=order.name,
        category=settings.category,
        patient_id=plan.patient_id,
        patient_known=settings.patient_id is not None,
        category_confirmed=settings.category_confirmed,
        block=name.block,
        magnification=name.magnification,
        number=name.number,
        pixel_size_um=plan.canvas.pixel_size_um,
        size_px=(window.side, window.side),
        mask_task=settings.task,
        mask_objects=settings.objects,
        source=SourceInfo(
            name=_without_patient(plan),
            sha256=source.sha256,
            size_px=(source.image.shape[0], source.image.shape[1]),
            pixel_size=source.annotated.pixel_size,
            crop_px=plan.canvas.crop(window),
            padding_px=window.padding(plan.canvas.shape),
        ),
        model_name=source.annotated.run.model_name,
        model_sha256=source.annotated.run.model_sha256,
        annotator=source.annotator,
        effort=dict(source.effort),
        tissue=dict(source.annotated.tissue),
        tasks=tuple(tile.planes),
        checked=tuple(task for task in tile.planes if task in settings.checked),
        labels_sha256=labels_sha256,
        objects=tile.objects,
        versions={
            "napari-cerberus": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _without_patient(plan: ExportPlan) -> str:
    """The image's file name, but for one that names the patient whom the set does not name."""
    typed, name = plan.settings.patient_id, plan.source.name
    hidden = typed is not None and plan.patient_id != typed and folded(typed) in folded(name)
    return f"{plan.patient_id}{Path(name).suffix}" if hidden else name


def _result(plan: ExportPlan, orders: list[_Order]) -> ExportResult:
    return ExportResult(
        root=plan.root,
        written=tuple(f"{plan.settings.category}/{order.name}" for order in orders),
        replaced=tuple(order.replaces for order in orders if order.replaces),
        skipped=len(plan.pairs) - len(orders),
    )
