"""The rows of the thesis's two tables: what each trains, on which split, with the one schedule that all share."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from napari_cerberus.files import write_text
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.instances import index_instances
from napari_cerberus.pairs.split import SUBSETS, Split, read_split, split_by_image, write_split
from napari_cerberus.training.evaluation.selection import only_source

UNITS = ("patient", "image")
PRETRAIN = "pretrain"
EBHI_TASKS = ("glands", "lumina", "tissue")
NETWORKS = ("unet", "segnet", "medt", "swinu")
FLOOR = "floor"
"""Learns nothing and calls everything gland: what a Dice is worth shows beside this row's."""
TILE_UM = 291
"""Side of a tile of EBHI-SEG."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What is the same for every row.

    Attributes
    ----------
    pixel_size_um : float
        Of every network, µm. Tiles of EBHI-SEG have 1.3.
    steps, batch, crop_px : int
        Batches, tiles a batch, side of a crop at that pixel size.
    validate_every, validation_tiles : int
    learning_rate : float
        Highest rate of AdamW under a one-cycle schedule.
    pretrain_steps : int
        Of the nuclei model that the transfer rows start from, at 1 µm/px whatever the others have: nuclei are gone at
        coarser ones.
    precision : {"bf16", "fp32"}
        Of training, not of scoring. bf16 is faster where the processor has it, and slower elsewhere.
    tiles_per_category : int
        Of each side of a split; 0: all of them.
    as_published : bool
        The thesis's own protocol: whole tiles, a rate that is stepped twice, its augmentations alone, nothing
        against imbalance, cross-entropy alone, no running average.
    """

    pixel_size_um: float = 1.95
    steps: int = 1000
    batch: int = 16
    crop_px: int = 112
    validate_every: int = 250
    validation_tiles: int = 80
    learning_rate: float = 1e-3
    pretrain_steps: int = 1000
    precision: str = "bf16"
    tiles_per_category: int = 0
    as_published: bool = False

    @property
    def tissue_window_cells(self) -> int:
        """Cells of the deepest features, 16 px each, that span a tile of EBHI-SEG, 291 µm."""
        return max(1, round(TILE_UM / (16 * self.pixel_size_um)))

    def sentence(self, start: str) -> str:
        """For the results page."""
        if self.as_published:
            return self._published_sentence(start)
        few = f" **Smoke test on {self.tiles_per_category} tiles a category: the numbers mean nothing.**"
        return (
            f"Every row: {self.steps} steps of {self.batch} crops of {self.crop_px} px at {self.pixel_size_um:g} µm/px "
            f"(the tiles have 1.3), about {self.steps * self.batch / _TRAINING_TILES:.0f} crops of each training tile "
            f"against the thesis's 30 epochs of whole tiles; AdamW, a one-cycle rate up to {self.learning_rate:g}, "
            f"{self.precision}, the augmentations of the thesis with stain and scale jitter, running average of "
            f"weights, best weights by validation. "
            f"{_START.get(start, f'Transfer rows start from {start}.')}"
            f"{few if self.tiles_per_category else ''}"
        )

    def _published_sentence(self, start: str) -> str:
        epochs = self.steps * self.batch / _TRAINING_TILES
        return (
            f"Every row by the thesis's own protocol: {self.steps} steps of {self.batch} whole tiles (about "
            f"{epochs:.0f} epochs), stochastic gradient descent from a rate of {self.learning_rate:g} that falls "
            "to a tenth twice, its six augmentations alone, cross-entropy alone, nothing against imbalance, best "
            "weights by validation. "
            f"{_START.get(start, f'Transfer rows start from the model {start}.')}"
        )


PUBLISHED = Schedule(
    pixel_size_um=1.3,
    steps=30 * 1220 // 32,
    batch=32,
    crop_px=224,
    validate_every=190,
    validation_tiles=170,
    learning_rate=0.1,
    as_published=True,
)
"""30 epochs of whole tiles in batches of 32, a rate of 0.1 that falls to a tenth after epochs 10 and 20."""

QUICK = Schedule(
    steps=2,
    batch=2,
    crop_px=64,
    validate_every=2,
    validation_tiles=2,
    pretrain_steps=2,
    tiles_per_category=1,
)
"""Whether everything runs from end to end; nothing is learnt."""

_TRAINING_TILES = 1220
"""Of EBHI-SEG, with either split, to about 3."""

_START = {
    PRETRAIN: "Transfer rows start from an encoder that learnt nuclei only (TNBC, DSB 2018) and never saw EBHI-SEG; "
    "the comparison networks start from random weights, as in the thesis.",
    "imagenet": "Transfer rows start from torchvision's ImageNet weights; the comparison networks from random weights.",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training and its evaluation on the test side.

    Attributes
    ----------
    name : str
        Folder under the runs' folder.
    unit : {"patient", "image"}
    tasks : tuple of str
    layer : int
        Encoder layer to train from; 5 for the SVM.
    network : str
        Empty for ours; a comparison network; "svm"; or "floor".
    scratch : bool
        Starts from random weights, as the comparison networks do.
    """

    name: str
    unit: str
    tasks: tuple[str, ...]
    layer: int = 1
    network: str = ""
    scratch: bool = False

    @property
    def transfers(self) -> bool:
        """Whether it starts from a trained encoder."""
        return self.network in ("", "svm") and not self.scratch


def all_rows() -> list[Row]:
    """Every row of both tables, the true (by patient) ones first."""
    rows = []
    for unit in UNITS:
        rows += [Row(name=f"{unit}-layer{n}", unit=unit, tasks=("tissue",), layer=n) for n in (1, 2, 3, 4)]
        rows.append(Row(name=f"{unit}-svm", unit=unit, tasks=("tissue",), layer=5, network="svm"))
        rows.append(Row(name=f"{unit}-multi", unit=unit, tasks=EBHI_TASKS))
        rows += [Row(name=f"{unit}-{task}", unit=unit, tasks=(task,)) for task in ("glands", "lumina")]
        rows.append(Row(name=f"{unit}-scratch", unit=unit, tasks=("glands",), scratch=True))
        rows += [Row(name=f"{unit}-{kind}", unit=unit, tasks=("glands",), network=kind) for kind in (*NETWORKS, FLOOR)]
    return rows


def write_config(
    folder: Path, row: Row, schedule: Schedule, start: str, data: Path, workers: int | None = None
) -> Path:
    """The row's training config, beside its folder; the comparison networks read it too."""
    tasks = json.dumps(list(row.tasks))
    text = (
        f'name = "{row.name}"\nseed = 1\ndata_root = {json.dumps(data.absolute().as_posix())}\ntasks = {tasks}\n'
        f"pixel_size_um = {schedule.pixel_size_um}\ntissue_window_cells = {schedule.tissue_window_cells}\n"
        f"steps = {schedule.steps}\nvalidate_every = {schedule.validate_every}\n"
        f"validation_tiles = {schedule.validation_tiles}\n{_workers(workers)}"
        f'split_file = "{row.unit}.split.json"\nallow_leaks = {str(row.unit == "image").lower()}\n'
        f'{_remedies(schedule)}precision = "{schedule.precision}"\n'
        f"start = {json.dumps(start if row.transfers else 'scratch')}\ntrain_from_layer = {row.layer}\n"
        f'[[source]]\nname = "ebhi"\nkind = "ebhi"\npath = "ebhi-seg"\npixel_size_um = 1.3\ntasks = {tasks}\n'
        f"[head_weights]\nlumina = 1.0\nglands = 1.0\ntissue = 1.0\n"
        f"[[batch]]\ntasks = {tasks}\nsize = {schedule.batch}\ncrop_px = {_crop_px(row, schedule)}\n"
        f"{_how(schedule)}"
    )
    write_text(folder / f"{row.name}.toml", text)
    return folder / f"{row.name}.toml"


def write_pretrain_config(folder: Path, schedule: Schedule, data: Path, workers: int | None = None) -> Path:
    """The config of the model that transfer starts from: nuclei alone."""
    text = (
        f'name = "{PRETRAIN}"\nseed = 1\ndata_root = {json.dumps(data.absolute().as_posix())}\ntasks = ["nuclei"]\n'
        f"pixel_size_um = 1.0\nsteps = {schedule.pretrain_steps}\nvalidate_every = {schedule.validate_every}\n"
        f"{_workers(workers)}"
        f'precision = "{schedule.precision}"\n'
        f"validation_tiles = {schedule.validation_tiles}\nsplit = [0.8, 0.2, 0.0]\ndice_weight = 0.5\n"
        '[[source]]\nname = "tnbc"\nkind = "instances"\npath = "tnbc-nuclei"\npixel_size_um = 0.25\n'
        'tasks = ["nuclei"]\n'
        '[[source]]\nname = "dsb"\nkind = "instances"\npath = "dsb2018-purple"\nobject_diameter_um = 8.0\n'
        'tasks = ["nuclei"]\nuse = "train"\n'
        f'[[batch]]\ntasks = ["nuclei"]\nsize = {schedule.batch}\ncrop_px = {min(128, schedule.crop_px)}\n'
        f"[optimiser]\nlearning_rate = {schedule.learning_rate}\n"
    )
    write_text(folder / f"{PRETRAIN}.toml", text)
    return folder / f"{PRETRAIN}.toml"


def _crop_px(row: Row, schedule: Schedule) -> int:
    """MedT sees whole tiles, as far as a multiple of 16 px goes, because it learns positions."""
    whole = int(TILE_UM / schedule.pixel_size_um) // 16 * 16
    return max(whole, schedule.crop_px) if row.network == "medt" else schedule.crop_px


def _remedies(schedule: Schedule) -> str:
    """What the thesis did not do against rare categories and noisy outlines."""
    if schedule.as_published:
        return "balance = 0.0\ndice_weight = 0.0\nlabel_smoothing = 0.0\n"
    return "balance = 0.5\ndice_weight = 0.5\nlabel_smoothing = 0.05\n"


def _how(schedule: Schedule) -> str:
    rate = f"[optimiser]\nlearning_rate = {schedule.learning_rate}\n"
    if not schedule.as_published:
        return rate
    plain = "[augment]\nstain = 0.0\nscale = 0.0\nresolution = 0.0\n"
    return f'{rate}name = "sgd"\nschedule = "thirds"\nema_decay = 0.0\n{plain}'


def _workers(count: int | None) -> str:
    return "" if count is None else f"workers = {count}\n"


def write_splits(folder: Path, schedule: Schedule, starter_split: Path, data: Path) -> None:
    """The starter's split by patient, and one by image of the same shares, for EBHI-SEG alone."""
    patient = only_source(read_split(starter_split), "ebhi")
    records, _problems = index_tree(data / "ebhi-seg")
    image = split_by_image(records, (0.7, 0.1, 0.2), seed=1)
    named = {side: tuple(f"ebhi/{id_}" for id_ in ids) for side, ids in image.sides.items()}
    image = Split(seed=1, unit="image", counts=image.counts, **named)
    for split in (patient, image):
        write_split(folder / f"{split.unit}.split.json", _first(split, schedule.tiles_per_category or None))


def small_data(folder: Path, data: Path, count: int) -> Path:
    """A data folder with the splits' few tiles and ``count`` nuclei tiles of each set, for a smoke test."""
    small = folder / "data"
    wanted = {id_ for unit in UNITS for ids in read_split(folder / f"{unit}.split.json").sides.values() for id_ in ids}
    records, _problems = index_tree(data / "ebhi-seg")
    for record in records:
        if f"ebhi/{record.id}" in wanted:
            for path in (record.image_path, record.label_path):
                _copy(path, small / path.relative_to(data))
    for name in ("tnbc-nuclei", "dsb2018-purple"):
        found, _problems = index_instances(data / name)
        patients = {one.patient: one for one in found}
        for one in list(patients.values())[: max(4, count)]:
            for path in (one.image_path, one.label_path):
                _copy(path, small / path.relative_to(data))
        _copy(data / name / "index.csv", small / name / "index.csv")
    return small


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _first(split: Split, count: int | None) -> Split:
    """The first ``count`` tiles of each category on each side (all: None), with their numbers."""
    kept, counts = {}, {}
    for side in SUBSETS:
        by_category = defaultdict(list)
        for id_ in split.sides[side]:
            by_category[id_.split("/")[1]].append(id_)
        kept[side] = tuple(sorted(id_ for ids in by_category.values() for id_ in ids[:count]))
        counts[side] = {category: len(ids[:count]) for category, ids in sorted(by_category.items())}
    return Split(seed=split.seed, unit=split.unit, counts=counts, **kept)
