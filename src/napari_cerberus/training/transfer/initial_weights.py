"""Where a run starts from: scratch, ImageNet, another model, a published folder or an encoder-only file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ...errors import ModelError
from ...model.ancestry import inherited
from ...model.checkpoint import Model
from ...model.library.opening import open_model
from ...model.network import LAST_LAYER, Cerberus, Decoder
from ...model.published import load_encoder
from ..config import TrainConfig

SCRATCH, IMAGENET = "scratch", "imagenet"


def open_base(config: TrainConfig) -> Model | None:
    """The model that a run starts from, opened once for all of it; None where it starts from none of ours.

    Raises
    ------
    ModelError
        If it is not there, damaged, or its weights have another SHA-256 than the config wants.
    """
    if not config.has_base:
        return None
    wanted = config.start_sha256
    base = open_model(config.start, wanted)
    if wanted and base.sha256 != wanted:
        raise ModelError(
            f"The base model {config.start!r} is not the one this run was planned with: its SHA-256 is "
            f"{base.sha256[:12]}…, not {wanted[:12]}…. Plan the run anew."
        )
    return base


def starting_network(config: TrainConfig, base: Model | None = None) -> tuple[Cerberus, tuple[str, ...]]:
    """A network with the config's tasks, filled from ``config.start`` as far as shapes agree, and frozen as asked.

    Parameters
    ----------
    config : TrainConfig
    base : Model, optional
        What ``open_base`` gives, where it is open already.

    Returns
    -------
    network : Cerberus
    notes : tuple of str
        What was taken over and what is new, in words.

    Raises
    ------
    ModelError
        If the start cannot be read, or ImageNet weights are neither cached nor reachable.
    """
    torch.manual_seed(config.seed)
    network = Cerberus(config.tasks, config.tissue_window_cells)
    notes: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    if config.start == IMAGENET:
        _fill_from_imagenet(network)
        notes = ("Encoder from torchvision's ImageNet weights.",)
    elif Path(config.start).is_file():
        load_encoder(Path(config.start), network.encoder)
        notes = (f"Encoder from {Path(config.start).name}.",)
    elif config.start != SCRATCH:
        model = base or open_model(config.start, config.start_sha256)
        notes, known = take_over(network, model.network), frozenset(model.network.decoders)
    return network, (*notes, *_freeze(network, config, known))


def _freeze(network: Cerberus, config: TrainConfig, known: frozenset[str]) -> tuple[str, ...]:
    """Freeze as asked; decoders that no base model filled train whole, which is said."""
    network.encoder.freeze_before(config.train_from_layer)
    # A wholly frozen encoder leaves the other tasks' outputs as they are, so what they share after it stays too.
    block = config.train_decoder_from_block
    network.reduce.requires_grad_(not known or (config.train_from_layer <= LAST_LAYER and block == 1))
    fresh = [key for key in network.decoders if key not in known]
    for key in known & set(network.decoders):
        cast(Decoder, network.decoders[key]).freeze_before(block)
    if block > 1 and fresh:
        return (f"Decoders of {', '.join(fresh)} train whole: the base model has none.",)
    return ()


def base_record(base: Model | None) -> dict[str, Any] | None:
    """Name, SHA-256 and making of the model a run started from; None where it was no model of ours."""
    if base is None:
        return None
    kept = ("command", "seed", "steps", "best_step", "training_seconds", "environment")
    making = {key: base.spec.provenance[key] for key in kept if key in base.spec.provenance}
    return {"name": base.name, "sha256": base.sha256, **making}


def ancestors(config: TrainConfig, base: Model | None) -> dict[str, Any]:
    """Whom the models before this one have learned from, for its record."""
    if base is not None:
        return inherited(base.spec)
    from_file = config.start not in (SCRATCH, IMAGENET)
    return inherited(None, unknown=Path(config.start).name) if from_file else inherited(None)


def inherited_licences(base: Model | None) -> dict[str, Any]:
    """Licences of the data that the model before this one has learned from: they bind this one too."""
    known = base.spec.provenance.get("licences", {}) if base is not None else {}
    return dict(known) if isinstance(known, dict) else {}


def take_over(network: Cerberus, source: Cerberus) -> tuple[str, ...]:
    """Copy encoder, decoders and heads from ``source`` where task and shapes agree; say what starts new."""
    network.encoder.load_state_dict(source.encoder.state_dict())
    network.reduce.load_state_dict(source.reduce.state_dict())
    known = {task.key: task for task in source.tasks}
    fresh = []
    for task in network.tasks:
        if task.key in network.decoders and task.key in source.decoders:
            network.decoders[task.key].load_state_dict(source.decoders[task.key].state_dict())
        if known.get(task.key) == task:
            network.heads[task.key].load_state_dict(source.heads[task.key].state_dict())
        else:
            fresh.append(task.key)
    notes = ["Encoder and matching decoders from the base model."]
    if fresh:
        notes.append(f"New head for {', '.join(fresh)}: the base model does not predict these classes.")
    return tuple(notes)


def _fill_from_imagenet(network: Cerberus) -> None:
    from torchvision.models import ResNet34_Weights

    try:
        state = ResNet34_Weights.DEFAULT.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ModelError(
            "ImageNet weights are not on this computer and cannot be downloaded; use start = 'starter' or 'scratch'."
        ) from error
    trunk: nn.Module = network.encoder
    trunk.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")})
