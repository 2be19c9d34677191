"""Changes to a run's config that keep it the one that repeats the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...training.config import TrainConfig
from ...training.config_file import read_config, write_config
from ...training.early_stopping import Keep

_SMALLEST = 2
"""The tissue head cannot learn from a single image."""


def with_smaller_batches(path: Path) -> int:
    """Halve the batches; returns the new size, or 0 if they cannot be any smaller."""
    config = read_config(path)
    now = max(batch.size for batch in config.batches)
    if now <= _SMALLEST:
        return 0
    smaller = max(_SMALLEST, now // 2)
    write_config(path, replace(config, batches=tuple(replace(batch, size=smaller) for batch in config.batches)))
    return smaller


def on_the_cpu(path: Path) -> bool:
    """Train on the processor; False if the config says so already."""
    config = read_config(path)
    if config.device == "cpu":
        return False
    write_config(path, replace(config, device="cpu"))
    return True


def end_here(path: Path, step: int, keep: Keep) -> None:
    """End at ``step`` and keep what was kept."""
    write_config(path, ending_at(read_config(path), step, keep))


def ending_at(config: TrainConfig, step: int, keep: Keep) -> TrainConfig:
    """The same config, but for its end."""
    return replace(config, early_stopping=replace(config.early_stopping, at_step=step, keep=keep))
