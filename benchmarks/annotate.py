"""How fast one image is annotated, against the reference scheme and against a plain run of the same network.

Three schemes read the same image with the same weights, each in a process of its own:

ours       the product's `annotate`: fused, channels-last, bfloat16 where the CPU has it, large tiles, each pixel once
plain      the whole image at once through the network as loaded: eager, float32
reference  the published tile script's way: 448 px patches, of which the central 144 px are kept, in steps of 144 px,
           in batches; eager, float32; as written there, every patch is computed twice

The published scheme knows one pixel size; a model that reads some tasks at another is made to read all at its own, in
all three. All run on the model grid and end in the same post-processing without repair, so differences come from the
network alone. Printed are seconds (a warm-up run comes first, loading is left out), the ratio, peak memory of each
process and the agreement of the objects.

    python benchmarks/annotate.py                    # 768 px, every patch of the reference: 5 to 10 minutes on 2 cores
    python benchmarks/annotate.py --patches 4        # times 4 patches and extrapolates, saying so
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_cerberus.errors import CerberusError, ModelError
from napari_cerberus.inference.annotate import annotate, objects_from
from napari_cerberus.inference.annotate_settings import NO_REPAIR, AnnotateSettings
from napari_cerberus.inference.grid.model_grid import ModelGrid, pad_to_stride
from napari_cerberus.inference.grid.rescale import to_model_grid
from napari_cerberus.inference.images.image_files import read_image
from napari_cerberus.inference.images.rgb import as_rgb8
from napari_cerberus.inference.predict import Prediction
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.entries import STARTER
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import CERBERUS_TASKS
from napari_cerberus.training.evaluation.metrics.object_metrics import compare_objects
from napari_cerberus.training.evaluation.metrics.pixel_metrics import compare_pixels

PATCH_PX, KEPT_PX, TIMES_COMPUTED = 448, 144, 2
RANDOM = "random"
SAMPLE = Path(__file__).resolve().parents[1] / "sample_data" / "he_field" / "target_image.png"
SAMPLE_PIXEL_SIZE_UM = 0.25
SCHEMES = ("ours", "plain", "reference")
WARM_UP_PX = 64


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Probabilities over ``region`` (y0, x0, y1, x1) of the image, and what they cost."""

    probabilities: dict[str, NDArray[np.float16]]
    region: tuple[int, int, int, int]
    seconds: float
    note: str


def main() -> int:
    """Run all schemes and print the table."""
    options = _options()
    try:
        if options.scheme:
            _child(options)
            return 0
        return _compare(options)
    except CerberusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="name or folder; default: the starter model, else random weights")
    parser.add_argument("--image", type=Path, default=SAMPLE)
    parser.add_argument("--pixel-size-um", type=float, default=SAMPLE_PIXEL_SIZE_UM, help="of the image")
    parser.add_argument("--size", type=int, default=768, help="side in model pixels; smaller images are mirrored")
    parser.add_argument("--patches", type=int, help="time only this many reference patches and extrapolate")
    parser.add_argument("--batch", type=int, default=10, help="patches at once in the reference scheme")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its choice")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--scheme", choices=SCHEMES, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _model(name: str | None) -> Model:
    """The model asked for, or the starter, or random weights of the published network."""
    try:
        if name != RANDOM:
            model = open_model(name or STARTER)
            return replace(model, spec=replace(model.spec, task_pixel_size_um={}))
    except ModelError:
        if name is not None:
            raise
    torch.manual_seed(0)
    spec = ModelSpec(name="random weights", tasks=CERBERUS_TASKS, pixel_size_um=0.5)
    return Model(network=Cerberus(CERBERUS_TASKS).eval(), spec=spec, sha256=RANDOM)


def _image(options: argparse.Namespace, model: Model) -> NDArray[np.uint8]:
    """The picture on the model grid, cut or mirrored to ``--size``."""
    rgb = as_rgb8(read_image(options.image).pixels)
    grid = ModelGrid.of(rgb.shape[:2], options.pixel_size_um, model.spec.pixel_size_um)
    field = to_model_grid(rgb, grid)[: options.size, : options.size]
    missing = [(0, options.size - side) for side in field.shape[:2]]
    return np.ascontiguousarray(np.pad(field, (*missing, (0, 0)), mode="symmetric"))


# --- one scheme, in a process of its own ---


def _child(options: argparse.Namespace) -> None:
    if options.threads:
        torch.set_num_threads(options.threads)
    model = _model(options.model)
    image = _image(options, model)
    run = {"ours": _ours, "plain": _plain, "reference": _reference}[options.scheme]
    run(image[:WARM_UP_PX, :WARM_UP_PX], model, options, warm_up=True)
    outcome = run(image, model, options, warm_up=False)
    np.savez(options.work / f"{options.scheme}.npz", **outcome.probabilities)
    facts = {
        "region": outcome.region,
        "seconds": outcome.seconds,
        "note": outcome.note,
        "peak_mb": _peak_memory_mb(),
    }
    (options.work / f"{options.scheme}.json").write_text(json.dumps(facts), encoding="utf-8")


def _ours(image: NDArray[np.uint8], model: Model, options: argparse.Namespace, *, warm_up: bool) -> Outcome:
    settings = AnnotateSettings(pixel_size_um=model.spec.pixel_size_um, repair=NO_REPAIR)
    started = time.perf_counter()
    annotation = run_to_end(annotate(image, model, settings))
    seconds = time.perf_counter() - started
    run_of_all = next(iter(annotation.runs.values()))
    note = f"{run_of_all.device_reason} Post-processing included."
    return Outcome(probabilities=dict(annotation.probabilities), region=_all(image), seconds=seconds, note=note)


def _plain(image: NDArray[np.uint8], model: Model, options: argparse.Namespace, *, warm_up: bool) -> Outcome:
    height, width = image.shape[:2]
    started = time.perf_counter()
    with torch.inference_mode():
        logits = model.network(_as_batch(pad_to_stride(image)[None]))
    shares = {key: _shares(logits[key])[0, :, :height, :width] for key in _instance_keys(model)}
    seconds = time.perf_counter() - started
    return Outcome(probabilities=shares, region=_all(image), seconds=seconds, note="Eager float32, network only.")


def _reference(image: NDArray[np.uint8], model: Model, options: argparse.Namespace, *, warm_up: bool) -> Outcome:
    rows, columns = (-(-side // KEPT_PX) for side in image.shape[:2])
    places = [(row, column) for row in range(rows) for column in range(columns)]
    chosen = _central_block(rows, columns, 1 if warm_up else options.patches)
    region = _covered(chosen, image.shape[:2])
    y0, x0, y1, x1 = region
    shares = {key: np.zeros((2, y1 - y0, x1 - x0), np.float16) for key in _instance_keys(model)}
    started = time.perf_counter()
    for batch in _batches(chosen, options.batch):
        pixels = _as_batch(_patches(image, batch))
        with torch.inference_mode():
            for _ in range(TIMES_COMPUTED):
                logits = model.network(pixels)
        for key, whole in shares.items():
            _keep_centres(whole, _shares(logits[key]), batch, region)
    seconds = (time.perf_counter() - started) * len(places) / len(chosen)
    note = f"Eager float32, network only; all {len(places)} patches."
    if len(chosen) < len(places):
        note = f"Eager float32, network only; EXTRAPOLATED from {len(chosen)} of {len(places)} patches."
    return Outcome(probabilities=shares, region=region, seconds=seconds, note=note)


def _central_block(rows: int, columns: int, wanted: int | None) -> list[tuple[int, int]]:
    """All patches, or about ``wanted`` that form a rectangle in the middle."""
    if wanted is None or wanted >= rows * columns:
        return [(row, column) for row in range(rows) for column in range(columns)]
    tall = min(rows, max(1, round(wanted**0.5)))
    wide = min(columns, max(1, wanted // tall))
    top, left = (rows - tall) // 2, (columns - wide) // 2
    return [(row, column) for row in range(top, top + tall) for column in range(left, left + wide)]


def _covered(chosen: list[tuple[int, int]], shape: tuple[int, int]) -> tuple[int, int, int, int]:
    rows, columns = zip(*chosen, strict=True)
    bottom, right = (max(rows) + 1) * KEPT_PX, (max(columns) + 1) * KEPT_PX
    return min(rows) * KEPT_PX, min(columns) * KEPT_PX, min(bottom, shape[0]), min(right, shape[1])


def _batches(chosen: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(chosen), size):
        yield chosen[start : start + size]


def _patches(image: NDArray[np.uint8], places: list[tuple[int, int]]) -> NDArray[np.uint8]:
    """448 px around each kept square; the image is mirrored beyond its edges."""
    margin = (PATCH_PX - KEPT_PX) // 2
    padded = np.pad(image, ((margin, PATCH_PX), (margin, PATCH_PX), (0, 0)), mode="symmetric")
    return np.stack(
        [padded[y * KEPT_PX : y * KEPT_PX + PATCH_PX, x * KEPT_PX : x * KEPT_PX + PATCH_PX] for y, x in places]
    )


def _keep_centres(
    whole: NDArray[np.float16],
    shares: NDArray[np.float16],
    places: list[tuple[int, int]],
    region: tuple[int, int, int, int],
) -> None:
    margin = (PATCH_PX - KEPT_PX) // 2
    centres = shares[:, :, margin : margin + KEPT_PX, margin : margin + KEPT_PX]
    for (row, column), centre in zip(places, centres, strict=True):
        y, x = row * KEPT_PX - region[0], column * KEPT_PX - region[1]
        target = whole[:, y : y + KEPT_PX, x : x + KEPT_PX]
        target[:] = centre[:, : target.shape[1], : target.shape[2]]


def _as_batch(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().contiguous()


def _shares(logits: torch.Tensor) -> NDArray[np.float16]:
    return logits.softmax(1)[:, 1:].half().numpy()


def _instance_keys(model: Model) -> list[str]:
    return [task.key for task in model.spec.tasks if task.kind == "instances"]


def _all(image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    return 0, 0, image.shape[0], image.shape[1]


def _peak_memory_mb() -> float:
    import resource  # not on Windows, where only the other figures are of use

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


# --- the comparison ---


def _compare(options: argparse.Namespace) -> int:
    model = _model(options.model)
    image = _image(options, model)
    print(f"{model.name}, {model.spec.pixel_size_um:g} µm/px, {', '.join(task.key for task in model.spec.tasks)}")
    print(f"{options.image.name} as {image.shape[1]} × {image.shape[0]} model pixels; torch {torch.__version__}\n")
    with tempfile.TemporaryDirectory() as work:
        facts = {scheme: _run_child(scheme, Path(work)) for scheme in SCHEMES}
        loaded = {scheme: dict(np.load(Path(work) / f"{scheme}.npz")) for scheme in SCHEMES}
    base = facts["ours"]["seconds"]
    for scheme, fact in facts.items():
        line = f"{scheme:<10} {fact['seconds']:>9.2f} s   {fact['seconds'] / base:>6.1f} ×"
        print(f"{line}   peak {fact['peak_mb']:>6.0f} MB   {fact['note']}")
    print("\nAgreement of the objects, over the region that both cover:")
    agreement = {
        f"{one} / {other}": _agreement(one, other, facts, loaded, model)
        for one, other in (("ours", "reference"), ("ours", "plain"), ("plain", "reference"))
    }
    for pair, tasks in agreement.items():
        for task, metrics in tasks.items():
            overlap = f"PQ {_figure(metrics['pq'])}   Dice {_figure(metrics['dice'])}"
            print(f"{pair:<18} {task:<8} {overlap}   {metrics['objects']} objects")
    if model.sha256 == RANDOM:
        print("\nWARNING: random weights. The seconds are real; the agreement means nothing.")
    if options.json:
        options.json.write_text(json.dumps({"schemes": facts, "agreement": agreement}, indent=2), encoding="utf-8")
    return 0


def _figure(value: float | None) -> str:
    return "  none" if value is None else f"{value:.4f}"


def _run_child(scheme: str, work: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, *sys.argv[1:], "--scheme", scheme, "--work", str(work)]
    subprocess.run(command, check=True)
    return json.loads((work / f"{scheme}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _agreement(
    one: str,
    other: str,
    facts: dict[str, dict[str, Any]],
    loaded: dict[str, dict[str, NDArray[np.float16]]],
    model: Model,
) -> dict[str, dict[str, Any]]:
    boxes = np.array([facts[one]["region"], facts[other]["region"]])
    common = (*boxes[:, :2].max(axis=0), *boxes[:, 2:].min(axis=0))
    first, second = (_labels(loaded[name], facts[name]["region"], common, model) for name in (one, other))
    return {
        task: {
            "pq": _number(compare_objects(second[task], first[task]).metrics()["pq"]),
            "dice": _number(compare_pixels(second[task], first[task]).metrics()["dice"]),
            "objects": int(second[task].max()),
        }
        for task in second
    }


def _number(value: float) -> float | None:
    """None where neither side has an object: there is nothing to agree on."""
    return None if np.isnan(value) else value


def _labels(
    shares: dict[str, NDArray[np.float16]], region: tuple[int, ...], part: tuple[int, ...], model: Model
) -> dict[str, NDArray[np.int32]]:
    """Objects inside ``part``, cut from probabilities over ``region`` by the product's own post-processing."""
    y0, x0, y1, x1 = (edge - region[place % 2] for place, edge in enumerate(part))
    cropped = {key: np.ascontiguousarray(value[:, y0:y1, x0:x1]) for key, value in shares.items()}
    settings = AnnotateSettings(pixel_size_um=model.spec.pixel_size_um, repair=NO_REPAIR)
    bare = Model(network=model.network, spec=_without_types(model.spec), sha256="")
    grid = ModelGrid(image_shape=(y1 - y0, x1 - x0), scales=(1.0, 1.0))
    return run_to_end(objects_from(Prediction(probabilities=cropped), bare, settings, grid))[0]


def _without_types(spec: ModelSpec) -> ModelSpec:
    return ModelSpec(
        name=spec.name,
        tasks=tuple(task for task in spec.tasks if task.kind == "instances"),
        pixel_size_um=spec.pixel_size_um,
        thresholds=spec.thresholds,
    )


if __name__ == "__main__":
    sys.exit(main())
