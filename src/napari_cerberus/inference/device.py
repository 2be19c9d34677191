"""Where and how precisely the network runs, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch

from ..errors import DeviceError, SettingsError
from ..model.runtime import cpu_has_bfloat16, keep_freed_memory
from .settings import DeviceChoice


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A device and a precision.

    Attributes
    ----------
    device : torch.device
    dtype : torch.dtype
        Of weights and features; probabilities are always worked out in float32.
    reason : str
        Why these, one or two sentences for the user.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str

    @property
    def precision(self) -> str:
        """Name of the precision: ``float32``, ``bfloat16`` or ``float16``."""
        return str(self.dtype).removeprefix("torch.")


def choose_runtime(choice: DeviceChoice = "auto") -> Runtime:
    """The fastest device, or the one asked for.

    Raises
    ------
    SettingsError
        If ``choice`` is no device name.
    DeviceError
        If the device asked for is not there. ``auto`` falls back to the CPU and says so.
    """
    if choice not in get_args(DeviceChoice):
        raise SettingsError(f"device must be one of {', '.join(get_args(DeviceChoice))}, not {choice!r}.")
    if choice == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "No CUDA graphics card can be used on this computer; choose device 'auto' or 'cpu'."
        )
    if choice == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(
            "No Apple graphics chip can be used on this computer; choose device 'auto' or 'cpu'."
        )
    if choice in ("auto", "cuda") and torch.cuda.is_available():
        return _cuda("asked for" if choice == "cuda" else "the fastest device here")
    if choice in ("auto", "mps") and torch.backends.mps.is_available():
        why = "asked for" if choice == "mps" else "the fastest device here"
        return Runtime(device=torch.device("mps"), dtype=torch.float32, reason=f"Apple graphics chip: {why}.")
    return _cpu("asked for" if choice == "cpu" else "no CUDA or Apple graphics device was found")


def _cuda(why: str) -> Runtime:
    name = torch.cuda.get_device_name()
    # Emulated bfloat16 (cards before Ampere) is slower than float32.
    native = torch.cuda.get_device_capability() >= (8, 0)
    how = (
        "bfloat16 because the card computes it natively"
        if native
        else "float32 because the card has no bfloat16"
    )
    dtype = torch.bfloat16 if native else torch.float32
    return Runtime(device=torch.device("cuda"), dtype=dtype, reason=f"{name}: {why}; {how}.")


def _cpu(why: str) -> Runtime:
    keep_freed_memory()
    native = cpu_has_bfloat16()
    computes = "computes it natively" if native else "has no bfloat16"
    how = f"{'bfloat16' if native else 'float32'} because this processor {computes}"
    dtype = torch.bfloat16 if native else torch.float32
    return Runtime(device=torch.device("cpu"), dtype=dtype, reason=f"CPU: {why}; {how}.")
