import pytest
import torch
import torch.nn.functional as F

from napari_cerberus.training.engine.losses import dense_loss, finite, soft_dice_loss, tissue_loss


def test_dense_loss_is_the_weighted_mean_of_the_cross_entropy():
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    weights = torch.rand(2, 4, 5) + 0.5
    entropy = F.cross_entropy(logits, target, reduction="none")
    assert dense_loss(logits, target, weights).item() == pytest.approx(
        ((entropy * weights).sum() / weights.sum()).item(), rel=1e-5
    )


def test_pixels_of_weight_zero_do_not_count():
    logits, target = torch.randn(1, 3, 4, 4, requires_grad=True), torch.zeros(1, 4, 4)
    weights = torch.zeros(1, 4, 4)
    weights[0, 0, 0] = 1
    dense_loss(logits, target, weights, dice_weight=1.0).backward()
    assert logits.grad[0, :, 1:].abs().sum() == 0
    assert logits.grad[0, :, 0, 0].abs().sum() > 0


def test_soft_dice_is_zero_for_a_perfect_answer_and_near_one_for_a_wrong_one():
    target = torch.randint(0, 3, (1, 16, 16))
    perfect = F.one_hot(target, 3).permute(0, 3, 1, 2) * 50.0
    wrong = F.one_hot((target + 1) % 3, 3).permute(0, 3, 1, 2) * 50.0
    everywhere = torch.ones(1, 16, 16, dtype=torch.bool)
    assert soft_dice_loss(perfect, target, everywhere).item() < 0.01
    assert soft_dice_loss(wrong, target, everywhere).item() > 0.9


def test_tissue_loss_takes_the_heads_shape():
    logits = torch.tensor([[[[2.0]], [[0.0]]]])
    assert tissue_loss(logits, torch.tensor([0])).item() == pytest.approx(0.1269, abs=1e-3)


def test_finite_tells_numbers_from_others():
    assert finite(torch.tensor(1.0))
    assert not finite(torch.tensor(float("nan")))


FREQUENCY = torch.tensor([0.75, 0.25, 0.0])


def test_a_weighted_tissue_loss_counts_rare_classes_more_and_the_usual_mixture_as_one():
    logits = torch.zeros(4, 3, 1, 1)
    common, rare = torch.tensor([0, 0, 0, 0]), torch.tensor([1, 1, 1, 1])
    losses = [tissue_loss(logits, t, frequency=FREQUENCY, weighting="weighted").item() for t in (common, rare)]
    assert losses[1] / losses[0] == pytest.approx(3)
    mixture = tissue_loss(logits, torch.tensor([0, 0, 0, 1]), frequency=FREQUENCY, weighting="weighted")
    assert mixture.item() == pytest.approx(tissue_loss(logits, common).item())


def test_logit_adjustment_is_cross_entropy_of_logits_shifted_by_the_log_frequency():
    logits, target = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([1])
    shifted = logits + torch.tensor([[0.75, 0.25, 1e-3]]).log()
    wanted = F.cross_entropy(shifted, target).item()
    given = tissue_loss(logits[..., None, None], target, frequency=FREQUENCY, weighting="logit_adjustment")
    assert given.item() == pytest.approx(wanted)
    plain = tissue_loss(logits[..., None, None], target, frequency=FREQUENCY, weighting="none")
    assert plain.item() == pytest.approx(F.cross_entropy(logits, target).item())
