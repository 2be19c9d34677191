"""A few timed steps in a process of its own: ``python -m napari_cerberus.finetune.timing_trial FOLDER STARTED_AT``.

It runs the training itself, on a few tiles, with the threads and the priority of a real run, and prints one JSON
object: seconds of each phase, seconds of each step, and the most memory it took.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from ..errors import CerberusError
from .run.process import CONFIG_FILE, lower_priority

TRIAL_STEPS = 5
FAILED = "error"


def main(arguments: list[str]) -> int:
    """Time the run of a folder that ``estimate`` has prepared; 1 if it cannot be trained."""
    lower_priority()
    folder, started_at = Path(arguments[0]), float(arguments[1])
    from ..training.data.precheck import CheckedTiles
    from ..training.engine.training_run import run_training
    from .run.plan_record import read_plan
    from .run.stopwatch import Stopwatch

    loading_s = time.time() - started_at
    callback = Stopwatch(folder, save_at=TRIAL_STEPS)
    try:
        checked = CheckedTiles(usable=frozenset(read_plan(folder).usable))
        job = run_training(folder / CONFIG_FILE, folder / "training", callback=callback, checked=checked)
        callback.drive(job)
    except CerberusError as error:
        sys.stdout.write(json.dumps({FAILED: str(error)}))
        return 1
    told = {"loading_s": loading_s, "memory_mb": peak_memory_mb(), **callback.told()}
    sys.stdout.write(json.dumps(told))
    return 0


def peak_memory_mb() -> int:
    """Most memory this process has held, in MB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most / (2**20 if sys.platform == "darwin" else 1024))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
