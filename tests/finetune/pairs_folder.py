"""Small folders of pairs, as others publish them: image and mask, no sidecars."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

SIDE_PX = 64


def add_pair(root: Path, category: str, patient: int, number: int = 1, *, seed: int | None = None) -> Path:
    """Write one pair; returns the image's path."""
    rng = np.random.default_rng(seed if seed is not None else [patient, number, len(category)])
    name = f"GT{patient:04d}-1-400-{number:03d}.png"
    image = rng.integers(90, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    top, left = (int(value) for value in rng.integers(4, 24, 2))
    mask[top : top + 28, left : left + 30] = 255
    image[mask > 0] //= 2
    for part, array in (("image", image), ("label", mask)):
        (root / category / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(root / category / part / name)
    return root / category / "image" / name


def make_pairs(root: Path, categories: Iterable[str] = ("Normal", "Polyp"), patients: int = 5, tiles: int = 1) -> Path:
    """``patients`` patients for each category, with ``tiles`` pairs each; returns ``root``."""
    for index, category in enumerate(categories):
        for patient in range(patients):
            for number in range(1, tiles + 1):
                add_pair(root, category, 100 * (index + 1) + patient, number)
    return root
