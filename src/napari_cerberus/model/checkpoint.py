"""Our checkpoint: a folder with ``weights.safetensors`` and ``model.json``, strict on load.

``model.json`` carries the SHA-256 of the weights file; a mismatch is refused. Half-precision weights are widened to
float32 on load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..decode_errors import reason_of
from ..errors import ModelError
from ..files import sha256_of
from ..whole_folders import atomic_folder
from .network import Cerberus
from .spec import CARD_FILE, SPEC_FILE, WEIGHTS_FILE, ModelSpec, load_spec


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network in evaluation mode on the CPU, with its description and the SHA-256 of its weights file."""

    network: Cerberus
    spec: ModelSpec
    sha256: str
    path: Path | None = None

    @property
    def name(self) -> str:
        """The model's name, for the user."""
        return self.spec.name

    def card(self) -> str:
        """The model card in Markdown; empty where the model has none."""
        card = self.path / CARD_FILE if self.path is not None else None
        return card.read_text(encoding="utf-8", errors="replace") if card is not None and card.is_file() else ""


def load_model(folder: Path) -> Model:
    """Read one of our model folders.

    Raises
    ------
    ModelError
        If a file is missing or damaged, the SHA-256 differs, or entries are missing, left over or of another shape
        (the first few are named).
    """
    spec, expected = load_spec(folder)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise ModelError(f"{folder} holds no {WEIGHTS_FILE}; copy the whole model folder again.")
    if (actual := sha256_of(weights)) != expected:
        raise ModelError(f"{weights} is damaged: its SHA-256 is {actual[:12]}…, not {expected[:12]}….")
    try:
        state = load_file(weights)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{weights} is not a readable safetensors file: {reason_of(error)}") from error
    network = Cerberus(spec.tasks, spec.tissue_window_cells)
    load_strictly(network, state, str(weights))
    return Model(network=network.eval(), spec=spec, sha256=expected, path=folder)


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Copy ``state`` into ``network``; every entry must be there, finite and of the right shape.

    Raises
    ------
    ModelError
        Names ``where`` and the wrong entries.
    """
    expected = network.state_dict()
    problems = [f"{name} is missing" for name in expected if name not in state]
    problems += [f"{name} is unknown" for name in state if name not in expected]
    for name, value in state.items():
        if name in expected and value.shape != expected[name].shape:
            problems.append(f"{name} has shape {tuple(value.shape)}, not {tuple(expected[name].shape)}")
        elif name in expected and value.is_floating_point() and not torch.isfinite(value).all():
            problems.append(f"{name} holds values that are not finite")
    if problems:
        more = f" (and {len(problems) - 4} more)" if len(problems) > 4 else ""
        raise ModelError(f"{where} does not fit the model: {'; '.join(problems[:4])}{more}.")
    network.load_state_dict({name: value.to(expected[name].dtype) for name, value in state.items()})


def save_model(
    folder: Path, network: Cerberus, spec: ModelSpec, *, card: str = "", half_precision: bool = False
) -> str:
    """Write a model folder, whole or not at all, and return the SHA-256 of its weights.

    Parameters
    ----------
    half_precision : bool
        Store float16 instead of float32 (half the size; relative error about 5e-4).

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    state = {
        name: (value.half() if half_precision and value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    with atomic_folder(folder, ours=(SPEC_FILE, WEIGHTS_FILE, CARD_FILE)) as temporary:
        save_file(state, temporary / WEIGHTS_FILE)
        sha256 = sha256_of(temporary / WEIGHTS_FILE)
        text = json.dumps({**spec.to_json(), "weights_sha256": sha256}, indent=2, ensure_ascii=False)
        (temporary / SPEC_FILE).write_text(text + "\n", encoding="utf-8")
        if card:
            (temporary / CARD_FILE).write_text(card, encoding="utf-8")
    return sha256
