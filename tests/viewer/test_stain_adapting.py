"""Adapting the chosen model to a stain, as the dock drives it: what is asked for, how it ends, the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from PIL import Image
from pytestqt.qtbot import QtBot

from napari_cerberus.errors import DataError
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import Job, Progress, run_to_end
from napari_cerberus.viewer.adapt.stain_adapting import StainAdapting, StainSource
from napari_cerberus.viewer.adapt.stain_jobs import MOST_FILES, StainOrder, images_of, pictures_in
from napari_cerberus.viewer.layers import ViewerLayers
from napari_cerberus.viewer.session import JobState, ModelChoice, Session

WAIT_MS = 20_000


class Bench:
    """A session with two models and two images; the job is a fake that remembers its order."""

    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot, self.session, self.orders = qtbot, Session(), list[StainOrder]()
        self.problem: DataError | None = None
        viewer = ViewerModel()
        self.images = [viewer.add_image(np.full((20, 20, 3), 100, np.uint8), rgb=True, name=n) for n in "ab"]
        viewer.add_image(np.zeros((20, 20)), name="grey")
        self.session.models = (choice("starter"), choice("lab", adapted_from="starter"))
        self.session.model_name, self.session.image_id = "starter", str(self.images[0].unique_id)
        self.adapting = StainAdapting(
            self.session,
            ViewerLayers(viewer),
            lambda layer: PixelSize.square(0.5),
            lambda name: setattr(self.session, "model_name", name),
            lambda name: None,  # type: ignore[arg-type, return-value]
            self._job,
        )

    def _job(self, order: StainOrder, open_model: Callable[[str], Any]) -> Job[Any]:
        self.orders.append(order)
        yield Progress("Reading the stain", 1, 2)
        if self.problem is not None:
            raise self.problem
        return SimpleNamespace(name=order.name)

    def run(self, *what: Any) -> None:
        self.adapting.adapt(*what)
        self.qtbot.waitUntil(lambda: not self.adapting.status.state.busy, timeout=WAIT_MS)


def choice(name: str, adapted_from: str = "") -> ModelChoice:
    return ModelChoice(name=name, predicts=("glands",), pixel_size_um=1.0, sha256=name, adapted_from=adapted_from)


@pytest.fixture
def bench(qtbot: QtBot) -> Iterator[Bench]:
    made = Bench(qtbot)
    yield made
    made.adapting.close()


def test_the_copy_becomes_the_chosen_model(bench: Bench) -> None:
    kept: list[str] = []
    bench.adapting.kept.connect(kept.append)
    bench.run(" my lab ", StainSource.CHOSEN)
    assert [one.name for one in bench.orders[0].pictures] == ["a"]
    assert (bench.orders[0].model_name, bench.orders[0].name) == ("starter", "my lab")
    assert (kept, bench.session.model_name) == (["my lab"], "my lab")
    assert "nobody has tested it" in bench.adapting.status.message
    bench.session.image_id = str(bench.images[1].unique_id)
    assert not bench.adapting.status.message


def test_all_open_colour_images_are_taken(bench: Bench) -> None:
    bench.run("lab 2", StainSource.OPEN)
    assert {one.name for one in bench.orders[0].pictures} == {"a", "b"}


def test_the_way_back_is_one_call(bench: Bench) -> None:
    assert bench.adapting.parent == ""
    bench.session.model_name = "lab"
    assert bench.adapting.parent == "starter"
    bench.adapting.back()
    assert bench.session.model_name == "starter"


def test_a_parent_that_is_gone_cannot_be_gone_back_to(bench: Bench) -> None:
    bench.session.models = (choice("lab", adapted_from="starter"),)
    bench.session.model_name = "lab"
    assert bench.adapting.parent == ""


def test_a_problem_is_told_and_nothing_changes(bench: Bench) -> None:
    bench.problem = DataError("“a” shows too little tissue.")
    bench.run("lab 2", StainSource.CHOSEN)
    assert bench.adapting.status.state is JobState.FAILED
    assert bench.adapting.status.message == "“a” shows too little tissue."
    assert bench.session.model_name == "starter"
    bench.session.image_id = ""
    bench.run("lab 2", StainSource.CHOSEN)
    assert "open an H&E image first" in bench.adapting.status.message


def test_a_folder_is_read_evenly_and_each_file_knows_its_pixels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image"):
        pictures_in(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        pictures_in(tmp_path / "none")
    for number in range(MOST_FILES + 1):
        Image.new("RGB", (8, 8), (200, 100, number)).save(tmp_path / f"{number:03}.png")
    paths = pictures_in(tmp_path)
    assert len(paths) <= MOST_FILES
    images = run_to_end(images_of(paths[:2], PixelSize.square(0.5)))
    assert [one.name for one in images] == ["000.png", "002.png"]
    with pytest.raises(Exception, match=r"000\.png does not say how large a pixel is"):
        run_to_end(images_of(paths[:1], None))
