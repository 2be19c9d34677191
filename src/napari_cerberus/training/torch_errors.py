"""What torch's errors mean for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import CerberusError, DeviceError
from ..inference.predict import is_out_of_memory

_DEVICE_WORDS = ("cuda error", "hip error", "cudnn", "cublas", "mps backend", "no nvidia driver", "device-side")


class MemoryRanOutError(DeviceError):
    """A batch did not fit into memory."""


class DeviceLostError(DeviceError):
    """The graphics card failed or went away."""


@contextmanager
def explaining(step: int) -> Iterator[None]:
    """Whatever torch fails with at ``step`` becomes our own error."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise explained(error, step) from error


def explained(error: BaseException, step: int) -> CerberusError:
    """Our own error for a failure of torch at ``step``."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or is_out_of_memory(error):
        return MemoryRanOutError(f"Memory ran out at step {step}; use smaller batches (batch.size in the config).")
    text = str(error).strip()
    if any(word in text.lower() for word in _DEVICE_WORDS):
        first, *_ = text.splitlines() or ["no reason given"]
        return DeviceLostError(f"The graphics card failed at step {step} ({first}); go on with device = 'cpu'.")
    return CerberusError(f"Training failed at step {step}: {error}")
