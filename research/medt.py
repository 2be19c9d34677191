"""MedT, the gated axial-attention network (Valanarasu et al. 2021, MICCAI, arXiv 2102.10662), from its description.

Written in our own words from the paper's design and the published code's sizes (MIT licence); differences: the patches
follow the input's side (a quarter of it; the published code is right for 128 px only), they run as one batch, and
convolutions that were made but never called are left out. It works at the side it was built for; any other image is
brought there and the logits are brought back.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_cerberus.errors import SettingsError

HEADS = 8
GRID = 4
"""The local branch sees the image as so many by so many patches."""
FROZEN_GATES_SHARE = 11 / 400
"""Gates learn after this share of the training: 11 of the published 400 epochs."""
_WIDTHS, _BLOCKS = (16, 32, 64, 128), (1, 2, 4, 1)
_GLOBAL_STEM, _LOCAL_STEM, _STEM = 8, 64, 128
_GATES = {"query": 0.1, "key": 0.1, "value_position": 0.1, "value": 1.0}


class AxialAttention(nn.Module):
    """Attention along one axis of (N, C, H, W); the other axis goes into the batch.

    Parameters
    ----------
    channels : int
        In and out, a multiple of 8 heads.
    length : int
        Of the axis; positions are learned for it.
    axis : {2, 3}
    positions : bool
        With relative positions and their four gates; without, plain attention.
    """

    def __init__(self, channels: int, length: int, axis: int, positions: bool) -> None:
        super().__init__()
        self.channels, self.length, self.axis = channels, length, axis
        self.deep = channels // HEADS
        self.qkv = nn.Conv1d(channels, 2 * channels, 1, bias=False)
        self.qkv_bn = nn.BatchNorm1d(2 * channels)
        nn.init.normal_(self.qkv.weight, std=math.sqrt(1 / channels))
        self.score_bn = nn.BatchNorm2d(3 * HEADS if positions else HEADS)
        self.value_bn = nn.BatchNorm1d(2 * channels if positions else channels)
        self.positions: nn.Parameter | None = None
        if positions:
            table = torch.randn(2 * self.deep, 2 * length - 1) * math.sqrt(1 / self.deep)
            self.positions = nn.Parameter(table)
            steps = torch.arange(length)
            self.register_buffer("offsets", steps[:, None] - steps[None, :] + length - 1, persistent=False)
            self.gates = nn.ParameterDict({name: nn.Parameter(torch.tensor(v)) for name, v in _GATES.items()})

    def forward(self, x: Tensor) -> Tensor:
        turned = x.permute(0, 2, 3, 1) if self.axis == 3 else x.permute(0, 3, 2, 1)  # (N, other, axis, C)
        batch, other, length, _channels = turned.shape
        rows = turned.reshape(batch * other, length, self.channels).transpose(1, 2)
        out = self._attend(rows).transpose(1, 2).reshape(batch, other, length, self.channels)
        return out.permute(0, 3, 1, 2) if self.axis == 3 else out.permute(0, 3, 2, 1)

    def _attend(self, rows: Tensor) -> Tensor:
        """(B, C, L) → (B, C, L)."""
        heads = self.qkv_bn(self.qkv(rows)).reshape(len(rows), HEADS, 2 * self.deep, self.length)
        query, key, value = heads.split([self.deep // 2, self.deep // 2, self.deep], dim=2)
        alike = torch.einsum("bgci,bgcj->bgij", query, key)
        if self.positions is None:
            shares = self.score_bn(alike).softmax(dim=-1)
            return self.value_bn(torch.einsum("bgij,bgcj->bgci", shares, value).reshape(rows.shape))
        near = self.positions[:, self.offsets]
        near_query, near_key, near_value = near.split([self.deep // 2, self.deep // 2, self.deep])
        by_query = torch.einsum("bgci,cij->bgij", query, near_query) * self.gates["query"]
        by_key = torch.einsum("bgci,cij->bgij", key, near_key).transpose(2, 3) * self.gates["key"]
        scores = self.score_bn(torch.cat([alike, by_query, by_key], dim=1))
        shares = scores.unflatten(1, (3, HEADS)).sum(dim=1).softmax(dim=-1)
        seen = torch.einsum("bgij,bgcj->bgci", shares, value) * self.gates["value"]
        placed = torch.einsum("bgij,cij->bgci", shares, near_value) * self.gates["value_position"]
        both = torch.stack([seen, placed], dim=3).reshape(len(rows), 2 * self.channels, self.length)
        return self.value_bn(both).unflatten(1, (self.channels, 2)).sum(dim=2)


class AxialBlock(nn.Module):
    """Bottleneck of 1×1, attention along both axes (pooled after it at stride 2), 1×1, and a shortcut."""

    def __init__(self, channels_in: int, width: int, side: int, stride: int, positions: bool) -> None:
        super().__init__()
        out = 2 * width
        self.down = nn.Sequential(nn.Conv2d(channels_in, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.height = AxialAttention(width, side, 2, positions)
        self.width = AxialAttention(width, side, 3, positions)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.up = nn.Sequential(nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out))
        same = stride == 1 and channels_in == out
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(channels_in, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: Tensor) -> Tensor:
        seen = F.relu(self.pool(self.width(self.height(self.down(x)))))
        return F.relu(self.up(seen) + self.shortcut(x))


def _stem(channels: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for before, after, kernel, stride in ((3, channels, 7, 2), (channels, _STEM, 3, 1), (_STEM, channels, 3, 1)):
        convolution = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
        parts += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*parts)


def _stages(stem: int, side: int, count: int, positions: bool) -> nn.ModuleList:
    """The first ``count`` stages of a branch whose input has this side."""
    stages, channels, here = nn.ModuleList(), stem, side // 2
    for number in range(count):
        blocks: list[nn.Module] = []
        for block in range(_BLOCKS[number]):
            stride = 2 if number and not block else 1
            blocks.append(AxialBlock(channels, _WIDTHS[number], here, stride, positions))
            channels, here = 2 * _WIDTHS[number], here // stride
        stages.append(nn.Sequential(*blocks))
    return stages


def _finer(x: Tensor) -> Tensor:
    return F.relu(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))


class Branch(nn.Module):
    """Stem, axial stages and a convolutional way up: (N, 3, side, side) → (N, 16, side, side)."""

    def __init__(self, stem: int, side: int, stages: int, positions: bool) -> None:
        super().__init__()
        self.stem = _stem(stem)
        self.stages = _stages(stem, side, stages, positions)
        outs = [2 * width for width in _WIDTHS[:stages]]
        deepest = [nn.Conv2d(outs[-1], outs[-1], 3, stride=2, padding=1)] if stages == len(_WIDTHS) else []
        rising = [*reversed(outs), 16]
        pairs = pairwise(rising)
        self.ways = nn.ModuleList([*deepest, *(nn.Conv2d(before, after, 3, padding=1) for before, after in pairs)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        if len(self.ways) == len(maps):  # the global branch begins its way up at its last map
            maps.pop()
        for way in self.ways:
            x = _finer(way(x))
            x = x + maps.pop() if maps else x
        return x


class MedT(nn.Module):
    """Global gated branch and local branch over a grid of patches: (N, 3, H, W), 0..1 → (N, channels, H, W).

    Parameters
    ----------
    channels : int
        Of the answer.
    side : int
        Multiple of 128 px that the network works at; other images are brought to it and the logits back.

    Raises
    ------
    SettingsError
        If it cannot work at that side.
    """

    def __init__(self, channels: int, side: int = 128) -> None:
        super().__init__()
        if side < 128 or side % 128:
            raise SettingsError(f"MedT works at multiples of 128 px, not {side}.")
        self.side = side
        self.whole = Branch(_GLOBAL_STEM, side, 2, positions=True)
        self.parts = Branch(_LOCAL_STEM, side // GRID, 4, positions=False)
        self.joined = nn.Conv2d(16, 16, 3, padding=1)
        self.last = nn.Conv2d(16, channels, 1)
        self.let_gates_learn(False)

    def let_gates_learn(self, learn: bool) -> None:
        """Positions count for little at first; their gates join in later."""
        for module in self.modules():
            if isinstance(module, AxialAttention) and module.positions is not None:
                module.gates.requires_grad_(learn)

    def progressed(self, share: float) -> None:
        """Tell it how much of the training is done, 0..1."""
        self.let_gates_learn(share >= FROZEN_GATES_SHARE)

    def forward(self, x: Tensor) -> Tensor:
        size, square = x.shape[-2:], (self.side, self.side)
        fits = tuple(size) == square
        seen = x if fits else F.interpolate(x, square, mode="bilinear", align_corners=False, antialias=True)
        logits = self.last(F.relu(self.joined(self.whole(seen) + self._in_parts(seen))))
        return logits if fits else F.interpolate(logits, size, mode="bilinear", align_corners=False)

    def _in_parts(self, x: Tensor) -> Tensor:
        """The local branch on all patches at once, put together again."""
        cut = x.unflatten(3, (GRID, -1)).unflatten(2, (GRID, -1))  # (N, C, rows, h, columns, w)
        count, _channels, _rows, height, _columns, width = cut.shape
        patches = cut.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
        found = self.parts(patches).unflatten(0, (count, GRID, GRID))
        return found.permute(0, 3, 1, 4, 2, 5).reshape(count, -1, GRID * height, GRID * width)
