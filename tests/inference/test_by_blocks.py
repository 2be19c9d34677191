"""A large picture is cut in blocks; its objects are those of one piece."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.blocks import by_blocks
from napari_cerberus.progress import Progress, run_to_end
from tiny import EXACT, spotted, tiny_model


@pytest.mark.parametrize(("pixel_size_um", "block_px"), [(0.5, 128), (0.5, 320), (0.31, 128)])
def test_objects_are_those_of_one_piece(monkeypatch: pytest.MonkeyPatch, pixel_size_um: float, block_px: int) -> None:
    monkeypatch.setattr("napari_cerberus.inference.device.choose_runtime", lambda *_choice, **_size: EXACT)
    monkeypatch.setattr(by_blocks, "BLOCK_PX", block_px)
    image = spotted((610, 540), spots=90, radius_px=14.0)
    model, chosen = tiny_model(task_pixel_size_um={"nuclei": 0.25}), AnnotateSettings(pixel_size_um=pixel_size_um)
    whole = run_to_end(annotate(image, model, chosen))
    monkeypatch.setattr("napari_cerberus.inference.annotate._LARGE_PIXELS", 1000)
    steps: list[Progress] = []
    parts = run_to_end(annotate(image, model, chosen), steps.append)
    assert any(step.message.endswith("GB of memory.") for step in steps)  # a large image's need is told
    assert len(parts.objects) == len(whole.objects) > 40
    for task, expected in whole.labels.items():
        found = parts.labels[task]
        np.testing.assert_array_equal(found > 0, expected > 0)
        pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
        assert pairs.shape[1] == expected.max() + 1 == found.max() + 1
        rows = parts.objects[parts.objects["task"] == task]
        assert list(rows["index"]) == list(range(1, found.max() + 1))
    for column in ("area_um2", "confidence", "class_probability"):
        np.testing.assert_allclose(
            np.sort(parts.objects[column]), np.sort(whole.objects[column]), atol=1e-9, equal_nan=True
        )
