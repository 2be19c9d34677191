"""Writing model folders in the published layout, filled by the oracle's rule, so that no weights need to travel."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
import yaml

TASKS = ["Lumen", "Gland", "Nuclei", "Nuclei#TYPE", "Gland#TYPE", "Patch-Class"]
OUR_KEY = {
    "Lumen-INST": "lumina",
    "Gland-INST": "glands",
    "Nuclei-INST": "nuclei",
    "Nuclei-TYPE": "nuclei_types",
    "Gland-TYPE": "gland_types",
    "Patch-Class": "tissue",
}


def filled_state(shapes_file: Path, seed: int) -> dict[str, torch.Tensor]:
    """State dict with the published names and shapes, filled by the rule of the oracle's README."""
    state = {}
    for name, shape in json.loads(shapes_file.read_text()).items():
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
            continue
        if name.endswith("running_var"):
            values = rng.uniform(0.5, 1.5, shape)
        elif len(shape) >= 2:
            values = rng.standard_normal(shape) * np.sqrt(1 / np.prod(shape[1:]))
        elif name.endswith("weight"):
            values = 0.5 + 0.05 * rng.standard_normal(shape)
        else:
            values = 0.1 * rng.standard_normal(shape)
        state[name] = torch.from_numpy(np.asarray(values, dtype=np.float32))
    return state


def write_published(folder: Path, state: dict[str, torch.Tensor], prefix: str = "") -> Path:
    """A folder with ``settings.yml`` and ``weights.tar``."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"desc": {prefix + name: value for name, value in state.items()}}, folder / "weights.tar")
    settings = {"model_kwargs": {"encoder_backbone_name": "resnet34", "considered_tasks": TASKS}}
    (folder / "settings.yml").write_text(yaml.safe_dump(settings))
    return folder
