"""Tiny convolutions are many times faster on one thread than on two that wait for each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from napari_cerberus.inference.prepared_network import forget_prepared


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    forget_prepared()
