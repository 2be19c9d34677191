"""Batches that other processes prepare while a graphics card works: one process does not keep up with it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from ..torch_errors import explaining
from .sampler import Batch, TaskSampler

_MOST_BY_ITSELF = 16
_AHEAD = 4


def workers_for(wanted: int | None, device: torch.device, world_size: int = 1) -> int:
    """How many processes prepare batches for each process of a team.

    None on a CPU, which the network needs itself. Beside a graphics card one a core but one, where processes can be
    forked; where they cannot, each would hold a copy of all tiles, so there they must be asked for.
    """
    if wanted is not None:
        return wanted
    if device.type == "cpu" or not _can_fork():
        return 0
    return min(_MOST_BY_ITSELF, ((os.cpu_count() or 1) - 1) // world_size)


def _can_fork() -> bool:
    """On macOS it is there, but Apple's libraries do not bear it."""
    return platform.system() == "Linux"


class Prefetched:
    """The sampler's batches of some steps, in their order, and the same ones whoever prepares them.

    Parameters
    ----------
    sampler : TaskSampler
    steps : range
    workers : int
        1 or more.
    """

    def __init__(self, sampler: TaskSampler, steps: range, workers: int) -> None:
        self._sampler = sampler
        context = "fork" if _can_fork() else None
        loader = DataLoader(
            _Steps(sampler, steps),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=_AHEAD,
            multiprocessing_context=context,
        )
        self._batches: Iterator[Batch] = iter(loader)

    def batch(self, step: int) -> Batch:
        """The batch of ``step``, which must be the next one; seeds torch's generator, as the sampler does.

        Raises
        ------
        CerberusError
            If a process was killed.
        """
        with explaining(step):
            batch = next(self._batches)
        torch.manual_seed(self._sampler.seed(step))
        return batch

    def close(self) -> None:
        """Let the processes end."""
        del self._batches


class _Steps(Dataset[Batch]):
    def __init__(self, sampler: TaskSampler, steps: range) -> None:
        self._sampler, self._steps = sampler, steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, place: int) -> Batch:
        return self._sampler.batch(self._steps[place])
