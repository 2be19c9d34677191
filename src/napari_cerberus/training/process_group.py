"""Several processes as one run (``torchrun``): each draws its own tiles, gradients are averaged, rank 0 writes.

Frozen decoders are why this is not torch's DDP wrapper: which parameters have gradients changes from batch to batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import nn

from ..errors import SettingsError

Answer = TypeVar("Answer")
_PATIENCE = timedelta(hours=2)
"""How long the others wait for one of them: while the leader validates, say."""


@dataclass(frozen=True)
class ProcessGroup:
    """This process's place among all: ``rank`` of ``size``; a run without ``torchrun`` is a team of one."""

    rank: int = 0
    size: int = 1

    @property
    def is_rank_zero(self) -> bool:
        """True for the one process that validates, writes and reports."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by the team's mean; a process whose batch lacked a task adds zeros for it."""
        if self.size == 1:
            return
        trainable = [parameter for parameter in parameters if parameter.requires_grad]
        present = torch.tensor([parameter.grad is not None for parameter in trainable], dtype=torch.int32)
        present = present.to(trainable[0].device)
        dist.all_reduce(present, op=dist.ReduceOp.MAX)
        for parameter, anywhere in zip(trainable, present.tolist(), strict=True):
            if not anywhere:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad /= self.size

    def share_statistics(self, network: nn.Module) -> None:
        """Average the normalisation statistics, so that every process holds one and the same network."""
        if self.size == 1:
            return
        for buffer in network.buffers():
            if buffer.is_floating_point():
                dist.all_reduce(buffer)
                buffer /= self.size

    def from_rank_zero(self, ask: Callable[[], Answer]) -> Answer:
        """What the leader answers, in every process; the others do not work it out."""
        box = [ask() if self.is_rank_zero else None]
        if self.size > 1:
            dist.broadcast_object_list(box)
        return cast(Answer, box[0])

    def wait(self) -> None:
        """Come together: nobody goes on before the leader has written."""
        if self.size > 1:
            dist.barrier()


def on_rank_zero() -> bool:
    """Whether this process is the one that writes; true without ``torchrun``."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def process_group(device: str = "auto") -> Iterator[ProcessGroup]:
    """The team that ``torchrun`` started, or a team of one.

    Parameters
    ----------
    device : str
        Of the run; on graphics cards each process has its own.

    Raises
    ------
    SettingsError
        If the environment names a rank or size that makes no sense.
    """
    try:
        size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
    except ValueError as error:
        raise SettingsError(f"WORLD_SIZE, RANK and LOCAL_RANK must be numbers: {error}.") from error
    if size == 1:
        yield ProcessGroup()
        return
    on_cards = torch.cuda.is_available() and (device == "auto" or device.startswith("cuda"))
    if on_cards:
        torch.cuda.set_device(local)
    backend = "nccl" if on_cards else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE, rank=rank, world_size=size)
    try:
        yield ProcessGroup(rank, size)
    finally:
        dist.destroy_process_group()
