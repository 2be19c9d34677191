"""Networks that ours is compared with: U-Net, SegNet, MedT, and a Swin transformer.

They have the face of ``Cerberus`` as far as training, validation and annotation need it, and predict one instance task
with our three channels, so that targets, loss, augmentation, cutting and scoring are the same for all. All start from
random weights, as in the thesis.

- **U-Net** (Ronneberger et al. 2015): 64 to 1,024 channels, padded convolutions with batch normalisation.
- **SegNet** (Badrinarayanan et al. 2017): thirteen convolutions of VGG16 down, the same up, unpooled by the places of
  the maxima.
- **MedT** (Valanarasu et al. 2021): ``medt.py``, at its published side of 128 px; tiles are brought there whole.
- **Swin-U**: torchvision's Swin-T (Liu et al. 2021) with a convolutional decoder over its four scales, a transformer
  that a processor can train.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import swin_t

from medt import MedT
from napari_cerberus.model.network import Steps
from napari_cerberus.tasks import TaskSpec


def _convolutions(*channels: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for before, after in pairwise(channels):
        parts += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*parts)


class UNet(nn.Module):
    """(N, 3, H, W), 0..1 → (N, channels, H, W)."""

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        sizes = [width * 2**level for level in range(5)]
        befores = [3, *sizes[:-1]]
        self.down = nn.ModuleList(_convolutions(b, s, s) for b, s in zip(befores, sizes, strict=True))
        self.widen = nn.ModuleList(nn.ConvTranspose2d(2 * s, s, 2, stride=2) for s in reversed(sizes[:-1]))
        self.up = nn.ModuleList(_convolutions(2 * s, s, s) for s in reversed(sizes[:-1]))
        self.last = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for widen, block, skip in zip(self.widen, self.up, reversed(skips[:-1]), strict=True):
            x = block(torch.cat([skip, widen(x)], dim=1))
        return self.last(x)


class SegNet(nn.Module):
    """(N, 3, H, W), 0..1 → (N, channels, H, W)."""

    _STAGES = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_convolutions(*stage) for stage in self._STAGES)
        ups = [tuple(reversed(stage)) for stage in reversed(self._STAGES)]
        self.up = nn.ModuleList(_convolutions(*(stage[:-1] if stage[-1] == 3 else stage)) for stage in ups)
        self.last = nn.Conv2d(64, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        places = []
        for block in self.down:
            x = block(x)
            size = x.shape[-2:]
            x, place = F.max_pool2d(x, 2, return_indices=True)
            places.append((place, size))
        for block, (place, size) in zip(self.up, reversed(places), strict=True):
            x = block(F.max_unpool2d(x, place, 2, output_size=list(size)))
        return self.last(x)


class SwinU(nn.Module):
    """(N, 3, H, W), 0..1 → (N, channels, H, W)."""

    _SCALES = (96, 192, 384, 768)

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.trunk = swin_t(weights=None).features
        self.stem = _convolutions(3, width, width)
        self.sides = nn.ModuleList(nn.Conv2d(size, width, 1) for size in self._SCALES)
        self.up = nn.ModuleList(_convolutions(width, width, width) for _ in range(4))
        self.last = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips, deep = [self.stem(x)], x
        for number, block in enumerate(self.trunk):
            deep = block(deep)
            if number % 2:  # every second block is a stage; the others merge patches
                skips.append(self.sides[number // 2](deep.permute(0, 3, 1, 2)))
        *finer, y = skips
        for block, skip in zip(self.up, reversed(finer), strict=True):
            y = block(F.interpolate(y, size=skip.shape[-2:], mode="bilinear", align_corners=False) + skip)
        return self.last(y)


class Floor(nn.Module):
    """Calls every pixel the inside of an object: (N, 3, H, W) → (N, channels, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("answer", 20.0 * torch.eye(channels)[1])

    def forward(self, x: Tensor) -> Tensor:
        return self.answer[None, :, None, None].to(x.dtype).expand(len(x), -1, *x.shape[-2:])


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "unet": UNet,
    "segnet": SegNet,
    "medt": MedT,
    "swinu": SwinU,
    "floor": Floor,
}


class OneTask(nn.Module):
    """A network for one instance task, with the face of ``Cerberus``: its encoder is the whole network.

    Parameters
    ----------
    kind : str
        Key of ``NETWORKS``.
    task : TaskSpec
    """

    encoder_reach_px = 256
    decoder_reach_px = 0
    tissue_task = None

    def __init__(self, kind: str, task: TaskSpec) -> None:
        super().__init__()
        self.tasks = (task,)
        self.network = NETWORKS[kind](task.channels)
        self.decoders = nn.ModuleDict({task.key: nn.Identity()})
        self.heads = nn.ModuleDict({task.key: nn.Identity()})

    def progressed(self, share: float) -> None:
        """Tell the network how much of its training is done, 0..1, where that changes anything."""
        if isinstance(self.network, MedT):
            self.network.progressed(share)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Logits of (N, 3, H, W) RGB 0..255."""
        return (self.network(image / 255.0),)

    def decode(self, features: Sequence[Tensor], keys: Iterable[str]) -> dict[str, Tensor]:
        """The same logits, by task."""
        return dict.fromkeys(keys, features[0])

    def encode_in_steps(self, image: Tensor) -> Steps[tuple[Tensor, ...]]:
        """As ``encode``."""
        yield from ()
        return self.encode(image)

    def decode_in_steps(self, features: Sequence[Tensor], key: str) -> Steps[Tensor]:
        """As ``decode``, of one task."""
        yield from ()
        return features[0]

    def forward(self, image: Tensor, keys: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Logits by task."""
        return self.decode(self.encode(image), [task.key for task in self.tasks] if keys is None else keys)
