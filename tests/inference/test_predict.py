"""Running the network: progress, calibration, memory, failures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torchvision.models.resnet import BasicBlock

from napari_cerberus.errors import CerberusError, DeviceError
from napari_cerberus.inference.blocks.needed_memory import memory_sentence, needed_bytes
from napari_cerberus.inference.device import Runtime
from napari_cerberus.inference.free_memory import free_memory_bytes
from napari_cerberus.inference.predict import is_out_of_memory, predict, window_means
from napari_cerberus.inference.tile_memory import default_tile_px, tile_bytes
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.progress import Progress, run_to_end
from napari_cerberus.tasks import instances
from tiny import EXACT, TinyNetwork, spotted, tiny_model

IMAGE = spotted((96, 144), spots=20)


def with_encoder(monkeypatch: pytest.MonkeyPatch, limit_px: int, error: Exception) -> Model:
    """A model whose encoder fails on more than ``limit_px`` pixels."""
    encode = TinyNetwork.encode

    def failing(self: TinyNetwork, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if image.shape[-1] * image.shape[-2] > limit_px:
            raise error
        return encode(self, image)

    monkeypatch.setattr(TinyNetwork, "encode", failing)
    return tiny_model()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
        RuntimeError("MPS backend out of memory"),
        MemoryError(),
    ],
)
def test_short_memory_halves_the_tiles_and_is_said_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    steps: list[Progress] = []
    model = with_encoder(monkeypatch, 130 * 150, error)
    tall = spotted((160, 144), spots=20)
    result = run_to_end(predict(tall, model, EXACT), steps.append)
    said = [step.message for step in steps if step.message]
    assert said == ["Memory ran short: tiles of 80 px instead of 160."]
    assert result.notes == tuple(said)
    assert steps[-1].done == steps[-1].total
    monkeypatch.undo()
    again = run_to_end(predict(tall, tiny_model(), EXACT))
    np.testing.assert_array_equal(result.probabilities["nuclei"], again.probabilities["nuclei"])
    assert again.notes == ()


def test_memory_too_short_for_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_encoder(monkeypatch, 0, MemoryError())
    with pytest.raises(DeviceError, match="not enough memory on cpu even for tiles of"):
        run_to_end(predict(IMAGE, model, EXACT))


def test_other_failures_are_ours_and_no_runtime_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_encoder(monkeypatch, 0, RuntimeError("mat1 and mat2 shapes\nlong traceback"))
    with pytest.raises(CerberusError, match=r"failed on cpu: mat1 and mat2 shapes$") as caught:
        run_to_end(predict(IMAGE, model, EXACT))
    assert not isinstance(caught.value, RuntimeError)
    assert not is_out_of_memory(RuntimeError("mat1"))


def test_progress_counts_every_task_of_every_tile() -> None:
    steps: list[Progress] = []
    run_to_end(predict(IMAGE, tiny_model(), EXACT, tile_size_px=48), steps.append)
    assert [step.done for step in steps] == list(range(1, 31))  # 6 tiles; the encoder and 4 decoders
    assert {step.total for step in steps} == {30}


def test_closing_the_generator_stops_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    decode = TinyNetwork.decode
    monkeypatch.setattr(TinyNetwork, "decode", lambda self, *args: calls.append(1) or decode(self, *args))
    job = predict(IMAGE, tiny_model(), EXACT, tile_size_px=48)
    next(job)
    next(job)
    job.close()
    assert len(calls) == 1


def test_a_cancel_need_not_wait_for_the_end_of_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(device=torch.device("cpu"), dtype=torch.float32, reason="test")
    tasks = (instances("glands"),)
    spec = ModelSpec(name="random", tasks=tasks, pixel_size_um=0.5)
    model = Model(network=Cerberus(tasks).eval(), spec=spec, sha256="")
    image = spotted((32, 48))
    steps: list[Progress] = []
    run_to_end(predict(image, model, runtime), steps.append)
    assert [step.done for step in steps] == [0] * 17 + [1] * 9 + [2], "stem, 16 blocks; encoded, 8 convolutions; all"
    blocks = []
    forward = BasicBlock.forward
    monkeypatch.setattr(BasicBlock, "forward", lambda self, x: blocks.append(1) or forward(self, x))
    job = predict(image, model, runtime)
    for _ in range(3):
        next(job)
    job.close()
    assert len(blocks) == 2


def test_the_encoder_runs_once_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = TinyNetwork.encode
    monkeypatch.setattr(TinyNetwork, "encode", lambda self, image: calls.append(1) or encode(self, image))
    run_to_end(predict(IMAGE, tiny_model(), EXACT, tile_size_px=48))
    assert len(calls) == 6


def test_temperature_flattens_probabilities() -> None:
    model = tiny_model()
    spec = dataclasses.replace(model.spec, temperatures={"nuclei": 4.0, "tissue": 4.0})
    sharp = run_to_end(predict(IMAGE, model, EXACT))
    soft = run_to_end(predict(IMAGE, dataclasses.replace(model, spec=spec), EXACT))
    assert soft.probabilities["nuclei"][0].std() < 0.7 * sharp.probabilities["nuclei"][0].std()
    np.testing.assert_array_equal(soft.probabilities["glands"], sharp.probabilities["glands"])
    assert sharp.tissue is not None
    assert soft.tissue is not None
    assert np.abs(soft.tissue - 0.5).max() < np.abs(sharp.tissue - 0.5).max()


def test_results_are_probabilities_and_repeat() -> None:
    first, second = (run_to_end(predict(IMAGE, tiny_model(), EXACT)) for _ in range(2))
    for key, shares in first.probabilities.items():
        assert shares.dtype == np.float16
        assert shares.shape == (2, *IMAGE.shape[:2])
        assert ((shares >= 0) & (shares <= 1)).all()
        np.testing.assert_array_equal(shares, second.probabilities[key])
    assert first.tissue is not None
    np.testing.assert_allclose(first.tissue.sum(axis=0), 1.0, atol=1e-6)
    assert first.type_maps["nuclei_types"].max() > 0


@pytest.mark.parametrize("window", [1, 2, 3, 4, 9])
def test_window_means_over_the_cells_that_exist(window: int) -> None:
    features = torch.arange(35, dtype=torch.float32).reshape(1, 1, 5, 7)
    means = window_means(features, window)[0, 0]
    for row, column in ((0, 0), (2, 3), (4, 6), (3, 0)):
        before, after = (window - 1) // 2, window // 2
        cells = features[0, 0, max(0, row - before) : row + after + 1, max(0, column - before) : column + after + 1]
        assert means[row, column].item() == pytest.approx(cells.mean().item(), rel=1e-5)


def test_the_window_of_an_image_as_large_as_it_is_the_heads_own_answer() -> None:
    """On an image of exactly one window the dense readout's middle is the head's forward pass."""
    model = tiny_model(tissue_window_cells=3)
    image = spotted((48, 48))
    dense = run_to_end(predict(image, model, EXACT)).tissue
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        direct = model.network(pixels)["tissue"].softmax(1)[0, :, 0, 0].numpy()
    assert dense is not None
    np.testing.assert_allclose(dense[:, 1, 1], direct, atol=1e-5)


def test_tiles_are_smaller_where_little_memory_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    large = (8192, 8192)
    assert default_tile_px(large, None, 288, 4) == default_tile_px(large, 1 << 40, 288, 4) == 1024
    assert default_tile_px((1024, 1600), 1 << 40, 288, 4) == 1600
    tile = default_tile_px(large, 6 << 30, 288, 4)
    assert tile == 448
    assert (6 << 30) // 8 < tile_bytes(tile, large, 288, 4) <= (6 << 30) // 3
    assert default_tile_px(large, 2 << 30, 288, 4) < 448
    tile = default_tile_px(large, 6 << 30, 288, 2)
    assert tile_bytes(tile, large, 288, 2) <= (6 << 30) // 8 < tile_bytes(tile + 32, large, 288, 2)
    assert default_tile_px((1024, 1024), 6 << 30, 288, 4) == 1024
    for smallest in ("SMALLEST_DEFAULT_PX", "_LEAST_MODEST_PX"):
        monkeypatch.setattr(f"napari_cerberus.inference.tile_memory.{smallest}", 64)
    monkeypatch.setattr("napari_cerberus.inference.predict.free_memory_bytes", lambda _device: 1 << 20)
    steps: list[Progress] = []
    tiled = run_to_end(predict(IMAGE, tiny_model(), EXACT), steps.append)
    assert steps[-1].total == 6 * 5  # 96 × 144 px in tiles of 64
    monkeypatch.undo()
    whole = run_to_end(predict(IMAGE, tiny_model(), EXACT))
    np.testing.assert_array_equal(tiled.probabilities["nuclei"], whole.probabilities["nuclei"])


def test_free_memory_is_a_number_or_unknown() -> None:
    free = free_memory_bytes(torch.device("cpu"))
    assert free is None or free > 1 << 20
    assert free_memory_bytes(torch.device("mps")) is None


def test_memory_is_told_before_it_is_taken() -> None:
    spec = tiny_model().spec
    needs = [
        needed_bytes((side, side), 0.5, spec, free_bytes=6 << 30, margin=288, bytes_per_value=4)
        for side in (4096, 8192)
    ]
    assert needs[0] < needs[1]
    assert needs[1] > 8192**2 * (3 + 3 * 4 + 1 + 3 * 4)  # image, probabilities, types, labels
    assert memory_sentence(1 << 20, 1 << 33, is_large=False) == ""
    assert "0.9 GB" in memory_sentence(900_000_000, 1 << 33, is_large=True)
    for is_large in (False, True):
        assert "close other programs" in memory_sentence(2_000_000_000, 1_000_000_000, is_large=is_large)
