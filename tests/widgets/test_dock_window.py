"""The dock in a real window, driven by real mouse clicks and keys."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSlider, QWidget

from fake_jobs import FakeAnnotate, he_like, no_pixel_size, tissue_map, two_models
from napari_cerberus.errors import DeviceError
from napari_cerberus.pixel_size import PixelSize, PixelSizeSource
from napari_cerberus.viewer import controller as controller_module
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.sight.overlay import OVERLAY_LAYER
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState, Region
from napari_cerberus.widgets import dock as dock_module
from napari_cerberus.widgets.annotate.pixel_size_field import PixelSizeField
from napari_cerberus.widgets.dock import CerberusDock
from napari_cerberus.widgets.models.card_dialog import ModelCardDialog

PLUGIN = "napari-cerberus"


class Window:
    """A napari window with the dock open from the manifest's command, and a fake annotate job."""

    def __init__(self, qtbot: QtBot, viewer: Any, annotate: FakeAnnotate) -> None:
        self.qtbot, self.viewer, self.annotate = qtbot, viewer, annotate
        self.dock_widget, self.dock = viewer.window.add_plugin_dock_widget(PLUGIN)
        self.session = self.dock.controller.session
        qtbot.waitUntil(lambda: bool(self.session.models), timeout=10_000)

    def add_image(self, **settings: Any) -> Any:
        settings = {"name": "tile", "scale": (0.5, 0.5), "units": ("um", "um"), "rgb": True, **settings}
        return self.viewer.add_image(he_like(40, 56), **settings)

    def click(self, button: QWidget) -> None:
        assert button.isEnabled()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def annotate_and_wait(self) -> None:
        self.click(self.dock.annotate.annotate)
        self.wait_for(JobState.RETURNED)

    def wait_for(self, state: JobState) -> None:
        self.qtbot.waitUntil(lambda: self.session.job.state is state, timeout=10_000)

    def names(self) -> list[str]:
        """Of all layers but the marks of what lies under the pointer, wherever that happens to be."""
        return [layer.name for layer in self.viewer.layers if layer.name != OVERLAY_LAYER]

    @property
    def message(self) -> str:
        return str(self.dock.job_bar.message.text())


@pytest.fixture
def open_window(
    qtbot: QtBot, make_napari_viewer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Window]]:
    """Opens a shown window; afterwards closes it and checks that no thread is left."""
    used: list[FakeAnnotate] = []

    def factory(annotate: FakeAnnotate | None = None, **settings: Any) -> Window:
        used.append(annotate or FakeAnnotate(tissue_map=tissue_map()))

        def make_controller(viewer: Any) -> Controller:
            return Controller(
                viewer, Memory(), annotate=used[-1], list_models=two_models, read_pixel_size=no_pixel_size
            )

        monkeypatch.setattr(dock_module, "Controller", make_controller)
        return Window(qtbot, make_napari_viewer(show=True, **settings), used[-1])

    yield factory
    for annotate in used:
        annotate.gate.set()


def test_one_click_on_an_open_image(open_window: Callable[..., Window]) -> None:
    window = open_window()
    dock = window.dock
    assert not dock.annotate.annotate.isEnabled()
    assert dock.annotate.problem.isVisible()
    assert "Open an H&E image" in dock.annotate.problem.text()
    window.add_image()
    assert dock.annotate.image.currentText() == "tile"
    assert dock.annotate.pixel_size.spin.value() == 0.5
    assert dock.annotate.pixel_size.source.text() == "from the layer"
    assert dock.annotate.model.currentText() == "starter"
    assert not dock.annotate.problem.isVisible()
    assert not dock.readout.isVisible()

    window.annotate_and_wait()

    assert window.names() == ["tile", "tile glands", "tile lumina", "tile nuclei"]
    assert window.message == "2 nuclei, 1 gland, 1 lumen; 3.2 s on CPU (bf16)."
    assert dock.job_bar.message.isVisible()
    assert dock.readout.bars.rows() == [("Normal", "62%"), ("Adenocarcinoma", "21%"), ("Polyp", "17%")]
    assert dock.readout.isVisible()
    assert not dock.readout.doubt.isVisible()
    assert dock.objects.isVisible()
    window.click(dock.readout.map)
    assert "tile tissue map" in window.names()


def test_napari_adds_no_stretch_below_the_page(open_window: Callable[..., Window]) -> None:
    dock = open_window().dock  # it would outgrow the page, a little more with every dock that is opened in a session
    below = dock.layout().itemAt(dock.layout().count() - 1)
    assert below.spacerItem() is None
    assert dock.steps.height() > 0.7 * dock.height()


def test_progress_and_cancel(open_window: Callable[..., Window]) -> None:
    window = open_window(FakeAnnotate(gated=True))
    window.add_image()
    bar = window.dock.job_bar
    assert not bar.cancel.isVisible()
    window.click(window.dock.annotate.annotate)
    window.qtbot.waitUntil(lambda: bar.stage.text() == "Reading tiles · 0%", timeout=10_000)
    assert bar.cancel.isVisible()
    assert not window.dock.annotate.annotate.isEnabled()
    window.click(bar.cancel)
    assert bar.stage.text().startswith("Cancelling")
    assert not bar.cancel.isEnabled()
    window.annotate.gate.set()
    window.wait_for(JobState.CANCELLED)
    assert window.names() == ["tile"]
    assert window.message == "Cancelled; nothing was changed."
    assert not bar.cancel.isVisible()
    assert window.annotate.closed.is_set()
    assert window.dock.annotate.annotate.isEnabled()


def test_an_error_is_shown_and_the_window_stays_usable(open_window: Callable[..., Window]) -> None:
    window = open_window(FakeAnnotate(DeviceError("The GPU is gone; choose the processor.")))
    window.add_image()
    window.click(window.dock.annotate.annotate)
    window.wait_for(JobState.FAILED)
    assert window.message == "The GPU is gone; choose the processor."
    assert window.names() == ["tile"]
    window.annotate._error = None
    window.annotate_and_wait()


def test_the_layer_is_removed_while_it_runs(open_window: Callable[..., Window]) -> None:
    window = open_window(FakeAnnotate(gated=True))
    window.add_image()
    window.click(window.dock.annotate.annotate)
    window.qtbot.waitUntil(window.annotate.stepped.is_set, timeout=10_000)
    window.viewer.layers.clear()
    window.annotate.gate.set()
    window.wait_for(JobState.CANCELLED)
    assert window.names() == []
    assert "was removed" in window.message
    assert not window.dock.annotate.annotate.isEnabled()


def test_a_second_click_keeps_what_was_painted_with_the_mouse(open_window: Callable[..., Window]) -> None:
    window = open_window()
    window.add_image()
    window.annotate_and_wait()
    glands = window.viewer.layers["tile glands"]
    glands.mode, glands.selected_label = "paint", 5
    canvas = window.viewer.window._qt_viewer.canvas.native
    window.qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=canvas.rect().center())
    assert (np.asarray(glands.data) == 5).any(), "the brush must have painted"
    painted = np.array(glands.data)
    window.annotate_and_wait()
    assert "1 of yours stay" in window.dock.offers.preview.text()
    window.click(window.dock.offers.add_beside)
    names = [name for name in window.names() if name != OVERLAY_LAYER]
    assert names == ["tile", "tile glands", "tile lumina", "tile nuclei", "tile glands [1]"]
    np.testing.assert_array_equal(window.viewer.layers["tile glands"].data, painted)
    assert "was edited and kept" in window.message
    glands.undo()
    assert not (np.asarray(glands.data) == 5).any()


@pytest.mark.parametrize("kind", ["RGBA", "16-bit", "multiscale", "rotated"])
def test_other_colour_images_are_annotated(open_window: Callable[..., Window], kind: str) -> None:
    window = open_window()
    pixels = he_like(40, 56)
    data: Any = {
        "RGBA": np.dstack([pixels, np.full((40, 56), 255, np.uint8)]),
        "16-bit": pixels.astype(np.uint16) * 257,
        "multiscale": [pixels, pixels[::2, ::2]],
        "rotated": pixels,
    }[kind]
    image = window.viewer.add_image(
        data,
        rgb=True,
        name="tile",
        multiscale=kind == "multiscale",
        rotate=30.0 if kind == "rotated" else None,
    )
    assert window.dock.annotate.pixel_size.source.text().startswith("assumed")
    window.annotate_and_wait()
    glands = window.viewer.layers["tile glands"]
    np.testing.assert_allclose(glands.data_to_world((3, 4)), image.data_to_world((3, 4)))


def test_a_grey_image_is_refused_in_a_sentence(open_window: Callable[..., Window]) -> None:
    window = open_window()
    window.viewer.add_image(np.zeros((20, 20)), name="grey")
    panel = window.dock.annotate
    assert not panel.annotate.isEnabled()
    assert "is a grey image" in panel.problem.text()
    assert not panel.pixel_size.isEnabled()


def test_the_form_reaches_the_request(open_window: Callable[..., Window]) -> None:
    window = open_window()
    window.add_image(scale=(1, 1), units=("pixel", "pixel"))
    panel, qtbot = window.dock.annotate, window.qtbot
    assert panel.pixel_size.source.text().startswith("assumed")
    panel.pixel_size.spin.setFocus()
    panel.pixel_size.spin.selectAll()
    qtbot.keyClicks(panel.pixel_size.spin, "0.5")
    qtbot.keyClick(panel.pixel_size.spin, Qt.Key.Key_Return)
    assert panel.pixel_size.source.text() == "set by you", "Enter confirms an assumed number"
    panel.pixel_size.presets.menu().actions()[0].trigger()
    assert panel.pixel_size.spin.value() == 0.25
    for combo, index in ((panel.region, 1), (panel.model, 1), (panel.settings.device.native, 1)):
        combo.setFocus()
        qtbot.keyClick(combo, Qt.Key.Key_Home)
        for _ in range(index):
            qtbot.keyClick(combo, Qt.Key.Key_Down)
    slider = panel.settings.sensitivity.native.findChild(QSlider)
    slider.setFocus()
    qtbot.keyClick(slider, Qt.Key.Key_End)
    qtbot.keyClick(panel.settings.flips.native, Qt.Key.Key_Space)
    assert panel.about.text() == "nuclei\nworks at 0.5 µm/px"
    window.dock.controller.choose.model("starter")
    assert panel.about.text().endswith("tissue\nworks at 1 µm/px, nuclei at 0.5 µm/px")
    window.dock.controller.choose.model("other")
    window.viewer.reset_view()
    window.qtbot.wait(50)
    window.annotate_and_wait()
    (request,) = window.annotate.requests
    assert request.pixel_size == PixelSize.square(0.25)
    assert (request.model_name, request.device, request.sensitivity) == ("other", "cpu", 1.0)
    assert request.flips
    assert request.picture.region is Region.VIEW
    assert request.picture.box.shape == (40, 56), "the whole tile is in view"


def test_a_rectangle_drawn_with_the_mouse(open_window: Callable[..., Window]) -> None:
    window = open_window()
    window.add_image()
    panel = window.dock.annotate
    window.dock.controller.choose.region(Region.RECTANGLE)
    window.click(panel.annotate)
    assert "press Draw" in window.message
    window.click(panel.draw)
    canvas = window.viewer.window._qt_viewer.canvas.native
    centre = canvas.rect().center()
    start, stop = centre / 1.2, centre * 1.1
    window.qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
    window.qtbot.mouseMove(canvas, stop)
    window.qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=stop)
    assert len(window.viewer.layers["Cerberus region"].data) == 1
    window.annotate_and_wait()
    (request,) = window.annotate.requests
    height, width = request.picture.box.shape
    assert 3 <= height < 40
    assert 3 <= width < 56
    glands, drawn = window.viewer.layers["tile glands"], window.viewer.layers["Cerberus region"].data[0]
    np.testing.assert_allclose(glands.extent.world, [drawn.min(axis=0), drawn.max(axis=0)], atol=0.6)


def test_looks_of_the_result(open_window: Callable[..., Window]) -> None:
    window = open_window()
    window.add_image()
    window.annotate_and_wait()
    objects, glands = window.dock.objects, window.viewer.layers["tile glands"]
    for combo in (objects.filled, objects.colour_by):
        combo.setFocus()
        window.qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert glands.contour == 0
    assert window.session.colour_by.value == "object"


def test_the_model_card_opens_beside(open_window: Callable[..., Window]) -> None:
    window = open_window()
    window.click(window.dock.annotate.card)
    (dialog,) = window.dock.findChildren(ModelCardDialog)
    assert dialog.isVisible()
    assert not dialog.isModal()
    assert "SHA-256" in dialog.text.toPlainText()
    window.click(dialog.findChildren(QPushButton)[0])
    assert not dialog.isVisible()


@pytest.mark.parametrize("how", ["window", "cross"])
def test_closing_while_it_runs_stops_the_job(open_window: Callable[..., Window], how: str) -> None:
    window = open_window(FakeAnnotate(gated=True))
    window.add_image()
    window.click(window.dock.annotate.annotate)
    window.qtbot.waitUntil(window.annotate.stepped.is_set, timeout=10_000)
    threading.Timer(0.05, window.annotate.gate.set).start()
    if how == "cross":
        window.click(window.dock_widget.title.close_button)
        assert window.annotate.closed.is_set()
        assert window.names() == ["tile"]
        _, again = window.viewer.window.add_plugin_dock_widget(PLUGIN)
        assert again is not window.dock
    else:
        window.viewer.close()
        window.qtbot.waitUntil(window.annotate.closed.is_set, timeout=10_000)


def test_it_listens_to_naparis_public_names_only(qtbot: QtBot, make_napari_viewer_proxy: Callable[..., Any]) -> None:
    annotate = FakeAnnotate()
    viewer = make_napari_viewer_proxy()
    dock = CerberusDock(
        viewer,
        Controller(viewer, Memory(), annotate=annotate, list_models=two_models, read_pixel_size=no_pixel_size),
    )
    qtbot.addWidget(dock)
    viewer.add_image(he_like(), rgb=True, name="tile")
    for _ in range(2):
        dock.annotate.annotate.click()
        qtbot.waitUntil(lambda: not dock.controller.session.job.state.busy, timeout=10_000)
    assert [layer.name for layer in viewer.layers] == ["tile", "tile glands", "tile lumina", "tile nuclei"]
    dock.controller.choose.rectangle()
    dock.controller.close()
    gc.collect()


def test_the_docks_default_is_the_real_thing() -> None:
    assert dock_module.Controller is controller_module.Controller


def test_pixels_that_are_not_square_are_told_as_such(qtbot: QtBot) -> None:
    field = PixelSizeField()
    qtbot.addWidget(field)
    field.show_size(PixelSize(1.13, 1.5, PixelSizeSource.LAYER))
    assert field.source.text() == "1.13 × 1.5 µm (height × width)\nfrom the layer"
    field.show_size(PixelSize.square(0.5, PixelSizeSource.LAYER))
    assert field.source.text() == "from the layer"
