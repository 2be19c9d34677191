"""Domains that the learning loop is measured on: other hospitals' glands and nuclei, and recoloured tiles beside them.

- ``prostate``: glands of RINGS (two patients, ten fields at 0.934 µm/px, cut into four tiles each). One patient's
  fields teach and the other's are scored, then the other way round. In the exported folder each field counts as a
  patient, since the program refuses to learn from one alone; the patient who is scored is always another.
- ``nucls``: nuclei of breast (15 fields; the set names no patients, so each field counts as one). Halves.
- ``recoloured``: one category of EBHI-SEG's test patients in a stain made by a rule: secondary evidence.

Base models that learned from RINGS or NuCLS are refused for these. The old domain is EBHI-SEG's test patients.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.color import hed2rgb, rgb2hed

from napari_cerberus.annotation.annotated_image import AnnotatedImage
from napari_cerberus.annotation.frame import Frame
from napari_cerberus.annotation.object_columns import empty_table
from napari_cerberus.errors import DataError
from napari_cerberus.model.ancestry import all_patients
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.pairs.split import read_split
from napari_cerberus.pairs.write.export_plan import plan_export
from napari_cerberus.pairs.write.export_source import ExportSettings, ExportSource
from napari_cerberus.pairs.write.write_pairs import write_export
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS, NUCLEI
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.data.tile_sources import LoadedTile, Tile, collect
from napari_cerberus.training.engine.training_run import by_subset
from napari_cerberus.training.run_settings import SourceSettings

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "starter.toml"
_HAEMATOXYLIN, _EOSIN = 0, 1


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What is learned.

    Attributes
    ----------
    task : str
    words : str
        For the table's heading.
    tile_px : int
        Side of an exported tile, in the field's own pixels.
    source : SourceSettings or None
        None: recoloured tiles of EBHI-SEG.
    by_patient : bool
        Whether the set names patients.
    """

    task: str
    words: str
    tile_px: int
    source: SourceSettings | None = None
    by_patient: bool = True


DOMAINS: Mapping[str, Domain] = {
    "prostate": Domain(
        task=GLANDS,
        words="glands of prostate (RINGS, two patients: one teaches, the other is scored, both ways)",
        tile_px=256,
        source=SourceSettings(
            name="rings", kind="instances", path="rings-prostate", tasks=(GLANDS,), pixel_size_um=0.934
        ),
    ),
    "nucls": Domain(
        task=NUCLEI,
        words="nuclei of breast (NuCLS, fields of unnamed patients: half teach, half are scored, both ways)",
        tile_px=288,
        source=SourceSettings(name="nucls", kind="instances", path="nucls-sample", tasks=(NUCLEI,), pixel_size_um=0.3),
        by_patient=False,
    ),
    "recoloured": Domain(task=GLANDS, words="glands of recoloured EBHI-SEG tiles (secondary evidence)", tile_px=224),
}


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Fields to learn from, in the order they are given out, and tiles to score."""

    learning: Sequence[Tile]
    new: Sequence[Tile]
    old: Sequence[Tile]


def fold_of(name: str, number: int, *, score: int, seed: int, category: str, stain: str, side: str) -> Fold:
    """One fold of a domain; ``category``, ``stain`` and ``side`` are of recoloured tiles."""
    domain, config = DOMAINS[name], read_config(CONFIG)
    held = _never_learned_from(config, side)
    if domain.source is None:
        new = [_other_stain(tile, STAINS[stain]) for tile in held if tile.stratum == category]
        old = [tile for tile in held if tile.stratum != category]
    else:
        new, old = collect([domain.source], config.tasks, config.root(CONFIG.parent)), held
    by_patient: dict[str, list[Tile]] = defaultdict(list)
    for tile in new:
        by_patient[tile.patient].append(tile)
    names = sorted(by_patient)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    half = [by_patient[one] for one in order[number::2]]
    learning = [tiles[i] for i in range(max(map(len, half))) for tiles in half if i < len(tiles)]  # patients in turn
    scored = [tile for one in order[1 - number :: 2] for tile in by_patient[one]]
    return Fold(learning=learning, new=_spread(scored, score), old=_spread(old, score))


def refuse_seen(base: Model, name: str, fold: Fold) -> None:
    """The base model must not know the domain. Raises ``DataError``."""
    seen = sorted(all_patients(base.spec) & {tile.patient for tile in (*fold.learning, *fold.new)})
    if DOMAINS[name].source is not None and seen:
        raise DataError(
            f"{base.name} has learned from {seen[0]} and {len(seen) - 1} others of this domain, so nothing would be "
            "new to it; name a base model that has not with --base."
        )


def export_pairs(root: Path, name: str, fields: Iterable[Tile], most: int) -> int:
    """Export fields as the dock does, until there are ``most`` pairs; returns how many there are.

    Fields are cut into tiles without overlap. Each field is exported whole or not at all, so that the number may be a
    little smaller.
    """
    domain, written = DOMAINS[name], 0
    for place, tile in enumerate(fields):
        loaded = tile.load()
        annotated = AnnotatedImage(
            frame=Frame.of_image(loaded.image, tile.image_path.stem),
            pixel_size=loaded.pixel_size,
            labels={domain.task: loaded.labels[domain.task]},
            objects=empty_table(),
        )
        source = ExportSource(image=loaded.image, annotated=annotated, name=tile.image_path.name)
        settings = ExportSettings(
            patient_id=_patient(name, tile, place),
            keep_patient_id=True,
            category=tile.stratum if domain.source is None else "Benign",
            category_confirmed=False,
            task=domain.task,
            checked=(domain.task,),
            tile_px=domain.tile_px,
            empty="write",
            min_tissue_share=0.0,
        )
        plan = run_to_end(plan_export(root, source, settings))
        if written and written + len(plan.pairs) > most:
            break
        written += len(run_to_end(write_export(plan)).written)
    return written


def _patient(name: str, tile: Tile, place: int) -> str:
    """Recoloured tiles keep their patients, under names that the base model has not seen; other fields stand alone."""
    if DOMAINS[name].source is None:
        return "9" + "".join(letter for letter in tile.patient if letter.isdigit())
    return str(9000 + place)


def _never_learned_from(config: TrainConfig, where: str) -> list[Tile]:
    """EBHI tiles of a side of the base model's split."""
    sources = [source for source in config.sources if source.kind == "ebhi"]
    split = read_split(CONFIG.parent / config.split_file)
    ids = {side: tuple(one for one in members if one.startswith("ebhi/")) for side, members in split.sides.items()}
    tiles = collect(sources, config.tasks, config.root(CONFIG.parent))
    return by_subset(tiles, replace(split, counts={}, **ids))[where]


def _spread(tiles: Sequence[Tile], most: int) -> list[Tile]:
    places = np.linspace(0, len(tiles) - 1, min(most, len(tiles))).round().astype(int)
    return [tiles[i] for i in places]


def _other_stain(tile: Tile, recolour: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Tile:
    def load() -> LoadedTile:
        loaded = tile.load()
        return replace(loaded, image=recolour(loaded.image))

    return replace(tile, load=load)


def _as_it_is(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image


def _other_laboratory(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Another laboratory's H&E: paler haematoxylin, stronger eosin, a yellowish light."""
    stains = rgb2hed(image)
    stains[..., _HAEMATOXYLIN] *= 0.55
    stains[..., _EOSIN] *= 1.5
    light = np.array([1.0, 0.97, 0.88])
    return np.clip(hed2rgb(stains) * light * 255, 0, 255).round().astype(np.uint8)


def _brown(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """No H&E any more: what eosin stained is yellow-brown, as with saffron or DAB, and haematoxylin is pale."""
    return _stain_matched(image, (0.6, 1.0), ((0.65, 0.70, 0.29), (0.05, 0.55, 0.83)), light=(1.0, 0.97, 0.9))


def _faded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An old archive's slides: a quarter of the haematoxylin and three tenths of the eosin are left."""
    return _stain_matched(image, (0.25, 0.3), ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11)))


def _stain_matched(image: NDArray[np.uint8], left, colours, light=(1.0, 1.0, 1.0)) -> NDArray[np.uint8]:
    """What is ``left`` of haematoxylin and eosin, in the optical density of other ``colours``, in another light."""
    stains = np.maximum(rgb2hed(image)[..., [_HAEMATOXYLIN, _EOSIN]], 0) * left
    return np.clip(np.exp(-6 * stains @ np.array(colours)) * light * 255, 0, 255).round().astype(np.uint8)


STAINS: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "faded": _faded,
    "brown": _brown,
    "other laboratory": _other_laboratory,
    "none": _as_it_is,
}
"""Stains of recoloured tiles."""
