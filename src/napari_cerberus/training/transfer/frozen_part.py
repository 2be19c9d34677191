"""Where the frozen part of a network ends: what it gives to the parts that train, and the rest run from there.

What is kept is as deep, and so as small, as freezing permits: with a frozen encoder the map that enters the first block
that trains (with the skips that it and later blocks add), for heads alone the decoder's own output, for the tissue head
one average of the deepest features. With an encoder that trains in part it is the maps up to its last frozen layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from ...errors import SettingsError
from ...model.network import LAST_BLOCK, LAST_LAYER, Cerberus, Decoder, TissueHead
from ...model.runtime import training_format

KEPT = torch.float16
"""What maps and pixel weights are kept in."""

_LARGEST = torch.finfo(KEPT).max


@dataclass(frozen=True, kw_only=True)
class KeptBatch:
    """One training step's input, from what was kept of the frozen part.

    Attributes
    ----------
    common : mapping of name to (N, C, h, w) float16 tensor
        Maps of all images, for an encoder that trains in part; else empty.
    own : mapping of task key to (mapping of name to (n, C, h, w) float16 tensor)
        Maps of each task's images, for a frozen encoder; else empty.
    rows, targets, weights
        As in ``sampler.Batch``.
    """

    common: Mapping[str, Tensor] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    rows: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]


class FrozenPart:
    """The two halves of a network that trains in part.

    Parameters
    ----------
    network : Cerberus
        Also an attribute; with some of its encoder's layers frozen.
    bf16 : bool
        Whether the frozen half runs in bfloat16, as training does.

    Raises
    ------
    SettingsError
        If the whole encoder trains.
    """

    def __init__(self, network: Cerberus, *, bf16: bool = False) -> None:
        if network.encoder.trains_from == 1:
            raise SettingsError("There is nothing to cache: the whole encoder trains. Set train_from_layer to 2 .. 5.")
        self.network = network
        self._bf16 = bf16

    @property
    def encoder_trains(self) -> bool:
        """True where the encoder's last layers train, so that all tasks go on from the same maps."""
        return self.network.encoder.trains_from <= LAST_LAYER

    def names(self, key: str) -> tuple[str, ...]:
        """Names of the maps that a task goes on from."""
        network = self.network
        if self.encoder_trains:
            return _maps(network.encoder.trains_from)
        if key not in network.decoders:
            return (f"{key}/pooled",)
        if network.reduce.weight.requires_grad:
            return _maps(LAST_LAYER + 1)
        block = self._decoder(key).trains_from
        return (*_maps(LAST_BLOCK + 1 - block), "reduced" if block == 1 else f"{key}/{block - 1}")

    def precision(self) -> AbstractContextManager[None]:
        """Mixed precision as training has it."""
        device = next(self.network.parameters()).device
        return torch.autocast(device.type, torch.bfloat16, enabled=self._bf16)

    @torch.no_grad()
    def compute(self, image: Tensor, keys: Iterable[str]) -> dict[str, Tensor]:
        """Everything that some tasks need of (1, 3, S, S) RGB 0..255: name → (C, h, w) float16 tensor in memory."""
        wanted = {name for key in keys for name in self.names(key)}
        device = next(self.network.parameters()).device
        with self.precision():
            found = self._all(image.to(device, memory_format=training_format(device, bf16=self._bf16)), wanted)
        return {name: found[name][0].float().clamp(-_LARGEST, _LARGEST).to(KEPT).cpu() for name in sorted(wanted)}

    def batch(
        self,
        maps: Sequence[Mapping[str, Tensor]],
        rows: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
    ) -> KeptBatch:
        """What ``compute`` gave for each of some images, as one batch; ``rows`` are the images of each task."""

        def stacked(some: Sequence[Mapping[str, Tensor]], key: str) -> dict[str, Tensor]:
            return {name: torch.stack([one[name] for one in some]) for name in self.names(key)}

        if self.encoder_trains:
            common = stacked(maps, next(iter(rows)))
            return KeptBatch(common=common, rows=rows, targets=targets, weights=weights)
        own = {key: stacked([maps[i] for i in rows[key].tolist()], key) for key in rows}
        return KeptBatch(own=own, rows=rows, targets=targets, weights=weights)

    def logits(self, batch: KeptBatch) -> dict[str, Tensor]:
        """Logits of every task of a batch, as the whole network would give them."""
        network = self.network
        device = next(network.parameters()).device
        if self.encoder_trains:
            maps = [self._on(batch.common[name], device) for name in _maps(network.encoder.trains_from)]
            features = network.encoder.go_on(maps)
            rows = {key: rows.to(device) for key, rows in batch.rows.items()}
            return {key: network.decode([f[rows[key]] for f in features], [key])[key] for key in rows}
        own = {key: {name: self._on(one, device) for name, one in maps.items()} for key, maps in batch.own.items()}
        return {key: self._own(key, maps) for key, maps in own.items()}

    def _all(self, image: Tensor, wanted: set[str]) -> dict[str, Tensor]:
        network = self.network
        features = network.encode(image, min(network.encoder.trains_from - 1, LAST_LAYER))
        found = dict(zip(_maps(len(features)), features, strict=True))
        if self.encoder_trains:
            return found
        *skips, deepest = features
        found["reduced"] = network.reduce(deepest)
        for name in wanted - found.keys():
            key, _, part = name.partition("/")
            if part == "pooled":
                found[name] = self._tissue(key).pool(deepest)
            else:
                found[name] = self._decoder(key).run(found["reduced"], skips, last=int(part))
        return found

    def _own(self, key: str, maps: Mapping[str, Tensor]) -> Tensor:
        network = self.network
        names = self.names(key)
        if key not in network.decoders:
            return self._tissue(key).classify(maps[names[0]])
        skips, last = [maps[name] for name in names[:-1]], maps[names[-1]]
        if network.reduce.weight.requires_grad:
            return network.decode([*skips, last], [key])[key]
        decoder = self._decoder(key)
        return network.heads[key](decoder.run(last, skips, first=decoder.trains_from))  # type: ignore[no-any-return]

    def _decoder(self, key: str) -> Decoder:
        return cast(Decoder, self.network.decoders[key])

    def _tissue(self, key: str) -> TissueHead:
        return cast(TissueHead, self.network.heads[key])

    def _on(self, maps: Tensor, device: torch.device) -> Tensor:
        return maps.to(device, memory_format=training_format(device, bf16=self._bf16)).float()


def _maps(count: int) -> tuple[str, ...]:
    return tuple(f"x{number}" for number in range(count))
