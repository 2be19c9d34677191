"""OpenVINO gives torch's answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cerberus.inference.device import Runtime
from napari_cerberus.inference.openvino_network import OpenVinoNetwork
from napari_cerberus.inference.predict import predict
from napari_cerberus.inference.prepared_network import fused
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import CERBERUS_TASKS
from tiny import spotted

pytest.importorskip("openvino", reason="the extra 'openvino' is not installed")


def test_the_same_probabilities_as_torch_at_any_shape() -> None:
    torch.manual_seed(0)
    tasks = (CERBERUS_TASKS[1], CERBERUS_TASKS[-1])  # glands and tissue
    network = Cerberus(tasks).eval()
    network.heads["glands"][1].weight.data *= 100.0
    model = Model(network=network, spec=ModelSpec(name="random", tasks=tasks, pixel_size_um=0.5), sha256="b" * 64)
    cpu = torch.device("cpu")
    with_torch = Runtime(device=cpu, dtype=torch.float32, reason="test")
    with_openvino = Runtime(device=cpu, dtype=torch.float32, reason="test", engine="openvino")
    for shape in ((33, 60), (20, 16)):
        image = spotted(shape)
        ours = run_to_end(predict(image, model, with_openvino))
        theirs = run_to_end(predict(image, model, with_torch))
        assert theirs.probabilities["glands"].std() > 0.02
        np.testing.assert_allclose(ours.probabilities["glands"], theirs.probabilities["glands"], rtol=0, atol=5e-3)
        assert ours.tissue is not None
        assert theirs.tissue is not None
        np.testing.assert_allclose(ours.tissue, theirs.tissue, rtol=0, atol=1e-4)


def test_a_cancel_stops_it_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is closed while it computes asks OpenVINO to stop, and the next one gives the whole answer."""
    tasks = (CERBERUS_TASKS[1],)
    network = OpenVinoNetwork(fused(Cerberus(tasks).eval()), torch.float32)
    image = torch.from_numpy(spotted((256, 256))).permute(2, 0, 1)[None].float()
    monkeypatch.setattr("napari_cerberus.inference.openvino_network._LOOK_EVERY_MS", 1)
    begun = network.encode_in_steps(image)
    next(begun)
    begun.close()
    whole = network.encode(image)
    assert [part.shape[1] for part in whole] == [64, 64, 128, 256, 512]
    assert all(bool(torch.isfinite(part).all()) for part in whole)
