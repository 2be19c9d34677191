"""A network with the Cerberus class's face and next to no weights, for tests that run it often.

It calls dark pixels objects and grey ones contour, and lets everything it can see have a small say. All its weights
are small fractions of powers of two, so sums in float64 are exact in any order: with ``EXACT`` as the runtime, tiled
and untiled answers can be compared bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_cerberus.inference.device import Runtime
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.network import Steps
from napari_cerberus.model.spec import STRIDE_PX, ModelSpec
from napari_cerberus.tasks import GLANDS, LUMINA, NUCLEI, TaskSpec, instances

TINY_TASKS = (
    instances(LUMINA),
    instances(GLANDS),
    instances(NUCLEI),
    TaskSpec(key="nuclei_types", kind="types", classes=("background", "round", "long"), types_of=NUCLEI),
    TaskSpec(key="tissue", kind="tissue", classes=("calm", "wild")),
)
_CHANNELS = 4


class TinyTissueHead(nn.Module):
    """Window average and one 1×1 convolution."""

    def __init__(self, classes: int, window_cells: int) -> None:
        super().__init__()
        self.window_cells = window_cells
        self.conv = nn.Conv2d(_CHANNELS, classes, 1)

    def classify(self, pooled: Tensor) -> Tensor:
        """Logits of averaged features."""
        return self.conv(pooled)

    def forward(self, deepest: Tensor) -> Tensor:
        return self.classify(F.adaptive_avg_pool2d(deepest, 1))


class TinyNetwork(nn.Module):
    """Two levels, full size and 1/16, with zero-padded 3×3 convolutions and a bilinear way up.

    A deepest cell sees the cells beside it and 1 px more, up to 32 px from its first pixel; a pixel needs one cell
    beside its own.
    """

    encoder_reach_px = 32
    decoder_reach_px = 16

    def __init__(self, tasks: Iterable[TaskSpec] = TINY_TASKS, *, seed: int = 1, tissue_window_cells: int = 3) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.stem = nn.Conv2d(3, _CHANNELS, 3, padding=1)
        self.deep = nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1)
        dense = [task for task in self.tasks if task.kind != "tissue"]
        self.decoders = nn.ModuleDict({task.key: nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1) for task in dense})
        self.heads = nn.ModuleDict({task.key: nn.Conv2d(_CHANNELS, task.channels, 1) for task in dense})
        for task in self.tasks:
            if task.kind == "tissue":
                self.heads[task.key] = TinyTissueHead(task.channels, tissue_window_cells)
        self._fill(seed)

    @property
    def tissue_task(self) -> TaskSpec | None:
        """The tissue task, if there is one."""
        return next((task for task in self.tasks if task.kind == "tissue"), None)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features at full size and at 1/16."""
        top = F.relu(self.stem(image / 64.0))
        return top, F.relu(self.deep(F.avg_pool2d(top, STRIDE_PX)))

    def decode(self, features: Sequence[Tensor], keys: Iterable[str]) -> dict[str, Tensor]:
        """Logits of the named tasks."""
        top, deepest = features
        result = {}
        for key in keys:
            if key in self.decoders:
                up = F.interpolate(deepest, scale_factor=STRIDE_PX, mode="bilinear", align_corners=False)
                result[key] = self.heads[key](F.relu(self.decoders[key](up + top)))
            else:
                result[key] = self.heads[key](deepest)
        return result

    def encode_in_steps(self, image: Tensor) -> Steps[tuple[Tensor, ...]]:
        """As ``encode``."""
        yield from ()
        return self.encode(image)

    def decode_in_steps(self, features: Sequence[Tensor], key: str) -> Steps[Tensor]:
        """As ``decode``, of one task."""
        yield from ()
        return self.decode(features, [key])[key]

    def forward(self, image: Tensor, keys: Iterable[str] | None = None) -> dict[str, Tensor]:
        return self.decode(self.encode(image), [task.key for task in self.tasks] if keys is None else keys)

    def _fill(self, seed: int) -> None:
        """A fixed rule for darkness, in channel 0, and random fractions elsewhere."""
        rng = np.random.default_rng(seed)
        for name, parameter in self.named_parameters():
            unit = 1 / 64 if name.startswith("deep") else 1 / 32
            values = rng.integers(-4, 5, tuple(parameter.shape)) * unit
            parameter.data = torch.from_numpy(values.astype(np.float32))
        self.stem.weight.data[0] = 0.0
        self.stem.weight.data[0, :, 1, 1] = -torch.tensor([0.25, 0.5, 0.25])
        self.stem.bias.data[0] = 4.0
        for task in self.tasks:
            if task.key in self.decoders:
                self.decoders[task.key].weight.data[0, 0, 1, 1] += 1.0
            if task.kind == "instances":
                head = self.heads[task.key]
                head.weight.data[:, 0, 0, 0] = torch.tensor([0.0, 4.0, 2.0])
                head.bias.data = torch.tensor([8.0, 0.0, 2.5])
            elif task.kind == "types":
                head = self.heads[task.key]
                head.weight.data *= 16.0
                head.weight.data[:, 0, 0, 0] = torch.tensor([0.0, 0.5, 0.5])[: task.channels]
                head.bias.data.zero_()
            else:
                self.heads[task.key].conv.weight.data *= 16.0


EXACT = Runtime(device=torch.device("cpu"), dtype=torch.float64, reason="exact, for tests")


def spotted(shape: tuple[int, int], *, seed: int = 0, spots: int = 12, radius_px: float = 9.0) -> np.ndarray:
    """A pink picture with dark round spots of different sizes, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    dark = np.zeros(shape)
    for _ in range(spots):
        centre = rng.uniform(0, shape)
        radius = rng.uniform(0.4, 1.0) * radius_px
        dark = np.maximum(dark, np.clip(1.5 * radius - np.hypot(y - centre[0], x - centre[1]), 0, 4) / 4)
    tint = np.array([110.0, 170.0, 90.0])
    return (np.array([235.0, 205.0, 225.0]) - dark[..., None] * tint - rng.uniform(0, 12, (*shape, 1))).astype(np.uint8)


def tiny_model(
    tasks: Sequence[TaskSpec] = TINY_TASKS,
    *,
    pixel_size_um: float = 0.5,
    seed: int = 1,
    tissue_window_cells: int = 3,
    sha256: str = "",
    task_pixel_size_um: Mapping[str, float] | None = None,
) -> Model:
    """A model around a ``TinyNetwork``; without a SHA-256 its network is prepared afresh for every run."""
    spec = ModelSpec(
        name="tiny",
        tasks=tuple(tasks),
        pixel_size_um=pixel_size_um,
        task_pixel_size_um=task_pixel_size_um or {},
        tissue_window_cells=tissue_window_cells,
    )
    network = TinyNetwork(tasks, seed=seed, tissue_window_cells=tissue_window_cells)
    return Model(network=network.eval(), spec=spec, sha256=sha256)  # type: ignore[arg-type]
