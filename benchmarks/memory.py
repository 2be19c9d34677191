"""Peak memory of annotating one large field, against its side, with the need that is told beforehand.

Each field is painted, and annotated in a process of its own that believes that ``--free-gb`` are free, as on a laptop
of 8 GB; printed is the process's peak (``ru_maxrss``), loaded libraries and the model included, and the ratio of what
was told beforehand to what was needed beside them. With ``--limit-gb`` the system refuses the process more private
memory than that (``RLIMIT_DATA``: what is reserved counts, used or not); Linux only.

    python benchmarks/memory.py --sides 2048 4096 8192 --limit-gb 4
    python benchmarks/memory.py --sides 4096 --two-scale     # nuclei at half of the model's pixel size

Under a limit of what is really used, where systemd runs:

    systemd-run --user --scope -p MemoryMax=2500M -p MemorySwapMax=0 python benchmarks/memory.py --here --sides 4096
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np

from napari_cerberus.inference import annotate as annotating
from napari_cerberus.inference import free_memory, predict
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.samples import SYNTHETIC_COLON

UM = 0.5


def painted(side: int) -> np.ndarray:
    """A field of painted tissue, (side, side, 3) uint8."""
    from PIL import Image

    tile = np.asarray(Image.open(SYNTHETIC_COLON.image_path).convert("RGB"))
    times = [-(-side // size) for size in tile.shape[:2]]
    return np.ascontiguousarray(np.tile(tile, (*times, 1))[:side, :side])


def one(side: int, *, free_gb: float, two_scale: bool, model_name: str) -> None:
    """Annotate a field and print a row as JSON."""
    free_memory.free_memory_bytes = lambda _device: int(free_gb * 1e9)  # type: ignore[assignment]
    predict.free_memory_bytes = free_memory.free_memory_bytes  # type: ignore[attr-defined]
    model = open_model(model_name)
    if two_scale:
        spec = replace(model.spec, task_pixel_size_um={"nuclei": model.spec.pixel_size_um / 2})
        model = replace(model, spec=spec)
    base, told, started = _peak(), "", time.perf_counter()
    job = annotating.annotate(painted(side), model, annotating.AnnotateSettings(pixel_size_um=UM))
    peaks: dict[str, float] = {}
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            result = end.value
            break
        told = step.message if "GB of memory" in step.message else told
        peaks[step.stage] = _peak()
    row = {
        "side_px": side,
        "precision": result.run.precision,
        "objects": len(result.objects),
        "seconds": round(time.perf_counter() - started),
        "loaded_gb": base,
        "peak_gb": _peak(),
        "peak_gb_by_stage": peaks,
        "told": told,
        "told_over_needed": round(float(told.split("about ")[1].split()[0]) / (_peak() - base), 2) if told else None,
    }
    print(json.dumps(row))


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[2048, 4096, 8192])
    parser.add_argument("--free-gb", type=float, default=5.0)
    parser.add_argument("--limit-gb", type=float, default=0.0, help="0: none")
    parser.add_argument("--two-scale", action="store_true")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--here", action="store_true", help="in this process")
    given = parser.parse_args()
    if given.here:
        if given.limit_gb:
            resource.setrlimit(resource.RLIMIT_DATA, (int(given.limit_gb * 1e9),) * 2)
        one(given.sides[0], free_gb=given.free_gb, two_scale=given.two_scale, model_name=given.model)
        return
    for side in given.sides:
        command = [sys.executable, __file__, "--here", "--sides", str(side), "--model", given.model]
        command += ["--free-gb", str(given.free_gb), "--limit-gb", str(given.limit_gb)]
        command += ["--two-scale"] if given.two_scale else []
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
