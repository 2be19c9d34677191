"""A fine-tune's process with the tiny network and the real comparison: ``python proving_child.py FOLDER``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from napari_cerberus.finetune.run import child
from napari_cerberus.finetune.run.state_reporter import Reporter


def main() -> int:
    """Shrink the network when it is this run's turn; TINY_STEP_S makes every batch last that long."""
    wait, told, pause_s = child._wait_for_turn, Reporter.trained, float(os.environ.get("TINY_STEP_S", "0"))

    def wait_and_shrink(*given: Any) -> None:
        wait(*given)
        from finetune.tiny_net import shrink
        from napari_cerberus.training.engine import share_search

        shrink()
        share_search.LEAST_GAIN = -1.0  # random weights learn nothing, and the new model is wanted all the same

    def slow(self: Reporter, step: int, losses: dict[str, float]) -> None:
        told(self, step, losses)
        time.sleep(pause_s)

    child._wait_for_turn, Reporter.trained = wait_and_shrink, slow
    child.lower_priority = lambda: None
    return child.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
