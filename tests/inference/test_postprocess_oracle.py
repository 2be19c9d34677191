"""The reference's own partitions, pixel for pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cerberus.inference.objects.postprocess import find_objects
from napari_cerberus.tasks import GLANDS, LUMINA, NUCLEI

KEYS = {"Nuclei": NUCLEI, "Gland": GLANDS, "Lumen": LUMINA}
CASES = ("empty_256", "gland_448", "gland_448b", "lumen_448", "nuclei_512", "nuclei_512b")


@pytest.mark.parametrize("case", CASES)
def test_reference_partition(oracle_dir: Path, case: str) -> None:
    with np.load(oracle_dir / f"post_{case}.npz") as stored:
        key, truth = KEYS[str(stored["task"])], stored["labels"]
        probabilities = stored["probabilities"].astype(np.float32)
    ours = find_objects(key, probabilities[..., 0], probabilities[..., 1], 0.5)
    np.testing.assert_array_equal(ours > 0, truth > 0)
    pairs = np.unique(np.stack([ours.ravel(), truth.ravel()]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
    assert ours.max() == len(np.unique(truth)) - 1
