"""Parts of a training config: data sources, batches, augmentation and optimiser, each checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from pydantic import ConfigDict

from ..errors import SettingsError
from ..pixel_size import PixelSize
from ..tasks import LUMINA

SourceKind = Literal["ebhi", "pairs", "instances", "tiles", "negative", "painted"]
SOURCE_KINDS = get_args(SourceKind)
STRICT = ConfigDict(extra="forbid")
"""Of every settings class that is read from a file: a field that nobody knows is a mistake."""


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

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: str
    kind: SourceKind
    path: str
    tasks: tuple[str, ...]
    pixel_size_um: float | tuple[float, float] | None = None
    object_diameter_um: float | None = None
    use: Literal["all", "train"] = "all"
    folders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(self.kind in SOURCE_KINDS, f"source.kind must be one of {SOURCE_KINDS}, not {self.kind!r}.")
        for name in ("name", "path"):
            require(is_plain(getattr(self, name)), f"source.{name} must be a text without control characters.")
        require(self.use in ("all", "train"), f"source.use must be 'all' or 'train', not {self.use!r}.")
        by_objects = self.kind == "instances"
        require(
            by_objects or self.object_diameter_um is None,
            f"source {self.name!r}: object_diameter_um is for kind 'instances' alone; give pixel_size_um.",
        )
        stated = self.kind in ("pairs", "painted")
        known = self.pixel_size is not None or (self.object_diameter_um or 0) > 0 or stated
        wanted = "pixel_size_um or object_diameter_um" if by_objects else "pixel_size_um"
        require(known, f"source {self.name!r} needs {wanted}, in µm.")
        require(bool(self.tasks), f"source {self.name!r} needs at least one task.")
        require(
            not self.folders or self.kind == "negative", f"source {self.name!r}: folders is for kind 'negative' alone."
        )

    @property
    def weak_tasks(self) -> frozenset[str]:
        """Tasks whose labels a rule makes: lumina of EBHI-style trees (``targets.weak_lumina``)."""
        return frozenset({LUMINA}.intersection(self.tasks) if self.kind == "ebhi" else ())

    @property
    def pixel_size(self) -> PixelSize | None:
        """``pixel_size_um`` as a value; None where it is not stated."""
        sides = self.pixel_size_um
        if sides is None:
            return None
        pair = sides if isinstance(sides, tuple) else (sides, sides)
        require(len(pair) == 2, f"source {self.name!r}: pixel_size_um is one number, or height and width.")
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

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    tasks: tuple[str, ...]
    share: float = 1.0
    size: int = 8
    crop_px: int = 224
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.share > 0 and self.size >= 1, "batch.share and batch.size must be positive.")
        require(min(self.weights.values(), default=1.0) > 0, "batch.weights must be positive.")
        require(self.crop_px >= 16 and self.crop_px % 16 == 0, "batch.crop_px must be a multiple of 16.")


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

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

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
            require(0 <= getattr(self, name) <= 1, f"augment.{name} is a probability, 0..1.")
        require(0 <= self.scale <= 1 and self.resolution_factor >= 1, "augment.scale must lie in 0..1.")
        low, high = self.jpeg_quality
        require(1 <= low <= high <= 100, "augment.jpeg_quality must be two numbers of 1..100, the lower first.")


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

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    schedule: Literal["onecycle", "cosine", "step", "thirds", "constant"] = "onecycle"
    clip_norm: float = 5.0
    ema_decay: float = 0.99

    def __post_init__(self) -> None:
        require(self.name in ("adamw", "adam", "sgd"), "optimiser.name must be adamw, adam or sgd.")
        require(
            self.schedule in ("onecycle", "cosine", "step", "thirds", "constant"), "optimiser.schedule is not known."
        )
        require(self.learning_rate > 0 and 0 <= self.ema_decay < 1, "optimiser.learning_rate must be positive.")


def require(condition: bool, message: str) -> None:
    """Raises ``SettingsError`` with this message unless the condition holds."""
    if not condition:
        raise SettingsError(message)


def is_plain(value: Any) -> bool:
    """Whether a value is a text without control characters."""
    return isinstance(value, str) and value.isprintable()
