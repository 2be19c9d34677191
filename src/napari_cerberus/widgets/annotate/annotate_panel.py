"""What to annotate and with what: image, pixel size, region, model, device, sensitivity, and the one button."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...errors import CerberusError
from ...inference.annotate_settings import AnnotateSettings
from ...viewer.controller import Controller
from ...viewer.session import Region
from ..base.forms import add_row, combo, new_form
from ..base.section import Section
from ..base.settings_form import SettingsForm, says
from ..base.style import PRIMARY_BUTTON, SPACING_PX, Banner, Tone, small_label
from ..models.card_dialog import ModelCardDialog
from ..models.models_dialog import ModelsDialog
from .brightness_field import BrightnessField
from .pixel_size_field import PixelSizeField
from .stain_row import StainRow

ANNOTATE_KEYS = ("Ctrl+Return", "Ctrl+Enter")
"""In the whole window; the second is that of the number pad."""
_REGIONS = {Region.WHOLE: "Whole image", Region.VIEW: "Field of view", Region.RECTANGLE: "Drawn shape"}
_DEVICES = (
    ("Automatic", "auto"),
    ("Processor (CPU)", "cpu"),
    ("NVIDIA GPU (CUDA)", "cuda"),
    ("Apple GPU (MPS)", "mps"),
)
_SETTINGS = {
    "device": says(
        "Device",
        "Where the network runs; Automatic takes the fastest device of this computer.",
        choices=_DEVICES,
    ),
    "sensitivity": says(
        "Sensitivity",
        "Precision: fewer false objects. Recall: fewer missed objects, usually the worse error in pathology.",
        widget_type="FloatSlider",
        min=-1,
        max=1,
        step=0.1,
        readout=False,
    ),
    "flips": says(
        "Certainty",
        "Reads the image three more times, mirrored: four times the time. Objects that are not found again become "
        "less certain and come earlier in the queue; no outline changes.",
        text="Check under flips (4×)",
    ),
}


class AnnotatePanel(QWidget):
    """The form above the Annotate button, and the button.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller, self._session = controller, controller.session
        self._build_fields()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(Section("Image", self._image_form()))
        layout.addWidget(Section("Model", self._model_form()))
        layout.addWidget(self.stain)
        layout.addWidget(self.stain_row)
        layout.addWidget(self.older)
        layout.addWidget(self.loading)
        layout.addWidget(self.annotate)
        self._connect_fields()
        self._connect_session()

    def press(self) -> None:
        """Annotate by key: as by the button, and only where that could be pressed."""
        if self.annotate.isEnabled():
            self.annotate.click()

    def reset_choices(self) -> None:
        """List the viewer's images again."""
        images = self._controller.layers.images()
        self.image.blockSignals(True)
        self.image.clear()
        for unique_id, name in images:
            self.image.addItem(name, unique_id)
        self.image.setCurrentIndex(self.image.findData(self._session.image_id))
        self.image.setEnabled(bool(images))
        self.image.blockSignals(False)

    # -- building --------------------------------------------------------------------------------

    def _build_fields(self) -> None:
        self.image, self.region, self.model = (combo() for _ in range(3))
        self.image.setPlaceholderText("no image is open")
        self.image.setToolTip("The open image that is annotated")
        self.region.setToolTip("Annotate all of the image, what is in view, or a rectangle on it.")
        self.model.setToolTip("The network that finds the objects; “in use” is chosen under Models.")
        for region, words in _REGIONS.items():
            self.region.addItem(words, region.value)
        self.problem, self.stain, self.older = Banner(), Banner(), Banner()
        self.loading = small_label()
        self.stain_row = StainRow(self._controller.adapting, self._session)
        self.pixel_size, self.brightness = PixelSizeField(), BrightnessField()
        self.draw = QPushButton("Draw")
        self.draw.setToolTip("Pull a rectangle, or take the layer's polygon tool; only what lies in it is annotated.")
        self.card = QPushButton("Card")
        self.card.setToolTip("What this model was trained on, how good it is, and what it is not for")
        self.library = QPushButton("Models …")
        self.library.setToolTip("Every model on this computer: compare, promote, roll back, export, import")
        self.models_dialog: ModelsDialog | None = None
        self.about = small_label()
        chosen = {name: getattr(self._session, name) for name in _SETTINGS}
        self.settings = SettingsForm(AnnotateSettings, _SETTINGS, first_row=2, **chosen)
        self.annotate = QPushButton("Annotate")
        self.annotate.setStyleSheet(PRIMARY_BUTTON)
        self.annotate.setToolTip(
            "Find nuclei, glands, lumina and the tissue type in the chosen region.  Key: Ctrl+Enter"
        )
        self.annotate.setCursor(Qt.CursorShape.PointingHandCursor)

    def _image_form(self) -> QWidget:
        content, grid = new_form()
        add_row(grid, 0, "Image", self.image)
        grid.addWidget(self.problem, 1, 0, 1, 2)
        add_row(grid, 2, "Pixel size", self.pixel_size, top=True)
        add_row(grid, 3, "White at", self.brightness, top=True)
        self._brightness_label = grid.itemAtPosition(3, 0).widget()
        add_row(grid, 4, "Region", self.region, self.draw)
        return content

    def _model_form(self) -> QWidget:
        grid = self.settings.grid
        add_row(grid, 0, "Model", self.model, self.card)
        under, leanings = QHBoxLayout(), QHBoxLayout()
        under.addWidget(self.about, 1)
        under.addWidget(self.library, 0, Qt.AlignmentFlag.AlignTop)
        grid.addLayout(under, 1, 1)
        for words, side in (("precision", "Left"), ("balanced", "HCenter"), ("recall", "Right")):
            leanings.addWidget(small_label(words), 1, getattr(Qt.AlignmentFlag, f"Align{side}"))
        grid.addLayout(leanings, self.settings.below("sensitivity"), 1)
        native: QWidget = self.settings.native
        return native

    # -- connecting ------------------------------------------------------------------------------

    def _connect_fields(self) -> None:
        choose = self._controller.choose
        self.image.activated.connect(lambda index: choose.show_image(self.image.itemData(index)))
        self.pixel_size.answered.connect(choose.pixel_size)
        self.brightness.answered.connect(choose.full_brightness)
        self.region.activated.connect(lambda index: choose.region(Region(self.region.itemData(index))))
        self.draw.clicked.connect(self._draw_rectangle)
        self.model.activated.connect(lambda index: choose.model(self.model.itemData(index)))
        self.card.clicked.connect(self._show_card)
        self.library.clicked.connect(self.show_library)
        self.settings.device.changed.connect(choose.device)
        self.settings.sensitivity.changed.connect(choose.sensitivity)
        self.settings.flips.changed.connect(choose.flips)
        self.annotate.clicked.connect(self._controller.annotate)

    def _connect_session(self) -> None:
        events = self._session.events
        self._controller.watch.images_changed.connect(self.reset_choices)
        events.image_id.connect(self._show_image)
        events.image_problem.connect(self._show_image)
        events.pixel_size.connect(self.pixel_size.show_size)
        events.full_brightness.connect(self._show_brightness)
        events.region.connect(self._show_region)
        events.models.connect(self._show_models)
        events.model_name.connect(self._show_models)
        events.job.connect(self._show_readiness)
        for changed in (events.stain_warning, events.results_note, events.model_loading):
            changed.connect(self._show_notes)
        self.reset_choices()
        self._show_image()
        self._show_notes()
        self.pixel_size.show_size(self._session.pixel_size)
        self._show_brightness()
        self._show_region()
        self._show_models()

    def _show_image(self) -> None:
        self.image.setCurrentIndex(self.image.findData(self._session.image_id))
        self.problem.say(self._session.image_problem, Tone.CAUTION if self._session.image_id else Tone.INFO)
        self._show_readiness()

    def _show_notes(self) -> None:
        self.stain.say(self._session.stain_warning, Tone.CAUTION)
        self.older.say(self._session.results_note, Tone.CAUTION)
        self.loading.setText(self._session.model_loading)
        self.loading.setVisible(bool(self._session.model_loading))

    def _show_brightness(self) -> None:
        self.brightness.show_brightness(self._session.full_brightness)
        self._brightness_label.setVisible(self._session.full_brightness is not None)

    def _show_region(self) -> None:
        self.region.setCurrentIndex(self.region.findData(self._session.region.value))
        self.draw.setVisible(self._session.region is Region.RECTANGLE)

    def _show_models(self) -> None:
        session = self._session
        self.model.clear()
        for model in session.models:
            self.model.addItem(model.name, model.name)
        self.model.setCurrentIndex(self.model.findData(session.model_name))
        self.model.setEnabled(bool(session.models))
        self.model.setPlaceholderText("" if session.models else "looking for models …")
        chosen = session.model
        self.card.setEnabled(chosen is not None)
        self.about.setText("" if chosen is None else f"{', '.join(chosen.predicts)}\nworks at {chosen.scales}")
        self._show_readiness()

    def _show_readiness(self) -> None:
        session = self._session
        self.annotate.setEnabled(not session.image_problem and not session.job.state.busy)

    # -- reacting --------------------------------------------------------------------------------

    def _draw_rectangle(self) -> None:
        try:
            self._controller.choose.rectangle()
        except CerberusError as error:
            self.problem.say(str(error), Tone.CAUTION)

    def show_library(self) -> None:
        """Open the model library, or bring it to the front."""
        if self.models_dialog is None:
            self.models_dialog = ModelsDialog(self._controller.library, self)
        self.models_dialog.show()
        self.models_dialog.raise_()
        self.models_dialog.activateWindow()

    def _show_card(self) -> None:
        if self._session.model is not None:
            ModelCardDialog(self._session.model, self).show()
