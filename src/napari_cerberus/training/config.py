"""A training run as a TOML file: what to learn, from which data, and how. Every field is checked when read."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import SettingsError
from ..pixel_size import PixelSize
from ..tasks import CERBERUS_TASKS, EBHI_CLASSES, GLANDS, LUMINA, NUCLEI, TaskSpec, instances
from .early_stopping import EarlyStopping

SourceKind = Literal["ebhi", "pairs", "instances", "tiles", "negative", "painted"]
SOURCE_KINDS = get_args(SourceKind)
DATA_ROOT_VARIABLE = "CERBERUS_DATA"


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """One data source.

    Attributes
    ----------
    name : str
        Short name; the first part of every tile's id.
    kind : {"ebhi", "pairs", "instances", "tiles", "negative", "painted"}
        ``ebhi``: category/image + category/label; ``pairs``: the same as exported by this program, with instance
        labels in sidecars (a pair without one gives its mask); ``instances``: images/ + 16-bit labels/ of its first
        task; ``tiles``: one folder a class, no masks; ``negative``: the same, and none of ``tasks`` is on any tile
        (exact empty labels); ``painted``: tiles of ``python -m napari_cerberus.synthetic``.
    path : str
        Folder, relative to the data root.
    tasks : tuple of str
        Task keys that learn from this source.
    pixel_size_um : float, (float, float) or None
        Side of a pixel, or its height and width where they differ; None: estimated image by image from
        ``object_diameter_um`` (said to be an estimate), or, for
        ``pairs``, the sidecar's, which goes before this one in any case.
    object_diameter_um : float or None
        Typical diameter of an object, for images of unknown scale.
    use : {"all", "train"}
        ``train``: never part of validation or test (no patient is known, so nothing can be compared on it).
    folders : tuple of str
        Of a ``negative`` source: the class folders that are used; all where empty.
    """

    name: str
    kind: SourceKind
    path: str
    tasks: tuple[str, ...]
    pixel_size_um: float | tuple[float, float] | None = None
    object_diameter_um: float | None = None
    use: Literal["all", "train"] = "all"
    folders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(self.kind in SOURCE_KINDS, f"source.kind must be one of {SOURCE_KINDS}, not {self.kind!r}.")
        for name in ("name", "path"):
            _require(_is_plain(getattr(self, name)), f"source.{name} must be a text without control characters.")
        _require(self.use in ("all", "train"), f"source.use must be 'all' or 'train', not {self.use!r}.")
        by_objects = self.kind == "instances"
        _require(
            by_objects or self.object_diameter_um is None,
            f"source {self.name!r}: object_diameter_um is for kind 'instances' alone; give pixel_size_um.",
        )
        stated = self.kind in ("pairs", "painted")
        known = self.pixel_size is not None or (self.object_diameter_um or 0) > 0 or stated
        wanted = "pixel_size_um or object_diameter_um" if by_objects else "pixel_size_um"
        _require(known, f"source {self.name!r} needs {wanted}, in µm.")
        _require(bool(self.tasks), f"source {self.name!r} needs at least one task.")
        _require(
            not self.folders or self.kind == "negative", f"source {self.name!r}: folders is for kind 'negative' alone."
        )

    @property
    def pixel_size(self) -> PixelSize | None:
        """``pixel_size_um`` as a value; None where it is not stated."""
        sides = self.pixel_size_um
        if sides is None:
            return None
        pair = sides if isinstance(sides, tuple) else (sides, sides)
        _require(len(pair) == 2, f"source {self.name!r}: pixel_size_um is one number, or height and width.")
        return PixelSize(pair[0], pair[1])


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """One kind of batch.

    Attributes
    ----------
    tasks : tuple of str
        Tasks that learn from it; tiles come from the sources that have any of them.
    share : float
        Relative frequency among the kinds.
    size, crop_px : int
        Tiles a batch; side of a crop on the model grid (multiple of 16).
    weights : mapping of source to float
        How much more, or less, often its tiles are drawn than ``balance`` says; 1 where absent.
    """

    tasks: tuple[str, ...]
    share: float = 1.0
    size: int = 8
    crop_px: int = 224
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.share > 0 and self.size >= 1, "batch.share and batch.size must be positive.")
        _require(min(self.weights.values(), default=1.0) > 0, "batch.weights must be positive.")
        _require(self.crop_px >= 16 and self.crop_px % 16 == 0, "batch.crop_px must be a multiple of 16.")


_LONGEST_REASON = 600
_PROBABILITIES = (
    *("elastic", "rotation", "flip", "brightness_contrast", "blur", "stain", "transfer", "resolution", "jpeg", "noise"),
)


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """Probabilities and ranges of the augmentations (the six of the thesis, then stain, scale and the camera's).

    Attributes
    ----------
    elastic, rotation, flip, brightness_contrast, blur, stain, resolution, jpeg, noise : float
        Probability of each, 0..1.
    elastic_px : float
        Root mean square of the displacement, in px of the crop.
    rotation_deg : float
        Angles are drawn from ± this.
    brightness, contrast, stain_strength : float
        Half-width of the factor around 1; stain jitter scales and shifts haematoxylin and eosin.
    transfer : float
        Probability that a crop takes on the stain of another training tile (of any source), in part or whole.
    scale : float
        Pixel sizes are drawn from 1/(1+scale) .. 1+scale times the true one; 1: from half to double.
    resolution_factor : float
        ``resolution`` shrinks the image by up to this and enlarges it again: a coarser scanner.
    jpeg_quality : tuple of two int
        Range of the quality of ``jpeg``.
    noise_levels : float
        Largest standard deviation of ``noise``, in grey levels.
    """

    elastic: float = 0.5
    elastic_px: float = 2.5
    rotation: float = 0.5
    rotation_deg: float = 35.0
    flip: float = 0.5
    brightness_contrast: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    blur: float = 0.15
    stain: float = 0.5
    stain_strength: float = 0.15
    transfer: float = 0.0
    scale: float = 0.25
    resolution: float = 0.15
    resolution_factor: float = 2.0
    jpeg: float = 0.0
    jpeg_quality: tuple[int, int] = (40, 95)
    noise: float = 0.0
    noise_levels: float = 6.0

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            _require(0 <= getattr(self, name) <= 1, f"augment.{name} is a probability, 0..1.")
        _require(0 <= self.scale <= 1 and self.resolution_factor >= 1, "augment.scale must lie in 0..1.")
        low, high = self.jpeg_quality
        _require(1 <= low <= high <= 100, "augment.jpeg_quality must be two numbers of 1..100, the lower first.")


@dataclass(frozen=True, kw_only=True)
class OptimiserSettings:
    """How weights move.

    Attributes
    ----------
    name : {"adamw", "adam", "sgd"}
    learning_rate, weight_decay : float
    schedule : {"onecycle", "cosine", "step", "thirds", "constant"}
        ``step``: ×0.1 at half of the steps, as published; ``thirds``: ×0.1 after each third (the thesis).
    clip_norm : float
        Gradient norm above which gradients are scaled down; 0 switches it off.
    ema_decay : float
        Decay of the averaged weights that are validated and kept; 0 switches averaging off.
    """

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    schedule: Literal["onecycle", "cosine", "step", "thirds", "constant"] = "onecycle"
    clip_norm: float = 5.0
    ema_decay: float = 0.99

    def __post_init__(self) -> None:
        _require(self.name in ("adamw", "adam", "sgd"), "optimiser.name must be adamw, adam or sgd.")
        _require(
            self.schedule in ("onecycle", "cosine", "step", "thirds", "constant"), "optimiser.schedule is not known."
        )
        _require(self.learning_rate > 0 and 0 <= self.ema_decay < 1, "optimiser.learning_rate must be positive.")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole run.

    Attributes
    ----------
    name : str
        Name of the model it makes.
    tasks : tuple of TaskSpec
    pixel_size_um : float
        The model grid.
    task_pixel_size_um : mapping of task to float
        Model grids of tasks that have another; a batch holds tasks of one grid.
    steps, validate_every, checkpoint_every_s : int
        Batches in all; batches between validations; seconds between checkpoints.
    split : tuple of three floats
        Shares of patients for train, validation, test.
    split_file : str
        Split to use instead, beside the config file.
    allow_leaks : bool
        Train on a split with patients or near-duplicates on two sides; every report says so.
    sampling : {"fixed", "mixed"}
        ``fixed``: a batch holds one batch kind's tiles; ``mixed``: every batch holds tiles of all kinds.
    balance : float
        Tiles are drawn with weight (tiles in their category) ** -balance; 0 off, 1 all categories alike.
    keep_statistics : bool
        Normalisation statistics of all that came from the base model stay as they are.
    blend : float
        Share of the trained weights in what is validated and kept; the rest is the base model's (Wortsman et al. 2022).
    distillation : float
        Weight of a term that holds the dense heads to the base model's answers on drawn tissue (Li and Hoiem 2016);
        0: off. Needs ``keep_statistics`` and a frozen layer; heads that the base model lacks are left out.
    threads : int
        CPU threads; 0: as many as torch takes. Another number gives sums in another order, so other last digits.
    workers : int or None
        Processes that prepare batches; None: as ``prefetch.workers_for`` says. The batches are the same with any.
    early_stopping : EarlyStopping
    head_weights : mapping
        Loss weight of each task.
    dice_weight : float
        Weight of a soft Dice term beside the cross-entropy of instance heads (published: 0); type heads always have it.
    class_weights : mapping of type task to tuple of float
        Weight of each class but the background in that head's loss.
    tissue_weighting : {"none", "weighted", "logit_adjustment"}
        Against rare tissue classes: cross-entropy weighted by 1 / frequency, or logits shifted by log frequency while
        training (Menon et al. 2021); frequencies are those that batches are drawn with, so ``balance`` counts.
    start : str
        ``scratch``, ``imagenet``, or the name or path of a model or encoder-only file to start from.
    start_sha256 : str
        SHA-256 that the weights of the model in ``start`` must have; "" for any.
    train_from_layer : int
        Encoder layers from this one on train: 1 all, 2 .. 4 fewer, 5 none (the thesis's transfer protocols).
    train_decoder_from_block : int
        Blocks of the decoders from this one on train: 1 all, 2 .. 4 fewer, 5 heads only. Earlier blocks keep weights
        and normalisation statistics, as does what the decoders share. A decoder that the base model lacks trains whole.
    cache_features : bool
        Compute what is frozen once for every tile and view and train on what was kept; needs a frozen layer.
    cache_views : int
        With the cache: how many seeded augmentations of each tile there are.
    cache_memory_mb : int
        With the cache: what is kept beyond this much memory goes to disk, in the run folder, until the run ends.
    """

    name: str
    seed: int
    sources: tuple[SourceSettings, ...]
    batches: tuple[BatchSettings, ...]
    tasks: tuple[TaskSpec, ...]
    pixel_size_um: float
    steps: int
    task_pixel_size_um: Mapping[str, float] = field(default_factory=dict)
    tissue_window_cells: int = 9
    validate_every: int = 200
    validation_tiles: int = 200
    checkpoint_every_s: int = 120
    split: tuple[float, float, float] = (0.7, 0.1, 0.2)
    split_file: str = ""
    allow_leaks: bool = False
    sampling: Literal["fixed", "mixed"] = "fixed"
    balance: float = 0.5
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    threads: int = 0
    workers: int | None = None
    keep_statistics: bool = False
    blend: float = 1.0
    distillation: float = 0.0
    early_stopping: EarlyStopping = field(default_factory=EarlyStopping)
    start: str = "scratch"
    start_sha256: str = ""
    train_from_layer: int = 1
    train_decoder_from_block: int = 1
    cache_features: bool = False
    cache_views: int = 4
    cache_memory_mb: int = 1024
    dice_weight: float = 0.0
    label_smoothing: float = 0.0
    head_weights: Mapping[str, float] = field(
        default_factory=lambda: {LUMINA: 1.5, GLANDS: 1.4, NUCLEI: 1.0, "gland_types": 1.0, "tissue": 0.4}
    )
    class_weights: Mapping[str, tuple[float, ...]] = field(
        default_factory=lambda: {"nuclei_types": (12.0, 1.0, 2.0, 6.0, 12.0, 2.0)}
    )
    tissue_weighting: Literal["none", "weighted", "logit_adjustment"] = "none"
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    data_root: str = ""

    def __post_init__(self) -> None:
        keys = {task.key for task in self.tasks}
        for name in ("name", "start", "start_sha256", "split_file", "data_root", "device"):
            _require(_is_plain(getattr(self, name)), f"{name} must be a text without control characters.")
        _require(self.steps >= 1 and self.validate_every >= 1, "steps and validate_every must be positive.")
        _require(self.sampling in ("fixed", "mixed"), "sampling must be 'fixed' or 'mixed'.")
        _require(
            abs(sum(self.split) - 1) < 1e-6 and min(self.split) >= 0,
            "split must be three shares that sum to 1.",
        )
        _require(
            self.tissue_weighting in ("none", "weighted", "logit_adjustment"),
            "tissue_weighting must be 'none', 'weighted' or 'logit_adjustment'.",
        )
        for task in self.tasks:
            given = self.class_weights.get(task.key)
            _require(
                given is None or (len(given) == len(task.classes) - 1 and min(given) > 0),
                f"class_weights.{task.key} must be {len(task.classes) - 1} positive numbers, one for each class.",
            )
        _require(1 <= self.train_from_layer <= 5, "train_from_layer must lie in 1..5.")
        _require(1 <= self.train_decoder_from_block <= 5, "train_decoder_from_block must lie in 1..5.")
        _require(self.cache_views >= 1 and self.cache_memory_mb >= 0, "cache_views must be 1 or more.")
        _require(
            not self.cache_features or self.train_from_layer > 1,
            "cache_features needs frozen layers: set train_from_layer to 2 .. 5.",
        )
        _require(0 < self.blend <= 1, "blend must lie in 0..1, above 0.")
        _require(self.distillation >= 0, "distillation must not be negative.")
        _require(
            not self.distillation or (self.keep_statistics and self.train_from_layer > 1 and self.has_base),
            "distillation needs a model to start from, keep_statistics = true and train_from_layer of 2 .. 5.",
        )
        _require(self.threads >= 0 and (self.workers or 0) >= 0, "threads and workers must not be negative.")
        for where, wanted in [(s.name, s.tasks) for s in self.sources] + [("batch", b.tasks) for b in self.batches]:
            unknown = set(wanted) - keys
            _require(not unknown, f"{where}: tasks {sorted(unknown)} are not among the model's {sorted(keys)}.")
        _require(bool(self.sources) and bool(self.batches), "A run needs a source and a batch kind.")
        self._check_grids()
        _require(
            self.early_stopping.at_step <= self.steps, f"early_stopping.at_step must not be above steps ({self.steps})."
        )

    def _check_grids(self) -> None:
        unknown = set(self.task_pixel_size_um) - {task.key for task in self.tasks}
        _require(not unknown, f"task_pixel_size_um: {sorted(unknown)} are not among the model's tasks.")
        _require(min(self.task_pixel_size_um.values(), default=1.0) > 0, "task_pixel_size_um must be positive.")
        for batch in self.batches:
            strangers = sorted(set(batch.weights) - {source.name for source in self.sources})
            _require(not strangers, f"batch.weights names {strangers}, which are no sources.")
            _require(len(self.grids(batch.tasks)) == 1, f"The batch of {', '.join(batch.tasks)} needs one pixel size.")
        mixed = [key for batch in self.batches for key in batch.tasks] if self.sampling == "mixed" else []
        _require(len(self.grids(mixed)) <= 1, "sampling = 'mixed' needs one pixel size for all tasks.")

    def pixel_size_of(self, task: str) -> float:
        """Model grid of a task, µm."""
        return self.task_pixel_size_um.get(task, self.pixel_size_um)

    def grids(self, tasks: Iterable[str]) -> dict[float, tuple[str, ...]]:
        """Tasks by their pixel size."""
        found: dict[float, tuple[str, ...]] = {}
        for task in tasks:
            size = self.pixel_size_of(task)
            found[size] = (*found.get(size, ()), task)
        return found

    @property
    def has_base(self) -> bool:
        """Whether it starts from a whole model (not from scratch, ImageNet or an encoder-only file)."""
        return self.start not in ("scratch", "imagenet") and not Path(self.start).is_file()

    def root(self, config_folder: Path) -> Path:
        """Folder that source paths start from: the environment's, else ``data_root`` beside the config file."""
        return Path(os.environ.get(DATA_ROOT_VARIABLE) or config_folder / self.data_root)


def read_config(path: Path) -> TrainConfig:
    """Read and check a TOML file.

    Raises
    ------
    SettingsError
        Names the file and the field.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise SettingsError(f"{path} cannot be read as TOML: {error}") from error
    try:
        return _config(data)
    except (SettingsError, TypeError, KeyError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SettingsError(f"{path}: {reason[:_LONGEST_REASON]}") from error


def _config(data: dict[str, Any]) -> TrainConfig:
    sources = tuple(_settings(SourceSettings, item, "source") for item in data.pop("source"))
    batches = tuple(_settings(BatchSettings, item, "batch") for item in data.pop("batch"))
    data["tasks"] = tuple(_task(key, data.get("tissue_classes")) for key in data["tasks"])
    data.pop("tissue_classes", None)
    for name, kind in (
        ("optimiser", OptimiserSettings),
        ("augment", AugmentSettings),
        ("early_stopping", EarlyStopping),
    ):
        data[name] = _settings(kind, data.get(name, {}), name)
    if isinstance(weights := data.get("class_weights"), dict):
        data["class_weights"] = {key: tuple(value) for key, value in weights.items()}
    return _settings(TrainConfig, {**data, "sources": sources, "batches": batches}, "run")  # type: ignore[no-any-return]


def _task(key: str, tissue_classes: list[str] | None) -> TaskSpec:
    if key == "tissue":
        return TaskSpec(key=key, kind="tissue", classes=tuple(tissue_classes or EBHI_CLASSES))
    return next((task for task in CERBERUS_TASKS if task.key == key and task.kind == "types"), None) or instances(key)


def _settings(kind: Any, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise SettingsError(f"{where} must be a table.")
    known = {item.name for item in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise SettingsError(f"{where} has unknown fields {unknown}; known are {sorted(known)}.")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise SettingsError(message)
