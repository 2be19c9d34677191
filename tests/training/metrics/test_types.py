"""Classes of matched objects, worked out by hand."""

import numpy as np
import pytest

from napari_cerberus.errors import DataError
from napari_cerberus.training.evaluation.metrics.type_metrics import object_confusion


def row(*lengths_and_values):
    return np.concatenate([np.full(length, value) for length, value in lengths_and_values])[None]


def test_only_matched_objects_with_a_class_are_counted():
    truth = row((4, 9), (1, 0), (4, 3), (1, 0), (4, 5), (1, 0), (4, 7))
    classes = row((4, 2), (1, 0), (4, 1), (1, 0), (4, 0), (1, 0), (4, 1))  # object 5 has no class
    found = row((4, 1), (1, 0), (4, 2), (1, 0), (4, 3), (1, 0), (2, 4), (2, 0))  # half of object 7: no match
    assert object_confusion(truth, classes, found, [2, 2, 1, 1], 3) == ((0, 0, 0), (0, 0, 1), (0, 0, 1))


def test_an_object_has_the_class_of_most_of_its_pixels_and_none_found_is_a_wrong_answer():
    truth, found = row((9, 1)), row((9, 1))
    classes = row((4, 0), (2, 1), (3, 2))
    assert object_confusion(truth, classes, found, [0], 3)[2] == (1, 0, 0)


def test_nothing_drawn_or_found_counts_nothing():
    nothing, one = row((6, 0)), row((6, 1))
    assert not np.any(object_confusion(nothing, nothing, one, [1], 2))
    assert not np.any(object_confusion(one, one, nothing, [], 2))
    with pytest.raises(DataError):
        object_confusion(one, one[:, :5], one, [1], 2)
