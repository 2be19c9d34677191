"""From a click to layers without a window: what is asked, what is shown, and every way it can go wrong."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from fake_jobs import FakeAnnotate, he_like, no_pixel_size, tissue_map, two_models
from napari_cerberus.errors import ModelError, SettingsError
from napari_cerberus.pixel_size import PixelSize, PixelSizeSource
from napari_cerberus.progress import Job, Progress
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import ColourBy, JobState, JobStatus, ModelChoice, Region, Session

ENDS = (JobState.RETURNED, JobState.CANCELLED, JobState.FAILED)


class Bench:
    """A viewer model with one image, a controller with fake jobs, and every status it went through."""

    def __init__(self, qtbot: QtBot, annotate: FakeAnnotate, memory: Memory | None = None, **settings: Any) -> None:
        self.qtbot, self.annotate = qtbot, annotate
        self.viewer = ViewerModel()
        self.image = self.viewer.add_image(
            he_like(40, 56), rgb=True, name="tile", **{"scale": (0.5, 0.5), "units": ("um", "um"), **settings}
        )
        self.memory = memory or Memory()
        self.controller = Controller(
            self.viewer, self.memory, annotate=annotate, list_models=two_models, read_pixel_size=no_pixel_size
        )
        self.session = self.controller.session
        self.statuses: list[JobStatus] = []
        self.session.events.job.connect(self._keep)

    def _keep(self, status: JobStatus) -> None:
        self.statuses.append(status)

    def click(self) -> None:
        self.controller.annotate()

    def wait(self) -> JobStatus:
        self.qtbot.waitUntil(lambda: self.session.job.state in ENDS, timeout=10_000)
        self.qtbot.wait(10)
        return self.session.job

    def run(self) -> JobStatus:
        self.click()
        return self.wait()

    def names(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers]


@pytest.fixture
def make(qtbot: QtBot) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def factory(annotate: FakeAnnotate | None = None, **settings: Any) -> Bench:
        made.append(Bench(qtbot, annotate or FakeAnnotate(), **settings))
        return made[-1]

    yield factory
    for bench in made:
        bench.annotate.gate.set()
        bench.controller.close()


def test_one_click_gives_layers_a_readout_and_a_sentence(make: Callable[..., Bench]) -> None:
    bench = make()
    status = bench.run()
    assert status.state is JobState.RETURNED
    assert status.message == "2 nuclei, 1 gland, 1 lumen; 3.2 s on CPU (bf16)."
    assert bench.names() == ["tile", "tile glands", "tile lumina", "tile nuclei"]
    readout = bench.session.readout
    assert readout is not None
    assert readout.tissue["Normal"] == 0.62
    assert readout.classes == {"nuclei": {"epithelial": 1, "lymphocyte": 1}}
    assert [status.fraction for status in bench.statuses[1:-1]] == [0, 1 / 3, 2 / 3]


def test_the_request_is_the_form_frozen(make: Callable[..., Bench]) -> None:
    bench = make(FakeAnnotate(gated=True))
    choose = bench.controller.choose
    choose.model("other")
    choose.device("cpu")
    choose.sensitivity(0.5)
    choose.flips(True)
    bench.click()
    bench.qtbot.waitUntil(bench.annotate.stepped.is_set, timeout=10_000)
    choose.sensitivity(-1)
    choose.flips(False)
    choose.pixel_size(0.9)
    (request,) = bench.annotate.requests
    assert (request.model_name, request.device, request.sensitivity) == ("other", "cpu", 0.5)
    assert request.flips
    assert request.pixel_size == PixelSize.square(0.5, PixelSizeSource.LAYER)


def test_the_pixel_size_of_a_coarser_level_is_larger(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cerberus.viewer.annotate.image_region.MAX_PIXELS", 600)
    bench = make()
    full = he_like(40, 56)
    image = bench.viewer.add_image(
        [full, full[::2, ::2]],
        rgb=True,
        multiscale=True,
        name="slide",
        scale=(0.25, 0.25),
        units=("um", "um"),
    )
    bench.run()
    (request,) = bench.annotate.requests
    assert request.pixel_size.yx_um == pytest.approx((0.5, 0.5))
    glands = bench.viewer.layers["slide glands"]
    np.testing.assert_allclose(glands.data_to_world((-0.5, -0.5)), image.data_to_world((-0.5, -0.5)))
    np.testing.assert_allclose(glands.data_to_world((19.5, 27.5)), image.data_to_world((39.5, 55.5)))


def test_a_region_is_annotated_alone_and_lands_where_it_was(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.controller.choose.region(Region.VIEW)
    bench.image.corner_pixels = np.array([[10, 20], [29, 49]])
    bench.run()
    glands = bench.viewer.layers["tile glands"]
    assert glands.data.shape == (20, 30)
    np.testing.assert_allclose(glands.data_to_world((0, 0)), bench.image.data_to_world((10, 20)))


def test_cancel_leaves_everything_as_it_was(make: Callable[..., Bench]) -> None:
    bench = make(FakeAnnotate(gated=True))
    bench.click()
    bench.qtbot.waitUntil(bench.annotate.stepped.is_set, timeout=10_000)
    bench.controller.cancel()
    assert bench.session.job.state is JobState.CANCELLING
    bench.annotate.gate.set()
    status = bench.wait()
    assert (status.state, status.message) == (JobState.CANCELLED, "Cancelled; nothing was changed.")
    assert bench.names() == ["tile"]
    assert bench.annotate.closed.is_set()
    assert bench.run().state is JobState.RETURNED


def test_a_click_while_it_runs_does_nothing(make: Callable[..., Bench]) -> None:
    bench = make(FakeAnnotate(gated=True))
    bench.click()
    bench.click()
    bench.annotate.gate.set()
    bench.wait()
    assert len(bench.annotate.requests) == 1


def test_a_failure_is_one_sentence_and_the_next_click_works(make: Callable[..., Bench]) -> None:
    bench = make(FakeAnnotate(ModelError("The model is damaged; copy it again.")))
    status = bench.run()
    assert (status.state, status.message) == (JobState.FAILED, "The model is damaged; copy it again.")
    assert bench.names() == ["tile"]
    bench.annotate._error = None
    assert bench.run().state is JobState.RETURNED


def test_the_image_is_removed_while_it_is_annotated(make: Callable[..., Bench]) -> None:
    bench = make(FakeAnnotate(gated=True))
    bench.click()
    bench.qtbot.waitUntil(bench.annotate.stepped.is_set, timeout=10_000)
    bench.viewer.layers.remove(bench.image)
    bench.annotate.gate.set()
    status = bench.wait()
    assert status.state is JobState.CANCELLED
    assert "“tile” was removed" in status.message
    assert bench.names() == []
    assert bench.session.image_id == ""


def test_the_image_is_renamed_and_moved_while_it_is_annotated(make: Callable[..., Bench]) -> None:
    bench = make(FakeAnnotate(gated=True))
    bench.click()
    bench.qtbot.waitUntil(bench.annotate.stepped.is_set, timeout=10_000)
    bench.image.name = "renamed"
    bench.image.translate = (100, 200)
    bench.annotate.gate.set()
    assert bench.wait().state is JobState.RETURNED
    glands = bench.viewer.layers["renamed glands"]
    np.testing.assert_allclose(glands.data_to_world((3, 4)), bench.image.data_to_world((3, 4)))


def test_pixels_that_change_meanwhile_make_the_answer_void(make: Callable[..., Bench]) -> None:
    bench = make(FakeAnnotate(gated=True))
    bench.click()
    bench.qtbot.waitUntil(bench.annotate.stepped.is_set, timeout=10_000)
    bench.image.data = he_like(40, 56, seed=9)
    bench.annotate.gate.set()
    status = bench.wait()
    assert status.state is JobState.FAILED
    assert "was changed while it was annotated" in status.message
    assert bench.names() == ["tile"]


def test_an_answer_that_cannot_be_shown_ends_the_job_all_the_same(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make()

    def broken(*args: Any, **settings: Any) -> None:
        raise TypeError("napari said no")

    monkeypatch.setattr(bench.controller.layers, "add_annotation", broken)
    with caplog.at_level("CRITICAL"):
        status = bench.run()
    assert status.state is JobState.FAILED
    assert "napari said no" in status.message


def test_notes_of_the_job_are_shown_while_it_runs(make: Callable[..., Bench]) -> None:
    def job(request: Any) -> Job[Any]:
        yield Progress("Reading tiles", 0, 2, "Out of memory: tiles of 256 px.")
        yield Progress("Reading tiles", 1, 2)
        raise ModelError("end")

    bench = make()
    bench.controller._annotate = job
    bench.run()
    running = [status for status in bench.statuses if status.state is JobState.RUNNING]
    assert [status.message for status in running] == ["", *["Out of memory: tiles of 256 px."] * 2]


def test_a_second_click_says_what_was_kept(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.run()
    bench.viewer.layers["tile glands"].data[0, 0] = 5
    assert "You have corrected this image" in bench.run().message
    bench.controller.correct.rerun.put_beside()
    assert "“tile glands” was edited and kept" in bench.session.job.message
    assert "tile glands [1]" in bench.names()


def test_without_an_image_nothing_starts_and_the_reason_is_said(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.viewer.layers.clear()
    assert bench.session.image_problem == "Open an H&E image to annotate."
    assert bench.run().message == "Open an H&E image to annotate."
    assert not bench.annotate.requests


def test_a_grey_image_has_its_reason_and_oblong_pixels_are_taken(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.viewer.add_image(np.zeros((20, 20)), name="grey")
    assert "is a grey image" in bench.session.image_problem
    assert bench.session.pixel_size is None
    bench.viewer.add_image(he_like(), rgb=True, name="oblong", scale=(0.5, 0.2), units=("um", "um"))
    assert bench.session.image_problem == ""
    bench.run()
    assert bench.annotate.requests[-1].pixel_size.yx_um == pytest.approx((0.5, 0.2))


def test_the_chosen_image_follows_the_active_layer_and_the_list(make: Callable[..., Bench]) -> None:
    bench = make()
    session = bench.session
    assert session.image_name == "tile"
    other = bench.viewer.add_image(he_like(), rgb=True, name="other")
    assert session.image_name == "other"
    other.name = "another"
    assert session.image_name == "another"
    bench.viewer.layers.selection.active = bench.image
    assert session.image_name == "tile"
    bench.viewer.layers.remove(bench.image)
    assert session.image_name == "another"


def test_each_image_keeps_its_own_readout(make: Callable[..., Bench]) -> None:
    bench = make()
    assert bench.run().message
    other = bench.viewer.add_image(he_like(), rgb=True, name="other")
    assert bench.session.readout is None
    assert not bench.session.job.message, "how the run on the tile ended is not said of the other image"
    bench.viewer.layers.selection.active = bench.viewer.layers["tile nuclei"]
    assert bench.session.readout is not None
    bench.viewer.layers.remove(other)
    assert bench.session.readout.image_name == "tile"


def test_the_users_pixel_size_is_remembered_for_the_content(make: Callable[..., Bench]) -> None:
    bench = make(scale=(1, 1), units=("pixel", "pixel"))
    assert bench.session.pixel_size is not None
    assert bench.session.pixel_size.assumed
    bench.controller.choose.pixel_size(0.37)
    again = make(memory=bench.memory, scale=(1, 1), units=("pixel", "pixel"))
    assert again.session.pixel_size is not None
    assert (again.session.pixel_size.mean_um, again.session.pixel_size.source) == (0.37, PixelSizeSource.USER)


def test_a_changed_scale_changes_the_pixel_size(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.image.scale = (0.25, 0.25)
    assert bench.session.pixel_size is not None
    assert bench.session.pixel_size.mean_um == 0.25


def test_choices_are_remembered_for_the_next_dock(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.controller.choose.device("cpu")
    bench.controller.choose.sensitivity(0.4)
    bench.controller.choose.display(colour_by=ColourBy.OBJECT, filled=True)
    again = make(memory=bench.memory).session
    assert (again.device, again.sensitivity, again.colour_by, again.filled) == (
        "cpu",
        0.4,
        ColourBy.OBJECT,
        True,
    )


def test_impossible_choices_are_refused(make: Callable[..., Bench]) -> None:
    choose = make().controller.choose
    for refused in (
        lambda: choose.device("tpu"),
        lambda: choose.sensitivity(2),
        lambda: choose.pixel_size(0),
    ):
        with pytest.raises(SettingsError):
            refused()


def test_models_are_listed_and_a_forgotten_one_gives_way_to_the_first(make: Callable[..., Bench]) -> None:
    memory = Memory()
    memory.remember(model="deleted meanwhile")
    bench = make(memory=memory)
    bench.controller.look_up_models()
    bench.qtbot.waitUntil(lambda: bool(bench.session.models), timeout=10_000)
    assert bench.session.model_name == "starter"
    assert bench.session.model is not None
    assert bench.session.model.pixel_size_um == 1.0


@pytest.mark.parametrize("found", [(), None], ids=["none", "error"])
def test_no_models_is_said(make: Callable[..., Bench], found: Any) -> None:
    def job() -> Job[tuple[ModelChoice, ...]]:
        yield Progress("Looking")
        if found is None:
            raise ModelError("the library is damaged")
        return found

    bench = make()
    bench.controller.lookup.list_models = job
    bench.controller.look_up_models()
    assert bench.wait().state is JobState.FAILED


def test_the_copy_of_the_image_is_not_kept_after_the_run(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.run()
    (request,) = bench.annotate.requests
    reader = weakref.ref(request.picture.read)
    bench.annotate.requests.clear()
    del request
    gc.collect()
    assert reader() is None


def test_the_tissue_map_is_added_on_demand(make: Callable[..., Bench]) -> None:
    bench = make(FakeAnnotate(tissue_map=tissue_map()))
    bench.controller.show_tissue_map()
    assert bench.names() == ["tile"]
    bench.run()
    bench.controller.show_tissue_map()
    assert bench.names()[:2] == ["tile", "tile tissue map"]


def test_closing_while_it_runs_adds_nothing_and_lets_go_of_the_viewer(make: Callable[..., Bench]) -> None:
    bench = make(FakeAnnotate(gated=True))
    bench.click()
    bench.qtbot.waitUntil(bench.annotate.stepped.is_set, timeout=10_000)
    threading.Timer(0.05, bench.annotate.gate.set).start()
    bench.controller.close()
    assert bench.annotate.closed.is_set()
    bench.qtbot.wait(20)
    assert bench.names() == ["tile"]
    name = bench.session.image_name
    bench.image.name = "renamed"
    bench.viewer.layers.clear()
    assert bench.session.image_name == name
    bench.controller.close()


def test_the_session_belongs_to_the_main_thread() -> None:
    session, caught = Session(), []

    def write() -> None:
        try:
            session.model_name = "x"
        except ValueError as error:
            caught.append(str(error))

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert "main thread" in caught[0]
