"""Tiling changes nothing: neither a probability nor an object, whatever the image's shape and the tile's size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.device import Runtime
from napari_cerberus.inference.predict import Prediction, margin_px, predict
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import CERBERUS_TASKS, TaskSpec, instances
from tiny import EXACT, TinyNetwork, spotted, tiny_model

SUBSETS = st.integers(1, 110)


def assert_same(tiled: Prediction, whole: Prediction) -> None:
    for key, probabilities in whole.probabilities.items():
        np.testing.assert_array_equal(tiled.probabilities[key], probabilities)
    for key, classes in whole.type_maps.items():
        np.testing.assert_array_equal(tiled.type_maps[key], classes)
    if whole.tissue is not None:
        assert tiled.tissue is not None
        np.testing.assert_allclose(tiled.tissue, whole.tissue, rtol=0, atol=1e-6)


@settings(max_examples=40)
@given(height=SUBSETS, width=SUBSETS, tile=st.integers(1, 96), seed=st.integers(0, 5), window=st.integers(1, 8))
def test_tiles_give_the_whole_images_answer(height: int, width: int, tile: int, seed: int, window: int) -> None:
    image = spotted((height, width), seed=seed)
    model = tiny_model(seed=seed, tissue_window_cells=window)
    whole = run_to_end(predict(image, model, EXACT, tile_size_px=4096))
    tiled = run_to_end(predict(image, model, EXACT, tile_size_px=tile))
    assert whole.probabilities["nuclei"].shape == (2, height, width)
    assert_same(tiled, whole)


def test_a_margin_one_cell_short_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    image = spotted((160, 144), spots=30)
    whole = run_to_end(predict(image, tiny_model(), EXACT))
    monkeypatch.setattr(TinyNetwork, "encoder_reach_px", TinyNetwork.encoder_reach_px - 16)
    tiled = run_to_end(predict(image, tiny_model(), EXACT, tile_size_px=32))
    assert (tiled.probabilities["nuclei"] != whole.probabilities["nuclei"]).any()


@settings(max_examples=15)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    tile=st.integers(1, 64),
    pixel_size_um=st.sampled_from([0.3, 0.5, 0.66, 1.1]),
    sensitivity=st.sampled_from([-0.5, 0.0, 1.0]),
)
def test_tiled_labels_equal_untiled_ones(
    height: int, width: int, tile: int, pixel_size_um: float, sensitivity: float
) -> None:
    image, model = spotted((height, width), seed=height), tiny_model()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_cerberus.inference.device.choose_runtime", lambda *_choice, **_size: EXACT)
        whole, tiled = (
            run_to_end(
                annotate(
                    image,
                    model,
                    AnnotateSettings(pixel_size_um=pixel_size_um, tile_size_px=size, sensitivity=sensitivity),
                )
            )
            for size in (4096, tile)
        )
    for task, labels in whole.labels.items():
        assert labels.shape == (height, width)
        np.testing.assert_array_equal(tiled.labels[task], labels)
    assert tiled.objects.equals(whole.objects)
    assert tiled.tissue == pytest.approx(whole.tissue, abs=1e-6)


def cerberus(tasks: tuple[TaskSpec, ...], seed: int = 0) -> Model:
    torch.manual_seed(seed)
    spec = ModelSpec(name="random", tasks=tasks, pixel_size_um=0.5)
    network = Cerberus(tasks).eval()
    for key in network.decoders:
        network.heads[key][1].weight.data *= 100.0  # random logits are almost the same everywhere
    return Model(network=network, spec=spec, sha256="")


@pytest.mark.parametrize("shape", [(16, 720), (720, 10)])
def test_tiling_the_real_network(shape: tuple[int, int]) -> None:
    """A strip longer than two margins, so that its middle tiles do not see its ends."""
    image = spotted(shape, spots=60, radius_px=12)
    model = cerberus((instances("glands"), CERBERUS_TASKS[-1]))
    exact = Runtime(device=torch.device("cpu"), dtype=torch.float32, reason="test")
    whole = run_to_end(predict(image, model, exact, tile_size_px=4096))
    tiled = run_to_end(predict(image, model, exact, tile_size_px=240))
    assert whole.probabilities["glands"].std() > 0.03
    np.testing.assert_allclose(tiled.probabilities["glands"], whole.probabilities["glands"], rtol=0, atol=2e-3)
    assert whole.tissue is not None
    assert tiled.tissue is not None
    np.testing.assert_allclose(tiled.tissue, whole.tissue, rtol=0, atol=1e-5)


def all_positive(network: Cerberus) -> Cerberus:
    """Weights that hide nothing: no two influences cancel out, and no ReLU blocks one."""
    for name, parameter in network.named_parameters():
        if parameter.ndim == 4:
            parameter.data = (0.5 + torch.rand_like(parameter)) / parameter[0].numel()
        elif name.endswith("bias"):
            parameter.data.zero_()
    return network.double().eval()


def test_reach_of_the_real_network_is_exactly_as_stated() -> None:
    """By gradient: a farther pixel has no influence, and the stated reach is not wasteful either."""
    torch.manual_seed(0)
    network = all_positive(Cerberus([instances("glands")]))
    image = (torch.rand(1, 3, 16, 640, dtype=torch.double) * 255).requires_grad_()
    features = network.encode(image)
    first, stop = 320, 336
    logits = network.decode(features, ["glands"])["glands"][..., first:stop].sum()
    seen = _influence(logits, image)
    reach = network.encoder_reach_px + network.decoder_reach_px
    assert first - seen[0] == reach
    assert seen[-1] - (stop - 1) <= reach
    cell = _influence(features[-1][..., first // 16].sum(), image)
    assert (first - cell[0], cell[-1] - first) == (network.encoder_reach_px, network.encoder_reach_px)
    assert margin_px(network) == 288


def _influence(value: torch.Tensor, image: torch.Tensor) -> np.ndarray:
    (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
    return np.flatnonzero(gradient.abs().sum((0, 1, 2)).numpy())
