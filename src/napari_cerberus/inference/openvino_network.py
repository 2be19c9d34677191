"""The network under OpenVINO, for Intel and AMD processors; the optional extra ``napari-cerberus[openvino]``.

It has the face of ``Cerberus`` that ``predict`` uses. The encoder and each decoder are compiled once, for any image
size; the tissue head is small and stays in torch. Measured on a Zen 4 server with two cores it is about 20 % faster
than torch, after a few seconds for compiling.
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..model.network import Cerberus, Steps, finish
from ..model.spec import STRIDE_PX
from ..tasks import TaskSpec

_DEVICE = "CPU"
_LOOK_EVERY_MS = 200
_ENCODER = ""
"""Name of the part that is no task's."""
_PRECISION_HINTS = {torch.float32: "f32", torch.bfloat16: "bf16"}


def openvino_is_installed() -> bool:
    """True where the extra is there; it is not loaded to find out."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoNetwork:
    """A compiled copy of a network.

    Parameters
    ----------
    network : Cerberus
        Fused, in evaluation mode, float32.
    dtype : torch.dtype
        Precision of the convolutions; features and logits pass in float32.
    """

    def __init__(self, network: Cerberus, dtype: torch.dtype) -> None:
        import openvino

        self.tasks: tuple[TaskSpec, ...] = network.tasks
        self.heads = network.heads
        self.encoder_reach_px = network.encoder_reach_px
        self.decoder_reach_px = network.decoder_reach_px
        self.tissue_task = network.tissue_task
        self._core = openvino.Core()
        self._options = {"INFERENCE_PRECISION_HINT": _PRECISION_HINTS[dtype]}
        self._network = network
        self._parts: dict[str, Any] = {}
        self._lock = threading.Lock()

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """As ``Cerberus.encode``."""
        return finish(self.encode_in_steps(image))

    def encode_in_steps(self, image: Tensor) -> Steps[tuple[Tensor, ...]]:
        """As ``encode``; it can be stopped at any time."""
        compiled = self._compiled(_ENCODER)
        yield
        return (yield from self._run_in_steps(compiled, [image]))

    def decode_in_steps(self, features: Sequence[Tensor], key: str) -> Steps[Tensor]:
        """As ``decode``, of one task; it can be stopped at any time."""
        compiled = self._compiled(key)
        yield
        return (yield from self._run_in_steps(compiled, features))[0]

    def decode(self, features: Sequence[Tensor], keys: Iterable[str]) -> dict[str, Tensor]:
        """As ``Cerberus.decode``, for dense tasks."""
        return {key: finish(self.decode_in_steps(features, key)) for key in keys}

    def _compiled(self, name: str) -> Any:
        """The encoder, or the decoder of a task; compiled when it is first needed, which takes seconds for each."""
        with self._lock:  # two jobs may use the same network at once
            if name not in self._parts:
                image = torch.zeros(1, 3, 2 * STRIDE_PX, 2 * STRIDE_PX)
                with torch.inference_mode():
                    features = self._network.encode(image)
                is_encoder = name == _ENCODER
                module = _Encoding(self._network) if is_encoder else _Decoding(self._network, name)
                self._parts[name] = self._compile(module, (image,) if is_encoder else features)
            return self._parts[name]

    def _compile(self, module: nn.Module, example: tuple[Tensor, ...]) -> Any:
        import openvino

        shapes = [openvino.PartialShape([1, part.shape[1], -1, -1]) for part in example]
        with warnings.catch_warnings(), torch.no_grad():
            # The converter still traces with torch.jit, which torch calls deprecated.
            warnings.simplefilter("ignore")
            converted = openvino.convert_model(module.eval(), example_input=example, input=shapes)
        return self._core.compile_model(converted, _DEVICE, self._options)

    @staticmethod
    def _run_in_steps(compiled: Any, inputs: Sequence[Tensor]) -> Steps[tuple[Tensor, ...]]:
        # A request of its own: two jobs may use the same compiled network at once.
        request = compiled.create_infer_request()
        request.start_async([part.float().contiguous().numpy() for part in inputs])
        try:
            while not request.wait_for(_LOOK_EVERY_MS):
                yield
        except GeneratorExit:
            request.cancel()
            raise
        request.wait()  # raises what went wrong
        places = range(len(compiled.outputs))
        return tuple(torch.from_numpy(request.get_output_tensor(place).data.copy()) for place in places)


class _Encoding(nn.Module):
    def __init__(self, network: Cerberus) -> None:
        super().__init__()
        self.encoder = network.encoder

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.encoder(image / 255.0)  # type: ignore[no-any-return]


class _Decoding(nn.Module):
    def __init__(self, network: Cerberus, key: str) -> None:
        super().__init__()
        self.reduce, self.decoder, self.head = network.reduce, network.decoders[key], network.heads[key]

    def forward(self, x0: Tensor, x1: Tensor, x2: Tensor, x3: Tensor, x4: Tensor) -> Tensor:
        return self.head(self.decoder(self.reduce(x4), [x0, x1, x2, x3]))  # type: ignore[no-any-return]
