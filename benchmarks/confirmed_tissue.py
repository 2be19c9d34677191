"""What one confirmed tissue class would teach: why *Learn from this image* leaves the tissue head alone.

Each EBHI tile of the validation patients is taken once as the image whose class a person confirmed. Its feature vector,
mixed with the model's own reference vectors (as many of each class), teaches the tissue head alone for some steps; the
encoder stays. A guard keeps the largest share of the new weights under which no more than 1 % of the reference tiles
change their class. Scored are the other tiles of the same patient, and the tiles of all other patients; *references
alone* is the same teaching without the confirmed image. Test patients are not read. Figures: share of tiles whose class
is right, mean over confirmed tiles, 95 % interval by patient.

    python benchmarks/confirmed_tissue.py
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from corner import ebhi_file
from napari_cerberus.inference.device import choose_runtime
from napari_cerberus.inference.read_image import embed
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.model.network import TissueHead
from napari_cerberus.model.reference_tiles import ReferenceTiles, read_references
from napari_cerberus.pairs.split import read_split
from napari_cerberus.pixel_size import EBHI_SEG
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.evaluation.metrics.bootstrap import PatientBootstrap

ROOT = Path(__file__).resolve().parents[1]
STEPS, CONFIRMED, EACH_CLASS = 30, 8, 6
"""Steps, and of a batch: copies of the confirmed image, and reference tiles of each class."""
MOST_CHANGED, KEEP = 0.01, (1.0, 0.5, 0.25)


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Feature vectors (n, 512) with class and patient of each tile."""

    vectors: Tensor
    classes: NDArray[np.int64]
    patients: NDArray[np.str_]


def main() -> None:
    """Read the tiles, teach from each in turn, print the table."""
    arguments = _arguments()
    model = open_model(arguments.base)
    references = None if model.path is None else read_references(model.path, model.sha256)
    head = next((one for one in model.network.modules() if isinstance(one, TissueHead)), None)
    if references is None or head is None:
        raise SystemExit(f"{model.name} has no tissue head, or no reference tiles are kept with it.")
    head = head.cpu().float().eval()
    tiles = _validation(model, arguments.cache)
    right = _answers(head, tiles.vectors) == tiles.classes
    print(f"{model.name} {model.sha256[:8]}: {len(right)} tiles of {len(set(tiles.patients))} validation patients, ")
    print(f"{right.mean():.3f} right as the model is.\n")
    print("| learning rate | guard | confirmed tiles | changed | same patient | gain | other patients | gain |")
    print("|---|---|---|---|---|---|---|---|")
    for rate in arguments.rates:
        taught = [_taught(head, tiles, place, references, rate) for place in range(len(right))]
        alone = _taught(head, tiles, 0, references, rate, confirmed=0)
        _row(f"{rate:g} | none | references alone", [alone] * len(right), tiles, right, np.ones_like(right), False)
        for guarded in (False, True):
            for words, wanted in (("all", np.ones_like(right)), ("read wrongly before", ~right)):
                _row(f"{rate:g} | {'1 %' if guarded else 'none'} | {words}", taught, tiles, right, wanted, guarded)


def _validation(model: Model, cache: Path | None) -> Tiles:
    """Vectors of the validation tiles, read once."""
    members = read_split(ROOT / "configs" / "starter_next.split.json").sides["validation"]
    names = [one.split("/")[1:] for one in members if one.startswith("ebhi/")]
    classes = np.array([model.spec.tissue_classes.index(category) for category, _ in names], np.int64)
    patients = np.array([name.split("-")[0].lower().lstrip("abcdefghijklmnopqrstuvwxyz") for _, name in names])
    kept = None if cache is None else cache / f"{model.sha256[:8]}.npy"
    if kept is not None and kept.is_file():
        return Tiles(vectors=torch.from_numpy(np.load(kept)), classes=classes, patients=patients)
    vectors = np.stack([_vector(model, category, name) for category, name in names])
    if kept is not None:
        np.save(kept, vectors)
    return Tiles(vectors=torch.from_numpy(vectors), classes=classes, patients=patients)


def _vector(model: Model, category: str, name: str) -> NDArray[np.float32]:
    rgb = np.array(Image.open(ebhi_file(category, "image", name)).convert("RGB"))
    vector = run_to_end(embed(rgb, model, choose_runtime("auto"), EBHI_SEG))
    return np.zeros(512, np.float32) if vector is None else vector


def _answers(head: TissueHead, vectors: Tensor) -> NDArray[np.int64]:
    with torch.no_grad():
        logits = head.classify(vectors[..., None, None])
    return np.asarray(logits.flatten(1).argmax(1).numpy())


def _taught(
    head: TissueHead, tiles: Tiles, place: int, references: ReferenceTiles, rate: float, confirmed: int = CONFIRMED
) -> dict[bool, NDArray[np.int64] | None]:
    """Answers for every tile after learning from one, without and with the guard; None where it changes nothing."""
    known = torch.from_numpy(references.vectors)
    mine, label = tiles.vectors[place].expand(confirmed, -1), int(tiles.classes[place])
    twin = _fitted(head, mine, label, known, references.class_of, rate, place)
    before = _answers(head, known)
    kept = next(
        (
            mixture
            for mixture in (_mixture(head, twin, keep) for keep in KEEP)
            if (_answers(mixture, known) != before).mean() <= MOST_CHANGED
        ),
        None,
    )
    return {False: _answers(twin, tiles.vectors), True: None if kept is None else _answers(kept, tiles.vectors)}


def _fitted(
    head: TissueHead, mine: Tensor, label: int, known: Tensor, class_of: NDArray[np.int64], rate: float, seed: int
) -> TissueHead:
    """A copy of the head after some steps; its normalisation statistics stay."""
    rng, twin = np.random.default_rng(seed), copy.deepcopy(head)
    optimiser = torch.optim.AdamW(twin.parameters(), lr=rate, weight_decay=1e-4)
    rows = [np.flatnonzero(class_of == one) for one in np.unique(class_of)]
    for step in range(STEPS):
        chosen = np.concatenate([rng.choice(one, EACH_CLASS) for one in rows])
        batch = torch.cat([mine, known[chosen]])
        truth = torch.from_numpy(np.concatenate([np.full(len(mine), label), class_of[chosen]]))
        optimiser.param_groups[0]["lr"] = rate * np.cos(np.pi / 2 * step / STEPS)
        loss = F.cross_entropy(twin.classify(batch[..., None, None]).flatten(1), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return twin


def _mixture(old: TissueHead, new: TissueHead, keep: float) -> TissueHead:
    twin = copy.deepcopy(old)
    learned = new.state_dict()
    floats = {name: value for name, value in old.state_dict().items() if value.is_floating_point()}
    twin.load_state_dict({name: value.lerp(learned[name], keep) for name, value in floats.items()}, strict=False)
    return twin


def _row(
    words: str,
    taught: Sequence[dict[bool, NDArray[np.int64] | None]],
    tiles: Tiles,
    right: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    guarded: bool,
) -> None:
    places = np.flatnonzero(wanted)
    cells = [str(len(places)), str(sum(taught[place][guarded] is not None for place in places))]
    for same in (True, False):
        figures, patients = [], []
        for place in places:
            scored = (tiles.patients == tiles.patients[place]) == same
            scored[place] = False
            if not scored.any():
                continue
            answers = taught[place][guarded]
            after = right if answers is None else answers == tiles.classes
            figures.append((right[scored].mean(), after[scored].mean()))
            patients.append(tiles.patients[place])
        first, second = np.array(figures).T
        rows = [{"gain": gain, "one": 1.0} for gain in second - first]
        gain = PatientBootstrap(rows, patients).estimate(lambda sums: sums["gain"] / sums["one"])
        interval = "" if gain.low is None else f" ({gain.low:+.3f} to {gain.high:+.3f})"
        cells += [f"{first.mean():.3f} → {second.mean():.3f}", f"{(second - first).mean():+.3f}{interval}"]
    print(f"| {words}: {cells[0]} | {' | '.join(cells[1:])} |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="starter")
    parser.add_argument("--rates", nargs="+", type=float, default=(1e-4, 3e-4, 1e-3))
    parser.add_argument("--cache", type=Path, help="folder to keep the vectors in")
    return parser.parse_args()


if __name__ == "__main__":
    main()
