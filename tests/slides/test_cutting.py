"""Any block size gives the same objects: those of the slide annotated in one piece."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.blocks import block_objects
from napari_cerberus.inference.blocks.block_layout import Layout
from napari_cerberus.inference.blocks.block_objects import cut_block
from napari_cerberus.inference.grid.model_grid import ModelGrid, Window
from napari_cerberus.inference.grid.rescale import to_model_grid
from napari_cerberus.inference.predict import Prediction, predict
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from tiny import EXACT, spotted, tiny_model


def part_of(prediction: Prediction, tasks: tuple[str, ...], window: Window) -> Prediction:
    return replace(
        prediction,
        probabilities={
            task: prediction.probabilities[task][(slice(None), *window.slices)]
            for task in tasks
            if task in prediction.probabilities
        },
        type_maps={task: types[window.slices] for task, types in prediction.type_maps.items()},
    )


def in_blocks(
    predictions: dict[float, Prediction], layouts: dict[float, Layout], model: Model, chosen: AnnotateSettings
) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    def probabilities(size_um: float, tasks: tuple[str, ...], window: Window) -> Prediction:
        return part_of(predictions[size_um], tasks, window)

    labels: dict[str, np.ndarray] = {}
    tables = []
    layout = next(iter(layouts.values()))
    for place in layout.label_blocks():
        found = run_to_end(cut_block(place, layouts, probabilities, model, chosen))
        for task, block in found.labels.items():
            labels.setdefault(task, np.zeros(layout.grid.image_shape, np.uint64))[layout.label_window(place).slices] = (
                block
            )
        tables.append(found.objects)
    objects = pd.concat([table for table in tables if len(table)] or tables[:1])
    return labels, objects.sort_values(["task", "index"], ignore_index=True)


@settings(max_examples=8)
@given(
    seed=st.integers(0, 1000),
    height=st.integers(60, 420),
    width=st.integers(60, 420),
    labels_px=st.sampled_from([64, 100, 177]),
    pixel_size=st.sampled_from([0.5, 0.31, 0.249, 0.7, PixelSize(0.3, 0.36)]),
    nuclei_um=st.sampled_from([0.5, 0.25]),
)
def test_objects_are_those_of_the_whole_slide(
    seed: int, height: int, width: int, labels_px: int, pixel_size: float | PixelSize, nuclei_um: float
) -> None:
    image = spotted((height, width), seed=seed, spots=60, radius_px=16.0)
    chosen, model = AnnotateSettings(pixel_size_um=pixel_size), tiny_model(task_pixel_size_um={"nuclei": nuclei_um})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_cerberus.inference.device.choose_runtime", lambda *_choice, **_size: EXACT)
        patch.setattr(block_objects, "_FIRST_CONTEXT_PX", 16)
        patch.setattr(block_objects, "_STEP_PX", 24)
        whole = run_to_end(annotate(image, model, chosen))
        layouts, predictions = {}, {}
        for size, tasks in model.spec.tasks_by_pixel_size().items():
            grid, keys = ModelGrid.of((height, width), pixel_size, size), [task.key for task in tasks]
            layouts[size] = Layout(grid=grid, network_px=64, labels_px=labels_px)
            predictions[size] = run_to_end(predict(to_model_grid(image, grid), model, EXACT, keys=keys))
        labels, objects = in_blocks(predictions, layouts, model, chosen)
    for task, expected in whole.labels.items():
        names, first, back = np.unique(labels[task], return_index=True, return_inverse=True)
        assert len(names) - (names[0] == 0) == expected.max()
        np.testing.assert_array_equal(labels[task] > 0, expected > 0)
        old = expected.ravel()[first]
        np.testing.assert_array_equal(old[back.ravel()], expected.ravel())
        np.testing.assert_array_equal(names[names > 0], first[names > 0] + 1)
    assert len(objects) == len(whole.objects)
    for column in ("confidence", "area_um2", "centroid_y_px"):
        np.testing.assert_allclose(
            np.sort(objects[column]), np.sort(whole.objects[column]), rtol=1e-9, atol=1e-3, equal_nan=True
        )


def test_a_giant_is_parted_along_lines_of_the_slide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_objects, "GIANT_PX", 96)
    monkeypatch.setattr(block_objects, "_FIRST_CONTEXT_PX", 16)
    both = np.zeros((2, 300, 310), np.float16)
    both[0, 20:280, 30:290] = 0.95
    prediction = Prediction(probabilities={"glands": both}, type_maps={})
    grid = ModelGrid.of((300, 310), 0.5, 0.5)
    chosen = AnnotateSettings(pixel_size_um=0.5)
    results = [
        in_blocks({0.5: prediction}, {0.5: Layout(grid=grid, network_px=64, labels_px=side)}, tiny_model(), chosen)
        for side in (50, 128, 400)
    ]
    first = results[0]
    assert len(first[1]) > 4
    for labels, objects in results[1:]:
        np.testing.assert_array_equal(labels["glands"], first[0]["glands"])
        pd.testing.assert_frame_equal(objects, first[1])
