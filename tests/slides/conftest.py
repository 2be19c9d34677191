"""A picture to make slides of, and the folder of real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tiny import spotted


@pytest.fixture(scope="session")
def slides_dir(data_dir: Path) -> Path:
    folder = data_dir / "slides"
    if not folder.is_dir():
        pytest.skip("the real slides are absent")
    return folder


@pytest.fixture
def tissue() -> np.ndarray:
    """A picture of 300 × 260 px, all tissue."""
    return spotted((300, 260), spots=40)
