"""Workers of dask on this computer, a graphics card each, or a client of a lab's own scheduler."""

from __future__ import annotations

import os
from typing import Any

from ..errors import SettingsError

_CONNECT_S = 30


def local_client(workers: int) -> Any:
    """A ``distributed.Client`` that starts workers and ends them when it is closed.

    Parameters
    ----------
    workers : int
        Each is a process with one thread (a block a time: memory stays flat) and an equal share of the cores.

    Raises
    ------
    SettingsError
        If ``workers`` makes no sense.
    """
    from distributed import Client, Scheduler, SpecCluster

    if workers < 1:
        raise SettingsError(f"--workers must be 1 or more, not {workers}.")
    scheduler = {"cls": Scheduler, "options": {"dashboard_address": ":0", "host": "127.0.0.1"}}
    cluster = SpecCluster(scheduler=scheduler, workers=worker_specs(workers, visible_cards()))
    client = Client(cluster)
    client.wait_for_workers(workers)
    return _Owner(client, cluster)


def remote_client(address: str) -> Any:
    """A client of a scheduler that is running. Raises ``SettingsError`` where none answers."""
    from distributed import Client

    try:
        return Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--scheduler {address}: no scheduler answers there.") from error


def worker_specs(workers: int, cards: tuple[str, ...]) -> dict[int, dict[str, Any]]:
    """What dask starts: each worker sees one of the cards, in turn; none where there is none."""
    from distributed import Nanny

    threads = str(max(1, (os.cpu_count() or 1) // workers))
    shared = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    specs = {}
    for number in range(workers):
        card = {"CUDA_VISIBLE_DEVICES": cards[number % len(cards)]} if cards else {}
        options = {"nthreads": 1, "host": "127.0.0.1", "env": {**shared, **card}}
        specs[number] = {"cls": Nanny, "options": options}
    return specs


def visible_cards() -> tuple[str, ...]:
    """Names of the graphics cards of NVIDIA that this process may use, as ``CUDA_VISIBLE_DEVICES`` has them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return tuple(one.strip() for one in given.split(",") if one.strip())
    import torch

    return tuple(str(number) for number in range(torch.cuda.device_count()))


class _Owner:
    """Gives its client in a ``with`` block, and closes client and cluster at its end."""

    def __init__(self, client: Any, cluster: Any) -> None:
        self._client, self._cluster = client, cluster

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_error: object) -> None:
        self._client.close()
        self._cluster.close()
