"""Changes to a run's config that keep it the one that repeats the run."""

from __future__ import annotations

import re
from pathlib import Path

from ...files import write_text

_SIZE = re.compile(r"(?m)^size = (\d+)$")
_SMALLEST = 2
"""The tissue head cannot learn from a single image."""


def with_smaller_batches(config: Path) -> int:
    """Halve the batches; returns the new size, or 0 if they cannot be any smaller."""
    text = config.read_text(encoding="utf-8")
    now = max((int(size) for size in _SIZE.findall(text)), default=0)
    smaller = max(_SMALLEST, now // 2)
    if now <= _SMALLEST:
        return 0
    write_text(config, _SIZE.sub(f"size = {smaller}", text))
    return smaller


def on_the_cpu(config: Path) -> bool:
    """Train on the processor; False if the config says so already."""
    return _replace(config, "device", '"cpu"')


def end_here(config: Path, step: int, keep: str) -> None:
    """End at ``step`` and keep what was kept."""
    _replace(config, "at_step", str(step))
    _replace(config, "keep", f'"{keep}"')


def _replace(config: Path, name: str, value: str) -> bool:
    text = config.read_text(encoding="utf-8")
    changed = re.sub(rf"(?m)^{name} = .*$", lambda _: f"{name} = {value}", text)
    write_text(config, changed)
    return changed != text
