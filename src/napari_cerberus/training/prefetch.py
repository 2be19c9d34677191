"""Batches that other processes prepare while a graphics card works: one process does not keep up with it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from .failures import explained
from .sampler import Batch, TaskSampler

_MOST_BY_ITSELF = 16
_AHEAD = 4


def workers_for(wanted: int | None, device: torch.device) -> int:
    """How many processes prepare batches.

    None on a CPU, which the network needs itself. Beside a graphics card one a core but one, where processes can be
    forked; where they cannot, each would hold a copy of all tiles, so there they must be asked for.
    """
    if wanted is not None:
        return wanted
    if device.type == "cpu" or "fork" not in multiprocessing.get_all_start_methods():
        return 0
    return min(_MOST_BY_ITSELF, (os.cpu_count() or 1) - 1)


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
        context = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
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
        try:
            batch = next(self._batches)
        except RuntimeError as error:
            raise explained(error, step) from error
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
