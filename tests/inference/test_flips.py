"""Confidence with agreement under flips: exact, repeatable, and the outlines stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.objects import flip_agreement
from napari_cerberus.inference.objects.flip_agreement import FLIPS, agreement, flipped, staged
from napari_cerberus.progress import Progress, run_to_end
from tiny import spotted, tiny_model

IMAGE = spotted((64, 80))


def run(model, **settings):
    steps = []
    result = run_to_end(
        annotate(IMAGE, model, AnnotateSettings(pixel_size_um=0.5, device="cpu", **settings)), steps.append
    )
    return result, [step.stage for step in steps]


def test_agreement_is_the_mean_of_the_best_overlaps():
    labels = np.zeros((10, 20), np.int32)
    labels[1:5, 1:5] = 1
    labels[1:5, 7:11] = 2
    labels[6:9, 1:4] = 3
    same = np.where(labels == 1, 9, 0).astype(np.int32)
    half = np.zeros_like(labels)
    half[1:5, 1:3] = 1
    half[1:5, 7:19] = 2
    np.testing.assert_allclose(agreement(labels, [same, half]), [(1 + 0.5) / 2, (0 + 16 / 48) / 2, 0])
    np.testing.assert_allclose(agreement(labels, [labels] * 3), 1)
    assert agreement(np.zeros((4, 4), np.int32), [np.zeros((4, 4), np.int32)]).shape == (0,)


def test_a_flip_taken_twice_is_none():
    for axes in FLIPS:
        once = flipped(IMAGE, axes)
        assert not np.array_equal(once, IMAGE)
        np.testing.assert_array_equal(flipped(once, axes), IMAGE)


def test_flips_lower_confidence_and_change_nothing_else():
    model = tiny_model()
    plain, stages = run(model)
    checked, flipped_stages = run(model, flips=True)
    assert not any("flipped" in stage for stage in stages)
    assert {f"Reading the image flipped, {number} of 3" for number in (1, 2, 3)} < set(flipped_stages)
    assert (plain.run.flips, checked.run.flips) == (False, True)
    for task, labels in plain.labels.items():
        np.testing.assert_array_equal(checked.labels[task], labels)
    assert len(plain.objects) > 5
    ratio = checked.objects["confidence"] / plain.objects["confidence"]
    assert ratio.between(0, 1).all()
    assert ratio.lt(1).any()
    rest = [name for name in plain.objects if name != "confidence"]
    assert checked.objects[rest].equals(plain.objects[rest])


def test_flips_are_repeatable_and_as_good_as_reading_the_flipped_image():
    model = tiny_model()
    first, _ = run(model, flips=True)
    second, _ = run(model, flips=True)
    assert first.objects.equals(second.objects)
    plain, _ = run(model)
    readings = []
    for axes in FLIPS:
        settings = AnnotateSettings(pixel_size_um=0.5, device="cpu")
        mirrored = run_to_end(annotate(flipped(IMAGE, axes), model, settings))
        readings.append({task: flipped(labels, axes) for task, labels in mirrored.labels.items()})
    for task, labels in plain.labels.items():
        of_task = plain.objects["task"] == task
        expected = plain.objects["confidence"][of_task] * agreement(labels, flip_agreement.of_task(readings, task))
        np.testing.assert_allclose(first.objects["confidence"][of_task], expected)


def test_a_job_under_another_name_is_the_same_job():
    def work():
        yield Progress("a", 1, 2, message="half")
        return 5

    steps = []
    assert run_to_end(staged(work(), "b"), steps.append) == 5
    assert steps == [Progress("b", 1, 2, message="half")]


def test_a_cancel_among_the_flips_ends_the_job():
    job = annotate(IMAGE, tiny_model(), AnnotateSettings(pixel_size_um=0.5, device="cpu", flips=True))
    for step in job:
        if "flipped, 2" in step.stage:
            job.close()
            break
    with pytest.raises(StopIteration):
        next(job)
