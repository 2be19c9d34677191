import numpy as np
from PIL import Image

from napari_cerberus.tasks import TASK_COLOURS
from napari_cerberus.training.engine.curve_picture import charts, draw, write_curves
from napari_cerberus.training.run_folder import append_metrics

ROWS = [
    {"step": 1, "rate": 0.1, "glands": 2.0, "tissue": 1.0},
    {"step": 2, "rate": 0.1, "glands": 1.0},
    {"step": 2, "validation": {"dice": {"glands": 0.5}, "tissue_accuracy": 0.75, "tissue_balanced_accuracy": 0.5}},
    {"step": 3, "rate": 0.1, "tissue": 3.0},
]


def test_losses_are_smoothed_by_task_and_validation_figures_are_as_they_are():
    loss, metrics = charts(ROWS)
    assert np.allclose(loss.lines["glands"], [(1, 2.0), (2, 1.9)])
    assert np.allclose(loss.lines["tissue"], [(1, 1.0), (3, 1.2)])
    assert loss.top == 2.0
    assert metrics.lines == {"glands": [(2, 0.5)], "tissue": [(2, 0.75)]}


def test_the_picture_shows_the_lines_in_the_tasks_colours(tmp_path):
    for row in ROWS:
        append_metrics(tmp_path, row)
    with Image.open(write_curves(tmp_path)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    green = np.all(pixels == tuple(bytes.fromhex(TASK_COLOURS["glands"][1:])), axis=2)
    assert green[:360].sum() > 40
    assert green[360:].sum() > 10


def test_a_run_without_rows_gives_empty_axes():
    assert draw(charts([])).size == (640, 720)
