"""An annotated image on a viewer without a window, for tests of the viewer side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from fake_jobs import FakeAnnotate, fake_learn_jobs, he_like, no_pixel_size, two_models
from napari_cerberus.viewer.adapt.learn_jobs import LearnJobs
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.tracked_layer import TrackedLayer
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState


class Desk:
    """A viewer model with an annotated image, and what was said."""

    def __init__(
        self,
        qtbot: QtBot,
        annotate: FakeAnnotate | None = None,
        *,
        memory: Path | None = None,
        annotated: bool = True,
        shape: tuple[int, int] = (40, 56),
        learn_jobs: LearnJobs | None = None,
        **image: Any,
    ) -> None:
        self.qtbot = qtbot
        self.viewer = ViewerModel()
        settings = {"scale": (0.5, 0.5), "units": ("um", "um"), **image}
        self.viewer.add_image(he_like(*shape), rgb=True, name="tile", **settings)
        self.controller = Controller(
            self.viewer,
            Memory(memory),
            annotate=annotate or FakeAnnotate(),
            list_models=two_models,
            read_pixel_size=no_pixel_size,
            learn_jobs=learn_jobs or fake_learn_jobs(),
        )
        self.session, self.correct = self.controller.session, self.controller.correct
        self.said: list[tuple[str, bool]] = []
        self.correct.corrections.said.connect(self._keep)
        if annotated:
            self.annotate()

    def _keep(self, sentence: str, problem: bool) -> None:
        self.said.append((sentence, problem))

    def annotate(self) -> None:
        self.controller.annotate()
        self.qtbot.waitUntil(lambda: self.session.job.state is JobState.RETURNED, timeout=60_000)

    def layer(self, task: str) -> TrackedLayer:
        return next(one for one in self.correct.corrections if one.task == task)

    def choose(self, task: str, index: int) -> TrackedLayer:
        one = self.layer(task)
        self.viewer.layers.selection.active = one.layer
        self.correct.corrections.choose(one, index)
        return one

    def press(self, one: TrackedLayer, key: str) -> None:
        """What napari does with a key while the layer is active."""
        keymap = {str(name): function for name, function in one.layer.keymap.items()}
        keymap[key](one.layer)

    def state(self, one: TrackedLayer, index: int) -> str:
        features = one.layer.features.set_index("index")
        return str(features.loc[index, "state"])
