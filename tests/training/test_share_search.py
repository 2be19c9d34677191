"""How much of the trained weights is kept: the best on the validation patients, less where that is as good."""

import pytest

from napari_cerberus.training.engine.share_search import Candidate, chosen


def line(*qualities, old=None):
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)[: len(qualities)]
    known = old or (None,) * len(shares)
    return [Candidate(share=s, quality=q, old=o) for s, q, o in zip(shares, qualities, known, strict=True)]


@pytest.mark.parametrize(
    ("qualities", "kept"),
    [
        ((0.60, 0.65, 0.72, 0.78, 0.80), 1.0),
        ((0.60, 0.65, 0.72, 0.70, 0.50), 0.5),
        ((0.60, 0.65, 0.7201, 0.7202, 0.7203), 0.5),  # no better than half of them: less is forgotten
        ((0.60, 0.602, 0.603, 0.60, 0.55), 0.0),
    ],
)
def test_the_best_share_is_kept_and_the_smaller_of_two_alike(qualities, kept):
    choice = chosen(line(*qualities))
    assert choice.kept.share == kept
    assert choice.gained == (kept > 0)


def test_for_everyone_a_share_that_costs_too_much_of_the_old_domain_is_not_kept():
    tried = line(0.6, 0.65, 0.7, 0.75, 0.8, old=(0.9, 0.9, 0.885, 0.86, 0.8))
    assert chosen(tried, most_forgotten=0.02).kept.share == 0.5
    assert chosen(tried).kept.share == 1.0


def test_where_nothing_is_gained_the_old_model_stays_and_it_is_said():
    choice = chosen(line(0.6, 0.5, 0.4, 0.3, 0.2))
    assert "the old model stays" in choice.sentence
