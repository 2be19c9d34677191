"""What is learned from: copies of every annotation with finished areas, the active one first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...annotation.finished_areas import finished_tasks
from ...errors import EditError, ImageError
from ..annotate.image_region import fingerprint, read_again, why_not
from ..correct.tracked_layer import TrackedLayer
from ..correct.tracked_layers import Corrections
from ..placement import Box
from ..session import Session
from .finishing import Finishing
from .learn_jobs import LearnOrder, LessonOrder

if TYPE_CHECKING:
    from ...adaptation.adapted_model import Adapted

NOTHING_FINISHED = "Finish an area first: mark a part of the image in which everything is right."
CostKey = tuple[Any, ...]
"""What the time of a round depends on."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The annotation that an order was made for.

    Attributes
    ----------
    image_id, image_name, image_key : str
        The image layer, its name, and its content.
    layer_key : str
        One of the result layers.
    """

    image_id: str
    image_name: str
    image_key: str
    layer_key: str


class LearnOrders:
    """Makes orders from the open layers.

    Parameters
    ----------
    corrections : Corrections
    finishing : Finishing
    session : Session
    """

    def __init__(self, corrections: Corrections, finishing: Finishing, session: Session) -> None:
        self._corrections, self._finishing, self._session = corrections, finishing, session

    def make(self, earlier: Adapted | None) -> tuple[LearnOrder, Target]:
        """An order for the active annotation.

        Raises
        ------
        CerberusError
            If nothing is finished in it, or its image was closed or changed.
        """
        active = self._corrections.need_active()
        if not self._finishing.areas_of(active):
            raise EditError(NOTHING_FINISHED)
        image = self.image_of(active)
        order = LearnOrder(
            lessons=tuple(self._lesson(one, self.image_of(one)) for one in self._teaching(active)),
            model_name=self._base_name(active),
            earlier=earlier,
            device=self._session.device,
            sensitivity=active.record.sensitivity,
        )
        target = Target(
            image_id=str(image.unique_id),
            image_name=str(image.name),
            image_key=active.record.image_fingerprint,
            layer_key=active.key,
        )
        return order, target

    def cost_key(self, earlier: Adapted | None) -> CostKey:
        """What the time of the next round depends on; nothing is copied. Empty where nothing is finished."""
        active = self._corrections.active
        if active is None or not self._finishing.areas_of(active):
            return ()
        lessons = [
            (
                one.tracked.labels.shape,
                one.record.pixel_size,
                finished_tasks(self._finishing.areas_of(one)),
            )
            for one in self._teaching(active)
        ]
        return self._base_name(active), self._session.device, tuple(lessons), earlier is None

    def image_of(self, one: TrackedLayer) -> Any:
        """The image layer that a result belongs to. Raises ``ImageError``."""
        layers = self._corrections.layers
        for unique_id, _ in layers.images():
            image = layers.find(unique_id)
            if image is not None and not why_not(image) and fingerprint(image) == one.record.image_fingerprint:
                return image
        raise ImageError(f"“{one.record.image_name}” was closed or changed since it was annotated; open it again.")

    def _teaching(self, active: TrackedLayer) -> list[TrackedLayer]:
        """A layer of each annotation that has finished areas and whose image is open."""
        others = {one.place: one for one in self._corrections if one.place != active.place}
        return [active, *(one for one in others.values() if self._finishing.areas_of(one) and self._is_open(one))]

    def _is_open(self, one: TrackedLayer) -> bool:
        try:
            return self.image_of(one) is not None
        except ImageError:
            return False

    def _base_name(self, one: TrackedLayer) -> str:
        """The model that made the annotation, where the list has it; else the chosen one."""
        names = {choice.name for choice in self._session.models}
        return one.record.model_name if one.record.model_name in names else self._session.model_name

    def _lesson(self, one: TrackedLayer, image: Any) -> LessonOrder:
        record = one.record
        top, left, bottom, right = (int(value) for value in record.region)
        return LessonOrder(
            name=f"{record.image_name} {record.image_fingerprint[:8]} {top},{left}",
            read=read_again(image, Box(y0=top, x0=left, y1=bottom, x1=right), record.factors),
            pixel_size=record.pixel_size,
            labels={task: np.array(other.tracked.labels) for task, other in self._corrections.siblings(one).items()},
            areas=self._finishing.areas_of(one),
        )
