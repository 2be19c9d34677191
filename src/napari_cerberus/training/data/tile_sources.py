"""Tiles to learn from: every source becomes a list of ``Tile`` records that are loaded when needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...errors import DataError
from ...pairs.layout.ebhi import PairRecord, index_tree
from ...pairs.layout.instances import index_class_folders, index_instances
from ...pairs.layout.labelled import read_pair
from ...pairs.layout.manifest import exported_ids
from ...pairs.layout.sidecar import Sidecar, sidecar_paths
from ...pairs.layout.sidecar_reading import sidecar_of
from ...pairs.layout.tile_pixels import read_labels, read_mask, read_rgb
from ...pairs.problems import Problem
from ...pixel_size import PixelSize
from ...synthetic.read_painted import index_painted, read_painted
from ...tasks import CERBERUS_TASKS, GLANDS, LUMINA, TaskSpec
from ..run_settings import SourceSettings
from .targets import weak_lumina

_TYPES = {task.key: task for task in CERBERUS_TASKS if task.kind == "types"}
_LOG = logging.getLogger(__name__)
_ANY = PixelSize.square(1.0)


@dataclass(frozen=True, kw_only=True)
class LoadedTile:
    """Pixels and labels of one tile, at its own pixel size.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
    labels : mapping of task key to (H, W) int32 array
        Instance labels; for type tasks the class of each object's pixels, 0 where no class is known.
    pixel_size : PixelSize
    """

    image: NDArray[np.uint8]
    labels: dict[str, NDArray[np.int32]]
    pixel_size: PixelSize


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One record.

    Attributes
    ----------
    id : str
        ``source/category/name``, unique in a run.
    patient : str
        Group that must not be split.
    stratum : str
        Category, or the source's name where there is none.
    tasks : frozenset of str
        Tasks it has labels for that may be learned from and compared with.
    unchecked : frozenset of str
        Tasks it has labels for that nobody checked ("tissue": its category); they are no truth.
    weak : frozenset of str
        Tasks whose labels come from a rule; nobody drew them.
    tissue : int
        Index among the model's tissue classes; -1 where unknown.
    use : str
        "all", or "train" where the tile must stay out of validation and test.
    label_paths : tuple of Path
        Files that its labels come from.
    patients : frozenset of str
        Every name that its patient has, where there are several.
    """

    id: str
    patient: str
    stratum: str
    tasks: frozenset[str]
    load: Callable[[], LoadedTile] = field(repr=False, compare=False)
    image_path: Path
    tissue: int = -1
    use: str = "all"
    unchecked: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    label_paths: tuple[Path, ...] = ()
    patients: frozenset[str] = frozenset()


def collect(sources: Iterable[SourceSettings], tasks: Iterable[TaskSpec], root: Path) -> list[Tile]:
    """Records of all sources, sorted by id.

    Parameters
    ----------
    sources : iterable of SourceSettings
    tasks : iterable of TaskSpec
        Of the model; its tissue classes say which category is which.
    root : Path
        Folder that the sources' paths start from.

    Raises
    ------
    DataError
        If a source's folder is missing or holds nothing usable.
    """
    tissue = next((task.classes for task in tasks if task.kind == "tissue"), ())
    tiles: list[Tile] = []
    for source in sources:
        found = list(_READERS[source.kind](source, root / source.path, tissue))
        if not found:
            raise DataError(f"Source {source.name!r}: {root / source.path} holds no usable tile.")
        tiles.extend(found)
    return sorted(tiles, key=lambda tile: tile.id)


def in_memory(tiles: Sequence[Tile]) -> dict[str, LoadedTile]:
    """Load every tile once; 1,700 EBHI tiles take about 0.6 GB with their labels."""
    return {tile.id: tile.load() for tile in tiles}


def _ebhi_tiles(source: SourceSettings, folder: Path, tissue: Sequence[str]) -> Iterable[Tile]:
    records, problems = index_tree(folder)
    _tell(problems)
    for record in records:
        yield Tile(
            id=f"{source.name}/{record.category}/{record.name}",
            patient=f"{source.name}:{record.patient}",
            stratum=record.category,
            tasks=frozenset(source.tasks),
            load=partial(_load_ebhi, source, record.image_path, record.label_path),
            image_path=record.image_path,
            weak=source.weak_tasks,
            tissue=tissue.index(record.category) if record.category in tissue else -1,
            use=source.use,
            label_paths=(record.label_path,),
            patients=_names(source, record),
        )


def _names(source: SourceSettings, record: PairRecord) -> frozenset[str]:
    return frozenset(f"{source.name}:{patient}" for patient in record.patients)


def _load_ebhi(source: SourceSettings, image_path: Path, label_path: Path) -> LoadedTile:
    image = read_rgb(image_path)
    glands = _components(label_path)
    pixel_size = source.pixel_size or _ANY
    labels = {}
    if GLANDS in source.tasks:
        labels[GLANDS] = glands
    if LUMINA in source.tasks:
        labels[LUMINA] = weak_lumina(image, glands, pixel_size.yx_um)
    return LoadedTile(image=image, labels=labels, pixel_size=pixel_size)


def _components(label_path: Path) -> NDArray[np.int32]:
    glands, _count = ndimage.label(read_mask(label_path))
    return np.asarray(glands, dtype=np.int32)


def _pair_tiles(source: SourceSettings, folder: Path, tissue: Sequence[str]) -> Iterable[Tile]:
    records, problems = index_tree(folder)
    _tell(problems)
    exported = exported_ids(folder)
    for record in records:
        try:
            sidecar = sidecar_of(record)
            if sidecar is None and record.id in exported:
                raise DataError(f"The sidecar of {record.image_path} is gone.")
        except DataError as error:
            _LOG.warning("%s The pair is left out: what of it was checked is not known.", error)
            continue
        place = tissue.index(record.category) if record.category in tissue else -1
        yield Tile(
            id=f"{source.name}/{record.id}",
            patient=f"{source.name}:{record.patient}",
            stratum=record.category,
            tasks=_tasks_of(record, source, sidecar, place >= 0),
            load=partial(_load_pair, source, record, sidecar),
            image_path=record.image_path,
            tissue=place,
            use=source.use,
            unchecked=_unchecked(sidecar),
            label_paths=(record.label_path, *_sidecar_files(record)),
            patients=_names(source, record),
        )


def _tasks_of(record: PairRecord, source: SourceSettings, sidecar: Sidecar | None, named: bool) -> frozenset[str]:
    """Tasks of the source that a pair is the truth for: those checked in its sidecar, or glands of a bare mask.

    ``named``: its category is one of the model's tissue classes.
    """
    if sidecar is None and source.pixel_size_um is None:
        raise DataError(
            f"{record.image_path} has no sidecar, so its pixel size is not known; "
            f"give source {source.name!r} a pixel_size_um."
        )
    if sidecar is None:
        return frozenset(source.tasks) & {GLANDS, *(("tissue",) if named else ())}
    classed = {(one.task, one.class_name) for one in sidecar.objects if one.task in sidecar.checked}
    typed = {key for key, task in _TYPES.items() if any((task.types_of, name) in classed for name in task.classes[1:])}
    category = {"tissue"} if named and sidecar.category_confirmed else set()
    return frozenset(source.tasks) & (frozenset(sidecar.checked) | typed | category)


def _unchecked(sidecar: Sidecar | None) -> frozenset[str]:
    if sidecar is None:
        return frozenset()
    return frozenset(sidecar.tasks).difference(sidecar.checked) | (
        frozenset() if sidecar.category_confirmed else frozenset({"tissue"})
    )


def _sidecar_files(record: PairRecord) -> tuple[Path, ...]:
    paths = sidecar_paths(record.image_path.parent.parent, record.name)
    return tuple(path for path in paths if path.is_file())


def _load_pair(source: SourceSettings, record: PairRecord, sidecar: Sidecar | None) -> LoadedTile:
    """Labels of the checked tasks; of a pair without a sidecar glands."""
    try:
        pair = read_pair(record)
    except DataError:  # told by the data check; the mask is whole
        pair = None
    if pair is None:
        shown = GLANDS if sidecar is None else sidecar.mask_task
        taught = shown in source.tasks and (sidecar is None or shown in sidecar.checked)
        labels = {shown: _components(record.label_path)} if taught else {}
        size = (source.pixel_size or _ANY) if sidecar is None else PixelSize.square(sidecar.pixel_size_um)
        return LoadedTile(image=read_rgb(record.image_path), labels=labels, pixel_size=size)
    planes = {task: pair.labels[task] for task in pair.sidecar.checked}
    labels = {key: plane for key, plane in planes.items() if key in source.tasks}
    if not pair.mask_agrees and pair.sidecar.mask_task in labels:  # the mask was drawn over by hand: it is the truth
        labels[pair.sidecar.mask_task] = _components(record.label_path)
    typed = {key: task for key, task in _TYPES.items() if key in source.tasks and task.types_of in planes}
    for key, task in typed.items():
        labels[key] = _class_map(planes[task.types_of], pair.class_names(task.types_of), task.classes)
    return LoadedTile(image=pair.image, labels=labels, pixel_size=PixelSize.square(pair.pixel_size_um))


def _class_map(plane: NDArray[np.int32], names: Mapping[int, str], classes: Sequence[str]) -> NDArray[np.int32]:
    """Class of each pixel from the class names of the objects, (H, W); 0 for background and for other classes."""
    place = {name: index for index, name in enumerate(classes)}
    lookup = np.zeros(int(plane.max(initial=0)) + 1, np.int32)
    for id_, name in names.items():
        lookup[id_] = place.get(name, 0)
    return lookup[plane]


def _instance_tiles(source: SourceSettings, folder: Path, tissue: Sequence[str]) -> Iterable[Tile]:
    records, problems = index_instances(folder)
    _tell(problems)
    for record in records:
        yield Tile(
            id=f"{source.name}/{record.id}",
            patient=f"{source.name}:{record.patient}",
            stratum=source.name,
            tasks=frozenset(source.tasks),
            load=partial(_load_instances, source, folder, record.image_path, record.label_path),
            image_path=record.image_path,
            use=source.use,
            label_paths=(record.label_path,),
        )


def _load_instances(source: SourceSettings, folder: Path, image_path: Path, label_path: Path) -> LoadedTile:
    labels = read_labels(label_path)
    size = source.pixel_size
    if size is None:
        size = PixelSize.square(_estimated_pixel_size(labels, source) or _usual_pixel_size(source, folder))
    return LoadedTile(image=read_rgb(image_path), labels={source.tasks[0]: labels}, pixel_size=size)


def _estimated_pixel_size(labels: NDArray[np.int32], source: SourceSettings) -> float:
    """µm/px at which the median object has the stated diameter: an estimate, for unknown scales; 0 without objects."""
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 0]
    if not len(areas):
        return 0.0
    return float((source.object_diameter_um or 0.0) / np.sqrt(4 * np.median(areas) / np.pi))


@lru_cache(maxsize=8)
def _usual_pixel_size(source: SourceSettings, folder: Path) -> float:
    """Median estimate of a source's images, for those without any object."""
    records, _ = index_instances(folder)
    found = [_estimated_pixel_size(read_labels(record.label_path), source) for record in records]
    if not any(found):
        raise DataError(f"No image of {folder} holds an object, so its pixel size cannot be estimated.")
    return float(np.median([size for size in found if size]))


def _class_folder_tiles(source: SourceSettings, folder: Path, tissue: Sequence[str]) -> Iterable[Tile]:
    records, problems = index_class_folders(folder)
    _tell(problems)
    for record in records:
        if record.stratum not in tissue:
            raise DataError(f"{folder}: folder {record.stratum!r} is not one of the tissue classes {list(tissue)}.")
        yield Tile(
            id=f"{source.name}/{record.id}",
            patient=f"{source.name}:{record.patient}",
            stratum=record.stratum,
            tasks=frozenset(source.tasks),
            load=partial(_load_plain, source, record.image_path),
            image_path=record.image_path,
            tissue=tissue.index(record.stratum),
            use=source.use,
        )


def _load_plain(source: SourceSettings, image_path: Path) -> LoadedTile:
    return LoadedTile(image=read_rgb(image_path), labels={}, pixel_size=source.pixel_size or _ANY)


def _negative_tiles(source: SourceSettings, folder: Path, tissue: Sequence[str]) -> Iterable[Tile]:
    records, problems = index_class_folders(folder)
    _tell(problems)
    if missing := set(source.folders) - {record.stratum for record in records}:
        raise DataError(f"{folder} holds no class folder named {', '.join(sorted(missing))}.")
    for record in records:
        if not source.folders or record.stratum in source.folders:
            yield Tile(
                id=f"{source.name}/{record.id}",
                patient=f"{source.name}:{record.patient}",
                stratum=f"{source.name} {record.stratum}",
                tasks=frozenset(source.tasks),
                load=partial(_load_negative, source, record.image_path),
                image_path=record.image_path,
                use=source.use,
            )


def _load_negative(source: SourceSettings, image_path: Path) -> LoadedTile:
    plain = _load_plain(source, image_path)
    empty = np.zeros(plain.image.shape[:2], np.int32)
    return replace(plain, labels=dict.fromkeys(source.tasks, empty))


def _painted_tiles(source: SourceSettings, folder: Path, tissue: Sequence[str]) -> Iterable[Tile]:
    for record in index_painted(folder):
        yield Tile(
            id=f"{source.name}/{record.name}",
            patient=f"{source.name}:{record.name}",
            stratum=source.name,
            tasks=frozenset(source.tasks),
            load=partial(_load_painted, source, record),
            image_path=record / "image.png",
            use=source.use,
        )


def _load_painted(source: SourceSettings, folder: Path) -> LoadedTile:
    painted = read_painted(folder)
    labels = {key: painted.labels[key] for key in source.tasks}
    return LoadedTile(image=painted.image, labels=labels, pixel_size=PixelSize.square(painted.pixel_size_um))


def _tell(problems: Iterable[Problem]) -> None:
    for problem in problems:
        _LOG.warning("%s", problem)


_READERS: dict[str, Callable[[SourceSettings, Path, Sequence[str]], Iterable[Tile]]] = {
    "ebhi": _ebhi_tiles,
    "pairs": _pair_tiles,
    "instances": _instance_tiles,
    "tiles": _class_folder_tiles,
    "negative": _negative_tiles,
    "painted": _painted_tiles,
}
