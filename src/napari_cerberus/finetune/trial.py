"""A few timed steps in a process of its own: ``python -m napari_cerberus.finetune.trial FOLDER STARTED_AT``.

It runs the training itself, on a few tiles, with the threads and the priority of a real run, and prints one JSON
object: seconds of each phase, seconds of each step, and the most memory it took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CerberusError
from ..progress import Job
from .process import CONFIG_FILE, lower_priority

TRIAL_STEPS = 5
FAILED = "error"


def main(arguments: list[str]) -> int:
    """Time the run of a folder that ``estimate`` has prepared; 1 if it cannot be trained."""
    lower_priority()
    folder, started_at = Path(arguments[0]), float(arguments[1])
    from ..training.run import run_training

    loading_s = time.time() - started_at
    watch = stopwatch(folder)
    try:
        watch.drive(run_training(folder / CONFIG_FILE, folder / "training", watch=watch))
    except CerberusError as error:
        sys.stdout.write(json.dumps({FAILED: str(error)}))
        return 1
    told = {"loading_s": loading_s, "memory_mb": peak_memory_mb(), **watch.told()}
    sys.stdout.write(json.dumps(told))
    return 0


def stopwatch(folder: Path) -> Any:
    """A watch that notes when things happen, and draws pictures as a real run does."""
    from ..training.watch import Judged, Watch
    from .overlays import draw_overlays

    class Stopwatch(Watch):
        def __init__(self) -> None:
            self._stages: dict[str, float] = {}
            self._steps: list[float] = []
            self._judging_s = self._writing_s = 0.0
            self._resumed = self._judged_at = 0.0

        def trained(self, step: int, losses: Mapping[str, float]) -> None:
            self._steps.append(time.monotonic() - self._resumed)

        def judged(self, view: Judged) -> None:
            self._judged_at = time.monotonic()
            self._judging_s = self._judged_at - self._resumed
            draw_overlays(folder, view)
            self._writing_s = time.monotonic() - self._judged_at

        def wants_checkpoint(self) -> bool:
            return len(self._steps) == TRIAL_STEPS

        def drive(self, job: Job[Path]) -> None:
            stage, since = "Gathering data", time.monotonic()
            for progress in job:
                now = time.monotonic()
                self._stages[stage] = self._stages.get(stage, 0.0) + now - since
                stage, since = progress.stage, now
                self._resumed = now
            self._stages["End"] = time.monotonic() - (self._judged_at or since)

        def told(self) -> dict[str, Any]:
            return {
                "stages": self._stages,
                "steps": self._steps,
                "judging_s": self._judging_s,
                "writing_s": self._writing_s,
            }

    return Stopwatch()


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
