"""What the user has chosen: writes the session's settings, remembers them, and follows the layer list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import ImageError, SettingsError
from ...model.library.promotion import promoted
from ...pixel_size import PixelSize, PixelSizeSource
from ..layer_events import LayerWatch
from ..layers import ViewerLayers
from ..pixel_size_lookup import find_pixel_size, siblings_key
from ..preferences import Memory, Preferences
from ..session import DEVICES, ColourBy, Region, Session
from .image_region import fingerprint, why_not
from .layer_brightness import brightness_of, say_brightness

NO_IMAGE = "Open an H&E image to annotate."


def read_pixel_size(path: Path) -> PixelSize | None:
    """Pixel size from an image file's own metadata; None where it says nothing. Raises ``ImageError``."""
    from ...inference.images.image_files import pixel_size_of_file

    return pixel_size_of_file(path)


class Choices:
    """The settings part of a session.

    Parameters
    ----------
    session : Session
    layers : ViewerLayers
    watch : LayerWatch
    memory : Memory
    read_size : callable
        Reads a file's metadata.
    """

    def __init__(
        self,
        session: Session,
        layers: ViewerLayers,
        watch: LayerWatch,
        memory: Memory,
        read_size: Callable[[Path], PixelSize | None] = read_pixel_size,
    ) -> None:
        self._session, self._layers, self._memory = session, layers, memory
        self._read_pixel_size = read_size
        self._restore()
        watch.images_changed.connect(self._on_images_changed)
        watch.image_altered.connect(self._on_image_altered)
        watch.active_changed.connect(self._on_active_changed)
        self.image(layers.active_image())

    def image(self, unique_id: str) -> None:
        """Make an image layer the one to annotate; an id that is not there means none."""
        layer, session = self._layers.find(unique_id), self._session
        session.image_id = unique_id if layer is not None else ""
        session.image_name = str(layer.name) if layer is not None else ""
        session.image_problem = why_not(layer) if layer is not None else NO_IMAGE
        session.full_brightness = brightness_of(layer) if layer is not None and not why_not(layer) else None
        self._find_pixel_size(layer)

    def show_image(self, unique_id: str) -> None:
        """As ``image``, and bring the image and its results before the user's eyes."""
        self.image(unique_id)
        layer = self._layers.find(unique_id)
        if layer is not None:
            mark = "" if why_not(layer) else fingerprint(layer)
            self._layers.bring_into_view(layer, [one for one, _ in self._layers.results(mark)] if mark else [])

    def full_brightness(self, value: float) -> None:
        """Take the user's word on what is white in the chosen image; 0: the rule's. Raises ``SettingsError``."""
        layer = self._layers.find(self._session.image_id)
        if layer is not None and not why_not(layer):
            say_brightness(layer, value)
            self._session.full_brightness = brightness_of(layer)

    def pixel_size(self, um: float) -> None:
        """Take the user's word for the chosen image and remember it. Raises ``SettingsError``."""
        size = PixelSize.square(um, PixelSizeSource.USER)
        layer = self._layers.find(self._session.image_id)
        if layer is not None:
            for key in filter(None, (fingerprint(layer), siblings_key(layer))):
                self._memory.remember_pixel_size(key, um)
        self._session.pixel_size = size

    def model(self, name: str) -> None:
        """Annotate with this model from now on; the promoted one is remembered as such, whatever its name."""
        self._session.model_name = name
        self._memory.remember(model="" if name == promoted().name else name)

    def device(self, device: str) -> None:
        """One of ``DEVICES``. Raises ``SettingsError``."""
        known = next((one for one in DEVICES if one == device), None)
        if known is None:
            raise SettingsError(f"Device {device!r} is none of {', '.join(DEVICES)}.")
        self._session.device = known
        self._memory.remember(device=device)

    def sensitivity(self, sensitivity: float) -> None:
        """-1 leans toward precision, +1 toward recall. Raises ``SettingsError``."""
        if not -1.0 <= sensitivity <= 1.0:
            raise SettingsError(f"Sensitivity must lie in -1 to 1, not {sensitivity}.")
        self._session.sensitivity = float(sensitivity)
        self._memory.remember(sensitivity=float(sensitivity))

    def flips(self, flips: bool) -> None:
        """Let confidence include agreement under flips, for four times the time."""
        self._session.flips = flips
        self._memory.remember(flips=flips)

    def region(self, region: Region) -> None:
        """Annotate the whole image, what is in view, or a drawn rectangle."""
        self._session.region = region

    def rectangle(self) -> None:
        """Let the user draw the region to annotate. Raises ``ImageError`` without an image."""
        layer = self._layers.find(self._session.image_id)
        if layer is None:
            raise ImageError(NO_IMAGE)
        self._layers.draw_rectangle(layer)
        self._session.region = Region.RECTANGLE

    def display(self, *, colour_by: ColourBy | None = None, filled: bool | None = None) -> None:
        """How results of the chosen image, and new ones, look; None leaves a choice as it is."""
        session = self._session
        session.colour_by = session.colour_by if colour_by is None else colour_by
        session.filled = session.filled if filled is None else filled
        self._memory.remember(colour_by=session.colour_by.value, filled=session.filled)
        layer = self._layers.find(session.image_id)
        if layer is not None:
            self._layers.restyle(fingerprint(layer), session.display)

    def colour(self, task: str, colour: str) -> None:
        """Draw objects of a task in a colour, "#rrggbb", from now on; "" for ours again."""
        session = self._session
        others = {key: one for key, one in session.task_colours.items() if key != task}
        session.task_colours = {**others, task: colour} if colour else others
        self._memory.remember(**{f"{task}_colour": colour})
        self.display()

    def reviewer(self, name: str) -> None:
        """The user's name, for the table of corrected objects."""
        self._session.reviewer = name.strip()
        self._memory.remember(reviewer=self._session.reviewer)

    def learn_by_itself(self, wanted: bool) -> None:
        """Whether a model learns as soon as an area is finished, where that takes little time."""
        self._memory.remember(learn_by_itself=wanted)

    @property
    def preferences(self) -> Preferences:
        """The last choices, as they are remembered."""
        return self._memory.preferences()

    @property
    def tour_wanted(self) -> bool:
        """Whether the first tour is still to be offered; never where nothing is remembered."""
        return self._memory.lasts and not self.preferences.tour_seen

    def tour_seen(self) -> None:
        """Offer the tour no more."""
        self._memory.remember(tour_seen=True)

    def pairs_folder(self, folder: Path) -> None:
        """Where pairs were exported to; Fine-tune proposes it."""
        self._session.pairs_folder = str(folder)
        self._memory.remember(pairs_folder=str(folder))

    def _restore(self) -> None:
        last, session = self._memory.preferences(), self._session
        session.model_name = last.model
        session.device = next((one for one in DEVICES if one == last.device), "auto")
        session.sensitivity = min(max(last.sensitivity, -1.0), 1.0)
        session.flips = last.flips
        session.colour_by, session.filled = last.display.colour_by, last.display.filled
        session.task_colours = last.display.colours
        session.reviewer = last.reviewer
        session.pairs_folder = last.pairs_folder

    def _find_pixel_size(self, layer: Any | None) -> None:
        if layer is None or why_not(layer):
            self._session.pixel_size = None
            return
        self._session.pixel_size = self.pixel_size_of(layer)

    def pixel_size_of(self, layer: Any) -> PixelSize:
        """Of an image layer that can be annotated, as well as it is known."""
        assumed_um = self._memory.preferences().assumed_pixel_size_um
        return find_pixel_size(layer, fingerprint(layer), self._memory, self._read_pixel_size, assumed_um)

    def _on_images_changed(self) -> None:
        """Follow names, additions and removals; a chosen image stays chosen while it is there."""
        layer = self._layers.find(self._session.image_id)
        if layer is None:
            self.image(self._layers.active_image())
        else:
            self._session.image_name = str(layer.name)

    def _on_image_altered(self, unique_id: str) -> None:
        if unique_id == self._session.image_id:
            self.image(unique_id)

    def _on_active_changed(self, layer: Any) -> None:
        meant = self._layers.image_meant_by(layer)
        if meant and meant != self._session.image_id:
            self.image(meant)
