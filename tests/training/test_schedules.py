"""Learning rates over a run, against what the config's words promise."""

import pytest
import torch

from napari_cerberus.training.engine.optimiser import make_optimiser, make_schedule
from napari_cerberus.training.run_settings import OptimiserSettings

STEPS = 20


def rates(schedule):
    settings = OptimiserSettings(schedule=schedule, learning_rate=0.1, name="sgd")
    optimiser = make_optimiser(torch.nn.Linear(2, 2), settings)
    plan = make_schedule(optimiser, settings, STEPS)
    found = []
    for _ in range(STEPS):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        plan.step()
    return found


def test_step_is_a_tenth_from_half_of_the_steps_on():
    assert rates("step") == pytest.approx([0.1] * (STEPS // 2) + [0.01] * (STEPS // 2))


def test_cosine_falls_from_the_rate_to_nothing():
    found = rates("cosine")
    assert found[0] == pytest.approx(0.1)
    assert found[STEPS // 2] == pytest.approx(0.05)
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.001


def test_onecycle_rises_to_the_rate_and_falls_again():
    found = rates("onecycle")
    top = found.index(max(found))
    assert max(found) == pytest.approx(0.1, rel=0.02)
    assert 0 < top < STEPS // 3
    assert found[top:] == sorted(found[top:], reverse=True)


def test_constant_stays():
    assert rates("constant") == [0.1] * STEPS


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_normalisation_and_biases_are_not_decayed(name):
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    decayed, plain = make_optimiser(network, OptimiserSettings(name=name, weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    assert [one.ndim for one in decayed["params"]] == [4]
    assert len(plain["params"]) == 3
