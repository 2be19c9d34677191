import pytest
import torch
import torch.nn.functional as F

from napari_cerberus.training.losses import dense_loss, finite, soft_dice_loss, tissue_loss


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
