"""Where and how precisely the network runs, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch

from ..errors import DeviceError, SettingsError
from ..model.runtime import has_bfloat16, keep_freed_memory
from .annotate_settings import DeviceChoice

_ABSENT = {
    "cuda": "No CUDA graphics card can be used on this computer; choose device 'auto' or 'cpu'.",
    "mps": "No Apple graphics chip can be used on this computer; choose device 'auto' or 'cpu'.",
}


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A device and a precision.

    Attributes
    ----------
    device : torch.device
    dtype : torch.dtype
        Of the convolutions; probabilities are always worked out in float32.
    reason : str
        Why these, in words for the user.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str

    @property
    def name(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self.device.type

    @property
    def precision(self) -> str:
        """Name of the precision: ``float32``, ``bfloat16`` or ``float16``."""
        return str(self.dtype).removeprefix("torch.")


def choose_runtime(choice: DeviceChoice = "auto") -> Runtime:
    """The fastest device, or the one asked for.

    Parameters
    ----------
    choice : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    SettingsError
        If ``choice`` is no device name.
    DeviceError
        If the device asked for is not there. ``auto`` falls back to the CPU and says so.
    """
    if choice not in get_args(DeviceChoice):
        raise SettingsError(f"device must be one of {', '.join(get_args(DeviceChoice))}, not {choice!r}.")
    if choice in _ABSENT and not _is_there(choice):
        raise DeviceError(_ABSENT[choice])
    why = "the fastest device here" if choice == "auto" else "asked for"
    if choice == "cuda" or (choice == "auto" and _is_there("cuda")):
        return _cuda(why)
    if choice == "mps" or (choice == "auto" and _is_there("mps")):
        return Runtime(device=torch.device("mps"), dtype=torch.float32, reason=f"Apple graphics chip: {why}.")
    return _cpu("asked for" if choice == "cpu" else "no CUDA or Apple graphics device was found")


def _is_there(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_available()
    return torch.backends.mps.is_available()


def _cuda(why: str) -> Runtime:
    native = has_bfloat16(torch.device("cuda"))
    how = "bfloat16, which the card computes natively" if native else "float32: the card has no bfloat16"
    dtype = torch.bfloat16 if native else torch.float32
    name = torch.cuda.get_device_name()
    return Runtime(device=torch.device("cuda"), dtype=dtype, reason=f"{name}: {why}; {how}.")


def _cpu(why: str) -> Runtime:
    keep_freed_memory()
    native = has_bfloat16(torch.device("cpu"))
    how = "bfloat16, which this processor computes natively" if native else "float32: this processor has no bfloat16"
    dtype = torch.bfloat16 if native else torch.float32
    return Runtime(device=torch.device("cpu"), dtype=dtype, reason=f"CPU: {why}; {how}.")
