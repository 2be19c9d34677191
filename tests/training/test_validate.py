"""The quick look at held-out tiles scores what a tile teaches, and nothing else."""

import dataclasses

import torch

from napari_cerberus.model.network import Cerberus
from napari_cerberus.training.validation import Scores, validate
from training import tiny_run


def test_a_tile_that_teaches_no_tissue_type_is_not_asked_for_one():
    torch.manual_seed(0)
    network, data = Cerberus(tiny_run.TASKS), tiny_run.data()
    told = validate(network, data.validation, data.loaded, tiny_run.config())
    assert any("tissue" in metrics for metrics in told.by_category.values())
    glands = [dataclasses.replace(tile, tasks=tile.tasks - {"tissue"}) for tile in data.validation]
    untold = validate(network, glands, data.loaded, tiny_run.config())
    assert untold.dice == told.dice
    assert not any("tissue" in metrics for metrics in untold.by_category.values())


def test_an_accuracy_of_nothing_counts_and_no_tissue_tile_does_not():
    assert Scores(dice={"glands": 0.8}, tissue_accuracy=0.0, tissue_balanced_accuracy=0.0).overall == 0.4
    assert Scores(dice={"glands": 0.8}).overall == 0.8
