"""Reading weights in the layouts that Cerberus's authors publish, without running anything they hold.

A *published folder* holds ``settings.yml`` and ``weights.tar`` (a torch pickle, ``{"desc": state dict}``). An
*encoder-only file* is a torch pickle of a state dict with torchvision's ResNet34 names. Both are read with
``weights_only=True``; the layouts were learned from the published parameter file (see ``docs/architecture.md``).
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from ..decode_errors import DECODE_ERRORS, reason_of
from ..errors import ModelError
from ..files import sha256_of
from ..tasks import CERBERUS_TASKS, TaskSpec
from .checkpoint import Model, load_strictly
from .network import Cerberus, Encoder
from .spec import ModelSpec

SETTINGS_FILE = "settings.yml"
WEIGHTS_FILE = "weights.tar"
PUBLISHED_PIXEL_SIZE_UM = 0.5
PUBLISHED_ORIGIN = "published folder, read by the user"

_OUR_KEY = {
    "Lumen": "lumina",
    "Gland": "glands",
    "Nuclei": "nuclei",
    "Nuclei#TYPE": "nuclei_types",
    "Gland#TYPE": "gland_types",
    "Patch-Class": "tissue",
}
_RENAMES = (
    (re.compile(r"^backbone\.(?!fc\.)"), "encoder."),
    (re.compile(r"^conv_map\."), "reduce."),
    (re.compile(r"^decoder_head\.Patch-Class\."), "heads.tissue."),
    (re.compile(r"^decoder_head\.([^.]+)\.(\d)\.block\.(\d)\."), r"decoders.\1.stages.\2.\3."),
    (re.compile(r"^output_head\.([^.]+)\.[^.]+\.x\.0\.block\.0\."), r"heads.\1.0."),
    (re.compile(r"^output_head\.([^.]+)\.[^.]+\.x\.1\.conv\."), r"heads.\1.1."),
)


def is_published_folder(folder: Path) -> bool:
    """True where ``folder`` looks like one of the authors' model folders."""
    return (folder / SETTINGS_FILE).is_file() and (folder / WEIGHTS_FILE).is_file()


def is_published(spec: ModelSpec) -> bool:
    """True for a model that was read from the authors' layout."""
    return spec.provenance.get("origin") == PUBLISHED_ORIGIN


def load_published(folder: Path) -> Model:
    """Read a model folder in the authors' layout.

    Raises
    ------
    ModelError
        If a file is missing, damaged or would run code, or entries are missing, unknown or of another shape.
    """
    weights = folder / WEIGHTS_FILE
    state = _read_pickle(weights)
    tasks = _published_tasks(folder / SETTINGS_FILE, state)
    network = Cerberus(tasks)
    load_strictly(network, our_names(state), str(weights))
    spec = ModelSpec(
        name=folder.name or "published Cerberus",
        tasks=tasks,
        pixel_size_um=PUBLISHED_PIXEL_SIZE_UM,
        provenance={"origin": PUBLISHED_ORIGIN},
    )
    return Model(network=network.eval(), spec=spec, sha256=sha256_of(weights), path=folder)


def load_encoder(file: Path, encoder: Encoder) -> None:
    """Fill ``encoder`` from an encoder-only file with torchvision's ResNet34 names (``fc`` is ignored).

    Raises
    ------
    ModelError
        If the file is damaged or would run code, or an entry is missing, unknown or of another shape.
    """
    state = {
        re.sub(r"^(backbone|encoder)\.", "", name): value
        for name, value in _read_pickle(file).items()
        if not re.search(r"(^|\.)fc\.", name)
    }
    load_strictly(encoder, state, str(file))


def our_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published entry names → ours; the unused classifier ``backbone.fc`` is left out, unknown names stay."""
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith("backbone.fc."):
            continue
        for pattern, replacement in _RENAMES:
            changed, hits = pattern.subn(replacement, name)
            if hits:
                name = changed
                break
        parts = name.split(".")
        if len(parts) > 1 and parts[0] in ("decoders", "heads"):
            parts[1] = _OUR_KEY.get(parts[1], parts[1])
        renamed[".".join(parts)] = value
    return renamed


def _published_tasks(path: Path, state: Mapping[str, Tensor]) -> tuple[TaskSpec, ...]:
    """Tasks that the weights hold; those that the settings file considers must be among them."""
    try:
        settings: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        considered = settings["model_kwargs"]["considered_tasks"]
    except (*DECODE_ERRORS, yaml.YAMLError) as error:  # values that are no number or date; extreme depth
        raise ModelError(f"{path} cannot be read: field model_kwargs.considered_tasks is missing.") from error
    if not isinstance(considered, list) or not all(isinstance(name, str) for name in considered):
        raise ModelError(f"{path}: considered_tasks must be a list of names.")
    if unknown := [name for name in considered if name not in _OUR_KEY]:
        raise ModelError(f"{path} names tasks this program does not know: {', '.join(unknown[:4])}.")
    stored = {name.split(".")[1] for name in state if name.startswith("decoder_head.")}
    wanted = {_OUR_KEY[name] for name in {*considered, *stored} if name in _OUR_KEY}
    return tuple(task for task in CERBERUS_TASKS if task.key in wanted)


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} holds more than tensors and could run code, so it was not opened. Ask for a plain state dict."
        ) from error
    except DECODE_ERRORS as error:
        raise ModelError(f"{path} is not a readable torch file: {reason_of(error)}") from error
    if isinstance(content, Mapping):
        for wrapper in ("desc", "state_dict", "model"):
            if isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
                break
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise ModelError(f"{path} does not hold a state dict (names → tensors).")
    return {name.removeprefix("module."): value for name, value in content.items()}
