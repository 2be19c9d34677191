"""What nobody teaches is held to the base model's own answers on the user's tiles."""

import dataclasses

import pytest
import torch

from finetune import tiny_net
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.transfer.kept_answers import kept_answers_of
from training import tiny_run


@pytest.fixture
def base(tmp_path, monkeypatch):
    tiny_net.shrink(monkeypatch.setattr)
    tiny_net.save_base(tmp_path / "base")
    return load_model(tmp_path / "base")


def answers(base, *taught):
    batch = dataclasses.replace(tiny_run.config().batches[0], tasks=taught)
    fields = {"tasks": tiny_net.TASKS, "tissue_window_cells": 2, "start": str(base.path), "keep_answers": 2.0}
    config = tiny_run.config(**fields, batches=(batch,))
    data = tiny_run.data()
    return run_to_end(kept_answers_of(config, base, data.train, data.loaded))


def test_the_base_model_itself_has_nothing_to_pay_and_a_moved_encoder_has(base):
    kept = answers(base, "glands")
    with torch.no_grad():
        before = float(kept.loss(base.network, 0))
        for weights in base.network.encoder.parameters():
            weights.mul_(1.5)
        after = float(kept.loss(base.network, 0))
    assert before == pytest.approx(0, abs=1e-3), "answers are kept in half precision"
    assert after > before + 1e-3


def test_moving_the_decoder_that_learns_costs_nothing(base):
    kept = answers(base, "glands")
    with torch.no_grad():
        before = float(kept.loss(base.network, 0))
        for weights in base.network.decoders["glands"].parameters():
            weights.mul_(1.5)
        assert float(kept.loss(base.network, 0)) == before


def test_where_every_task_learns_there_is_nothing_to_hold(base):
    assert answers(base, "glands", "lumina", "tissue") is None
