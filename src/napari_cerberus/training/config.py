"""A whole training run as one value: what to learn, from which data, and how. It is checked when it is made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from ..tasks import GLANDS, LUMINA, NUCLEI, TaskSpec
from .early_stopping import EarlyStopping
from .run_settings import STRICT, AugmentSettings, BatchSettings, OptimiserSettings, SourceSettings, is_plain, require

DATA_ROOT_VARIABLE = "CERBERUS_DATA"


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
    blend_shares : tuple of float
        Shares of the trained weights that are tried on the validation tiles once training is over, as a user would
        see them; the best is kept, or the base model's weights where none is better (``engine.share_search``).
        Empty: ``blend`` stands.
    folds : int
        With ``blend_shares``: so many models share the steps, each without some of the patients of both sides; these
        choose the share, and the mean of the models is kept (``engine.folds``). 0: one model, and the validation side
        chooses.
    most_forgotten : float or None
        With ``blend_shares``: shares that cost more of the old domain's Dice than this are not kept.
    keep_answers : float
        Weight of a term that holds tasks that no batch teaches to the base model's answers on the training tiles.
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

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: str
    seed: int
    sources: Annotated[tuple[SourceSettings, ...], Field(validation_alias="source")]
    batches: Annotated[tuple[BatchSettings, ...], Field(validation_alias="batch")]
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
    blend_shares: tuple[float, ...] = ()
    folds: int = 0
    most_forgotten: float | None = None
    keep_answers: float = 0.0
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
        self._check_course()
        self._check_base()
        self._check_classes()
        self._check_tasks()
        self._check_grids()

    def _check_course(self) -> None:
        for name in ("name", "start", "start_sha256", "split_file", "data_root", "device"):
            require(is_plain(getattr(self, name)), f"{name} must be a text without control characters.")
        require(self.steps >= 1 and self.validate_every >= 1, "steps and validate_every must be positive.")
        require(self.sampling in ("fixed", "mixed"), "sampling must be 'fixed' or 'mixed'.")
        require(
            abs(sum(self.split) - 1) < 1e-6 and min(self.split) >= 0,
            "split must be three shares that sum to 1.",
        )
        require(self.threads >= 0 and (self.workers or 0) >= 0, "threads and workers must not be negative.")
        require(
            self.early_stopping.at_step <= self.steps, f"early_stopping.at_step must not be above steps ({self.steps})."
        )

    def _check_base(self) -> None:
        require(1 <= self.train_from_layer <= 5, "train_from_layer must lie in 1..5.")
        require(1 <= self.train_decoder_from_block <= 5, "train_decoder_from_block must lie in 1..5.")
        require(self.cache_views >= 1 and self.cache_memory_mb >= 0, "cache_views must be 1 or more.")
        require(
            not self.cache_features or self.train_from_layer > 1,
            "cache_features needs frozen layers: set train_from_layer to 2 .. 5.",
        )
        require(0 < self.blend <= 1, "blend must lie in 0..1, above 0.")
        require(
            not self.blend_shares or (self.has_base and min(self.blend_shares) > 0 and max(self.blend_shares) <= 1),
            "blend_shares must lie in 0..1, above 0, and need a model to start from.",
        )
        require(self.folds == 0 or 2 <= self.folds <= self.steps, "folds must be 0, or 2 or more and not above steps.")
        require(not self.folds or bool(self.blend_shares), "folds needs blend_shares.")
        require(self.most_forgotten is None or self.most_forgotten >= 0, "most_forgotten must not be negative.")
        require(self.keep_answers >= 0, "keep_answers must not be negative.")
        require(not self.keep_answers or self.has_base, "keep_answers needs a model to start from.")
        require(self.distillation >= 0, "distillation must not be negative.")
        require(
            not self.distillation or (self.keep_statistics and self.train_from_layer > 1 and self.has_base),
            "distillation needs a model to start from, keep_statistics = true and train_from_layer of 2 .. 5.",
        )

    def _check_classes(self) -> None:
        require(
            self.tissue_weighting in ("none", "weighted", "logit_adjustment"),
            "tissue_weighting must be 'none', 'weighted' or 'logit_adjustment'.",
        )
        for task in self.tasks:
            given = self.class_weights.get(task.key)
            require(
                given is None or (len(given) == len(task.classes) - 1 and min(given) > 0),
                f"class_weights.{task.key} must be {len(task.classes) - 1} positive numbers, one for each class.",
            )

    def _check_tasks(self) -> None:
        keys = {task.key for task in self.tasks}
        for where, wanted in [(s.name, s.tasks) for s in self.sources] + [("batch", b.tasks) for b in self.batches]:
            unknown = set(wanted) - keys
            require(not unknown, f"{where}: tasks {sorted(unknown)} are not among the model's {sorted(keys)}.")
        require(bool(self.sources) and bool(self.batches), "A run needs a source and a batch kind.")

    def _check_grids(self) -> None:
        unknown = set(self.task_pixel_size_um) - {task.key for task in self.tasks}
        require(not unknown, f"task_pixel_size_um: {sorted(unknown)} are not among the model's tasks.")
        require(min(self.task_pixel_size_um.values(), default=1.0) > 0, "task_pixel_size_um must be positive.")
        for batch in self.batches:
            strangers = sorted(set(batch.weights) - {source.name for source in self.sources})
            require(not strangers, f"batch.weights names {strangers}, which are no sources.")
            require(len(self.grids(batch.tasks)) == 1, f"The batch of {', '.join(batch.tasks)} needs one pixel size.")
        mixed = [key for batch in self.batches for key in batch.tasks] if self.sampling == "mixed" else []
        require(len(self.grids(mixed)) <= 1, "sampling = 'mixed' needs one pixel size for all tasks.")

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
