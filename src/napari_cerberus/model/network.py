"""The Cerberus network (Graham et al. 2023, Med Image Anal 83:102685), composed from small modules.

A shared ResNet34 encoder, one U-shaped decoder and output head per dense task, and a tissue head on the deepest
features. Images are NCHW, RGB, 0..255, any float dtype; the network divides by 255 itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SettingsError
from ..tasks import TaskSpec
from .spec import STRIDE_PX, TISSUE_WINDOW_CELLS

_SKIP_CHANNELS = (64, 64, 128, 256, 512)
_REDUCED_CHANNELS = 256
_DECODER_CHANNELS = ((256, 128), (128, 64), (64, 64), (64, 64))
_HEAD_CHANNELS = 96
_TISSUE_HIDDEN_CHANNELS = 256
_TISSUE_DROPOUT = 0.3
LAST_LAYER = 4
LAST_BLOCK = len(_DECODER_CHANNELS)


Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""A computation that can be stopped, by closing it, between two of its parts."""


def finish(steps: Steps[Result]) -> Result:
    """Run a computation to its end without a stop."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """torchvision's ResNet34 with its first convolution at stride 1 and without its classifier.

    ``forward`` maps (N, 3, H, W), 0..1, to five feature maps: 64 channels at full size, then 64, 128, 256 and 512
    channels at 1/2, 1/4, 1/8 and 1/16.
    """

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet34

        trunk = resnet34(weights=None)
        trunk.conv1.stride = (1, 1)
        self.conv1, self.bn1, self.maxpool = trunk.conv1, trunk.bn1, trunk.maxpool
        self.layer1, self.layer2 = trunk.layer1, trunk.layer2
        self.layer3, self.layer4 = trunk.layer3, trunk.layer4
        self._trains_from = 1

    def freeze_before(self, layer: int) -> None:
        """Let only ``layer`` .. 4 train: 1 trains everything, the stem too; 5 trains nothing.

        Frozen parts also keep their normalisation statistics, and ``train()`` respects it.
        """
        if not 1 <= layer <= LAST_LAYER + 1:
            raise SettingsError(f"The encoder can train from layer 1 to {LAST_LAYER + 1}, not {layer}.")
        self._trains_from = layer
        for part in self.children():
            part.requires_grad_(True)
        for part in self._frozen_parts():
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Encoder:
        """As in torch, but frozen parts stay in evaluation mode."""
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        return self

    def _frozen_parts(self) -> list[nn.Module]:
        parts = [[self.conv1, self.bn1, self.layer1], [self.layer2], [self.layer3], [self.layer4]]
        return [part for group in parts[: self._trains_from - 1] for part in group]

    @property
    def trains_from(self) -> int:
        """First layer that trains; 5 where none does."""
        return self._trains_from

    def forward(self, image: Tensor, last: int = LAST_LAYER) -> tuple[Tensor, ...]:
        return self.go_on([self.stem(image)], last)

    def stem(self, image: Tensor) -> Tensor:
        """The first map, 64 channels at full size, of (N, 3, H, W), 0..1."""
        return _relu(self.bn1(self.conv1(image)))

    def go_on(self, maps: Sequence[Tensor], last: int = LAST_LAYER) -> tuple[Tensor, ...]:
        """Maps up to that of layer ``last`` from the first of them (one at least: the stem's)."""
        return finish(self.go_on_in_steps(maps, last))

    def go_on_in_steps(self, maps: Sequence[Tensor], last: int = LAST_LAYER) -> Steps[tuple[Tensor, ...]]:
        """As ``go_on``; yields after each block."""
        found = list(maps)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4)[len(found) - 1 : last]:
            x = self.maxpool(found[-1]) if len(found) == 1 else found[-1]
            for block in layer.children():
                x = block(x)
                yield
            found.append(x)
        return tuple(found)


def _relu(fresh: Tensor) -> Tensor:
    """ReLU of a map that nobody else holds: in its place where nothing is learned, which halves the memory."""
    return F.relu(fresh, inplace=not torch.is_grad_enabled())


class ConvBnRelu(nn.Module):
    """Convolution with bias, batch normalisation, ReLU; the size of the map stays."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return _relu(self.bn(self.conv(x)))


class Decoder(nn.Module):
    """Four blocks of bilinear ×2, add the skip, two 3×3 convolutions. (N, 256, H/16, W/16) → (N, 64, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        stages = []
        channels_in = _REDUCED_CHANNELS
        for middle, out in _DECODER_CHANNELS:
            stages.append(nn.Sequential(ConvBnRelu(channels_in, middle, 3), ConvBnRelu(middle, out, 3)))
            channels_in = out
        self.stages = nn.ModuleList(stages)
        self._trains_from = 1

    @property
    def trains_from(self) -> int:
        """First block that trains; 5 where none does."""
        return self._trains_from

    def freeze_before(self, block: int) -> None:
        """Let only ``block`` .. 4 train: 1 trains all, 5 nothing; frozen blocks keep their statistics too."""
        if not 1 <= block <= LAST_BLOCK + 1:
            raise SettingsError(f"A decoder can train from block 1 to {LAST_BLOCK + 1}, not {block}.")
        self._trains_from = block
        for number, stage in enumerate(self.stages, start=1):
            stage.requires_grad_(number >= block)
        self.train(self.training)

    def train(self, mode: bool = True) -> Decoder:
        """As in torch, but frozen blocks stay in evaluation mode."""
        super().train(mode)
        for stage in self.stages[: self._trains_from - 1]:
            stage.eval()
        return self

    def forward(self, deepest: Tensor, skips: Sequence[Tensor]) -> Tensor:
        return self.run(deepest, skips)

    def run(self, x: Tensor, skips: Sequence[Tensor], first: int = 1, last: int = LAST_BLOCK) -> Tensor:
        """Blocks ``first`` .. ``last`` on what enters the first of them; ``skips`` are the maps at 1/1, 1/2, ..."""
        return finish(self.run_in_steps(x, skips, first, last))

    def run_in_steps(self, x: Tensor, skips: Sequence[Tensor], first: int = 1, last: int = LAST_BLOCK) -> Steps[Tensor]:
        """As ``run``; yields after each convolution."""
        for number in range(first, last + 1):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) + skips[LAST_BLOCK - number]
            for convolution in self.stages[number - 1].children():
                x = convolution(x)
                yield
        return x


class TissueHead(nn.Module):
    """Window average of the deepest features, then BN-ReLU-dropout-1×1-BN-ReLU-1×1 (the published Patch-Class head).

    Parameters
    ----------
    classes : int
        Number of tissue classes.
    window_cells : int
        Side of the averaged window in cells of ``STRIDE_PX`` px.
    """

    def __init__(self, classes: int, window_cells: int = TISSUE_WINDOW_CELLS) -> None:
        super().__init__()
        self.window_cells = window_cells
        channels = _SKIP_CHANNELS[-1]
        self.bn1 = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(_TISSUE_DROPOUT)
        self.conv1 = nn.Conv2d(channels, _TISSUE_HIDDEN_CHANNELS, 1)
        self.bn2 = nn.BatchNorm2d(_TISSUE_HIDDEN_CHANNELS)
        self.conv2 = nn.Conv2d(_TISSUE_HIDDEN_CHANNELS, classes, 1)

    def forward(self, deepest: Tensor) -> Tensor:
        """Logits (N, classes, 1, 1) of the central window of (N, 512, h, w)."""
        return self.classify(self.pool(deepest))

    def pool(self, deepest: Tensor) -> Tensor:
        """Mean over the central window: (N, 512, h, w) → (N, 512, 1, 1)."""
        height, width = deepest.shape[-2:]
        top = max(0, (height - self.window_cells) // 2)
        left = max(0, (width - self.window_cells) // 2)
        window = deepest[..., top : top + self.window_cells, left : left + self.window_cells]
        return F.adaptive_avg_pool2d(window, 1)

    def classify(self, pooled: Tensor) -> Tensor:
        """Logits (N, classes, h, w) of averaged features (N, 512, h, w)."""
        x = self.dropout(F.relu(self.bn1(pooled)))
        return self.conv2(F.relu(self.bn2(self.conv1(x))))  # type: ignore[no-any-return]


class Cerberus(nn.Module):
    """The multi-task network.

    Parameters
    ----------
    tasks : iterable of TaskSpec
        What it predicts; one decoder and head per dense task, at most one tissue task.
    tissue_window_cells : int
        Window of the tissue head in cells of ``STRIDE_PX`` px.

    Raises
    ------
    SettingsError
        If two tasks share a key or there are two tissue tasks.
    """

    encoder_reach_px = 226
    """How far beyond a deepest cell's own pixel the encoder sees: 3 + 1 + 12 + 30 + 92 + 88 px, layer by layer."""

    decoder_reach_px = 48
    """How far beyond the wanted pixels the decoders need the features: 3 deepest cells."""

    def __init__(self, tasks: Iterable[TaskSpec], tissue_window_cells: int = TISSUE_WINDOW_CELLS) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        keys = [task.key for task in self.tasks]
        if len(set(keys)) != len(keys) or sum(task.kind == "tissue" for task in self.tasks) > 1:
            raise SettingsError(f"Tasks must have different keys and at most one tissue head, not {keys}.")
        self.encoder = Encoder()
        self.reduce = nn.Conv2d(_SKIP_CHANNELS[-1], _REDUCED_CHANNELS, 1, bias=False)
        dense = [task for task in self.tasks if task.kind != "tissue"]
        self.decoders = nn.ModuleDict({task.key: Decoder() for task in dense})
        self.heads = nn.ModuleDict()
        for task in self.tasks:
            self.heads[task.key] = (
                TissueHead(task.channels, tissue_window_cells)
                if task.kind == "tissue"
                else nn.Sequential(
                    ConvBnRelu(_DECODER_CHANNELS[-1][-1], _HEAD_CHANNELS, 1),
                    nn.Conv2d(_HEAD_CHANNELS, task.channels, 1),
                )
            )

    @property
    def tissue_task(self) -> TaskSpec | None:
        """The tissue task, if there is one."""
        return next((task for task in self.tasks if task.kind == "tissue"), None)

    def encode(self, image: Tensor, last: int = LAST_LAYER) -> tuple[Tensor, ...]:
        """Feature maps, up to that of layer ``last``, of (N, 3, H, W) RGB 0..255; sides are multiples of 16 px."""
        self._check(image)
        return self.encoder(image / 255.0, last)  # type: ignore[no-any-return]

    def encode_in_steps(self, image: Tensor) -> Steps[tuple[Tensor, ...]]:
        """As ``encode``; yields so often that whoever waits can stop it."""
        self._check(image)
        stem = self.encoder.stem(image / 255.0)
        yield
        return (yield from self.encoder.go_on_in_steps([stem]))

    def decode_in_steps(self, features: Sequence[Tensor], key: str) -> Steps[Tensor]:
        """Logits of one dense task, as by ``decode``; yields so often that whoever waits can stop it."""
        *skips, deepest = features
        decoded = yield from cast(Decoder, self.decoders[key]).run_in_steps(self.reduce(deepest), skips)
        return self.heads[key](decoded)  # type: ignore[no-any-return]

    def _check(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        if image.ndim != 4 or image.shape[1] != 3 or height % STRIDE_PX or width % STRIDE_PX:
            raise SettingsError(
                f"The network takes (N, 3, H, W), sides multiples of {STRIDE_PX}, not {tuple(image.shape)}."
            )

    def decode(self, features: Sequence[Tensor], keys: Iterable[str]) -> dict[str, Tensor]:
        """Logits of the named tasks: (N, channels, H, W), or (N, classes, 1, 1) for the tissue head."""
        *skips, deepest = features
        wanted = list(keys)
        reduced = self.reduce(deepest) if any(key in self.decoders for key in wanted) else deepest
        return {
            key: self.heads[key](self.decoders[key](reduced, skips) if key in self.decoders else deepest)
            for key in wanted
        }

    def forward(self, image: Tensor, keys: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Logits of the named tasks (all by default) for RGB 0..255 images, (N, 3, H, W)."""
        return self.decode(self.encode(image), [task.key for task in self.tasks] if keys is None else keys)
