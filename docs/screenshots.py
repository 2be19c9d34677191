"""Pictures of the running program, for the documentation: ``make screenshots``.

Opens napari with the drawn colon tile, annotates it, uses tools and queue with real mouse and key events, and writes
``docs/images/*.png``: the tutorial's, and one of each tool (``tool_*``).
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from studio import Studio

from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.widgets.correct.compare_dialog import CompareDialog
from napari_cerberus.widgets.correct.effort_dialog import EffortDialog
from napari_cerberus.widgets.correct.key_table import KeyTable


class Walk:
    """The tutorial, picture by picture.

    Parameters
    ----------
    studio : Studio
    """

    def __init__(self, studio: Studio) -> None:
        self.studio, self.correct = studio, studio.correct

    def all(self) -> None:
        """Everything, in the tutorial's order."""
        studio = self.studio
        studio.annotate()
        studio.picture("annotated")
        self.why()
        self.correct.review.next()
        studio.scroll_to(studio.dock.review)
        studio.picture("queue")
        studio.scroll_to(studio.dock.correct)
        self.version = studio.folder / "before.cerberus"
        self.correct.save(self.version)
        self.split_by_line()
        self.merge_by_lasso()
        for tool, at_edge in (("fill", False), ("smooth", True), ("close", True), ("grow", None), ("shrink", None)):
            self.on_object(tool, studio.largest("nuclei"), at_edge=at_edge)
        self.draw()
        self.on_object("delete", studio.largest("nuclei"))
        self.add_by_click()
        self.on_object("clip", studio.largest("lumina"))
        self.change_class()
        self.compare()

    def why(self) -> None:
        """Why? of the tissue readout, with the largest gland hidden."""
        studio, reasons = self.studio, self.studio.dock.controller.why
        answer = studio.dock.controller.session.readout
        if answer is None:
            return
        studio.show(*studio.largest("glands"))
        studio.dock.steps.show_step("annotate")
        studio.dock.readout.why.click()
        reasons.hide_object()
        studio.wait_for(lambda: reasons.why.hidden is not None and not reasons.why.stage)
        studio.viewer.reset_view()
        studio.scroll_to(studio.dock.readout)
        studio.picture("why")
        studio.dock.readout.why.click()

    def on_object(self, tool: str, chosen: tuple[str, int], *, at_edge: bool | None = None) -> None:
        """A tool that works at once: its key over the object, which first gets a hole, or a notch ``at_edge``."""
        one = self.studio.show(*chosen)
        if at_edge is not None:
            self.studio.spoil(one, chosen[1], at_edge=at_edge)
        self.studio.point_at(one, chosen[1])
        self.studio.pair(f"tool_{tool}", lambda: self.studio.press(tool))

    def split_by_line(self) -> None:
        """The line while it is pulled, and the halves."""
        studio, (task, index) = self.studio, self.studio.largest("glands")
        one = studio.show(task, index)
        (top, left), (bottom, right) = one.box(index)
        ends = [studio.at(one, ((top + bottom) / 2, column)) for column in (left - 8, right + 8)]
        studio.press("cut")
        studio.drag(*ends)
        studio.picture("split_drawing")
        studio.release(ends[1])
        studio.press("cut")
        studio.picture("tool_cut", part=True)

    def merge_by_lasso(self) -> None:
        """The lasso while it is pulled, what it makes of neighbours, and how that falls apart at its necks."""
        studio, (task, index) = self.studio, self.studio.largest("nuclei")
        one = studio.show(task, index)
        y, x = np.mean(one.box(index), axis=0)
        ring = [(y + 20 * np.sin(angle), x + 20 * np.cos(angle)) for angle in np.linspace(0, 6, 9)]
        places = [studio.at(one, point) for point in ring]
        studio.press("merge")
        studio.drag(*places)
        studio.picture("merge_lasso", part=True)
        studio.release(places[-1])
        studio.press("merge")
        studio.picture("tool_merge", part=True)
        self.on_object("split", studio.largest("nuclei"))

    def draw(self) -> None:
        """A new object by its corners."""
        studio = self.studio
        one = studio.show(*studio.largest("nuclei"))
        y, x = np.mean(one.box(studio.largest("nuclei")[1]), axis=0)
        studio.press("outline")
        corners = [studio.at(one, (y + dy, x + dx)) for dy, dx in ((14, -24), (14, -12), (26, -12), (26, -24))]
        studio.drag(*corners)
        studio.release(corners[-1])
        studio.press("outline")
        studio.picture("tool_outline", part=True)

    def add_by_click(self) -> None:
        """What was deleted, grown again from a click on the model's map."""
        studio, (task, index) = self.studio, self.studio.largest("nuclei")
        one = studio.show(task, index)
        place = studio.point_at(one, index)
        studio.press("delete")
        studio.press("click")
        studio.pair("tool_click", lambda: (studio.drag(place), studio.release(place)))
        studio.press("click")

    def change_class(self) -> None:
        """The class of a nucleus, by the key of its number."""
        chosen = self.studio.largest("nuclei")
        self.studio.show(*chosen)
        self.studio.pair("tool_class", lambda: self.correct.tools.number(2))

    def compare(self) -> None:
        """What was changed since the beginning, key table and effort."""
        studio = self.studio
        dialog = CompareDialog(self.correct.comparing, studio.dock)
        dialog.show()
        dialog.choose("earlier", self.version)
        studio.wait_for(lambda: self.correct.comparing.result is not None)
        studio.picture("compare", dialog)
        dialog.close()
        for name, window in (
            ("keys", KeyTable(studio.dock)),
            ("effort", EffortDialog(self.correct.effort(), studio.dock)),
        ):
            window.show()
            studio.picture(name, window)
            window.close()


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "images")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as journals:
        os.environ[JOURNALS_VARIABLE] = journals
        studio = Studio(arguments.folder, Memory(Path(journals) / "memory.json"))
        Walk(studio).all()
        studio.viewer.close()
        shutil.rmtree(studio.folder / "before.cerberus", ignore_errors=True)


if __name__ == "__main__":
    main()
