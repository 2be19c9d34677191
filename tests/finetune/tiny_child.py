"""The child process with the tiny network and a comparison that takes no time; arguments as for the module named.

``python tiny_child.py run.child|timing_trial ...``; TINY_STEP_S makes every batch last that long.
"""

from __future__ import annotations

import os
import sys
import time
import types
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from napari_cerberus.progress import Progress


def compare_models(folder: Path, *, base: object, candidate: object) -> Iterator[Progress]:
    """Stand-in for the comparison."""
    yield Progress("Proving")
    (folder / "compared.txt").write_text(f"{base.sha256} {candidate.sha256}", encoding="ascii")
    return types.SimpleNamespace(sentence="No difference was shown.", tries_sentence="")


def main() -> int:
    sys.modules["napari_cerberus.finetune.comparison.model_comparison"] = types.SimpleNamespace(
        compare_models=compare_models
    )
    module = import_module(f"napari_cerberus.finetune.{sys.argv[1]}")
    module.lower_priority = lambda: None  # a test waits for it, however busy the computer is
    if sys.argv[1] == "run.child":
        wait = module._wait_for_turn
        module._wait_for_turn = lambda *given: (wait(*given), make_tiny())
    else:
        make_tiny()
    return module.main(sys.argv[2:])


def make_tiny() -> None:
    """Only now: torch takes seconds to load."""
    from finetune.tiny_net import shrink
    from napari_cerberus.finetune.run.state_reporter import Reporter
    from napari_cerberus.training.engine import share_search

    shrink()
    share_search.LEAST_GAIN = -1.0  # random weights learn nothing, and the new model is wanted all the same
    told, pause_s = Reporter.trained, float(os.environ.get("TINY_STEP_S", "0"))

    def slow(self: Reporter, step: int, losses: dict[str, float]) -> None:
        told(self, step, losses)
        time.sleep(pause_s)

    Reporter.trained = slow


if __name__ == "__main__":
    sys.exit(main())
