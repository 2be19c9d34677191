"""Pictures of a real fine-tune, for its guide: ``python docs/finetune_screenshots.py PAIRS``, in a window.

The starter is fine-tuned on these training pairs in a temporary library, and every step of it is taken; that takes as
long as the fine-tune and its comparison do.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from qtpy.QtCore import Qt
from studio import Studio

from napari_cerberus.viewer.preferences import Memory

_RUN_WAIT_S = 7200.0
_DOCK_WIDTH = 360


class FinetuneWalk:
    """The guide, picture by picture.

    Parameters
    ----------
    studio : Studio
    pairs : Path
        Folder of training pairs.
    """

    def __init__(self, studio: Studio, pairs: Path) -> None:
        self.studio, self.pairs = studio, pairs
        self.panel, self.finetuning = studio.dock.finetune, studio.dock.controller.finetuning

    def all(self) -> None:
        """From the folder of pairs to the model library."""
        self.studio.window.resizeDocks([self.studio.dock.parent()], [_DOCK_WIDTH], Qt.Orientation.Horizontal)
        self.form()
        self.run()
        self.comparison()
        self.library()

    def picture(self, name: str) -> None:
        """The window, with the panel in view."""
        self.studio.scroll_to(self.panel)
        self.studio.picture(f"finetune_{name}")

    def form(self) -> None:
        """What is asked, and what the check says."""
        self.panel.form.folder.setText(str(self.pairs))
        self.picture("1_form")
        self.panel.form.more.header.setChecked(True)
        self.picture("2_advanced")
        self.panel.form.more.header.setChecked(False)
        self.panel.check.click()
        self.studio.wait_for(lambda: self.finetuning.checked is not None)
        self.picture("3_checked")

    def run(self) -> None:
        """Curves, and a pause."""
        self.panel.start.click()
        self.studio.wait_for(lambda: self.finetuning.state is not None)
        self.studio.wait_for(lambda: any(point.metrics for point in self.finetuning.state.history[:-1]))
        self.picture("4_running")
        self.finetuning.pause()
        self.studio.wait_for(lambda: self.finetuning.state.status == "paused")
        self.picture("5_paused")
        self.finetuning.go_on()
        self.studio.wait_for(lambda: not self.finetuning.state.live, _RUN_WAIT_S)

    def comparison(self) -> None:
        """The verdict, and what it rests on."""
        self.panel.curves.header.setChecked(False)
        self.picture("6_proof")
        self.panel.comparison.details.click()
        self.studio.picture("finetune_7_details", self.panel.comparison.dialog)
        self.panel.comparison.dialog.close()

    def library(self) -> None:
        """The models on this computer."""
        self.studio.dock.controller.library.promote(self.finetuning.state.model_name)
        self.studio.dock.annotate.show_library()
        dialog = self.studio.dock.annotate.models_dialog
        dialog.list.choose("starter")
        self.studio.picture("finetune_8_models", dialog)
        dialog.close()


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path, help="folder of training pairs")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "images")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own:
        os.environ["NAPARI_CERBERUS_MODELS"] = str(Path(own) / "models")
        os.environ["NAPARI_CERBERUS_RUNS"] = str(Path(own) / "runs")
        studio = Studio(arguments.folder, Memory(Path(own) / "memory.json"))
        FinetuneWalk(studio, arguments.pairs).all()
        studio.viewer.close()


if __name__ == "__main__":
    main()
