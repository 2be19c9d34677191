"""All that correction needs, put together for one dock."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ...annotation.effort import effort_of
from ...annotation.regions import is_part
from ...errors import CerberusError
from ..annotate.annotation_result import Answer
from ..io.annotation_folder import save
from ..layer_provenance import SAVED_IN
from ..layers import ViewerLayers
from ..session import Session
from ..soon import Soon
from .autosave import Autosave
from .decision_marks import DecisionMarks
from .layer_switch import LayerSwitch
from .rerun import Rerunning
from .restore import Restoring
from .review_session import Reviewing
from .sight.outline_width import OutlineWidth
from .sight.overlay import Overlay
from .toolbox import ToolBox
from .tracked_layer import TrackedLayer
from .tracked_layers import Corrections
from .undo import probability_map
from .version_comparison import Comparing


class Correcting:
    """Corrections, tools, review, re-runs and journals of one dock.

    Parameters
    ----------
    layers : ViewerLayers
    session : Session
    journals : Path or None
        Folder of all journals; None keeps nothing.
    """

    def __init__(self, layers: ViewerLayers, session: Session, journals: Path | None) -> None:
        self.corrections = Corrections(layers, session)
        self.overlay = Overlay(layers)
        self.tools = ToolBox(self.corrections, self.overlay)
        self.switch = LayerSwitch(self.corrections)
        self.review = Reviewing(self.corrections, self.tools.aim)
        self._marks = DecisionMarks(self.review, self.overlay)
        self._outlines = OutlineWidth(self.corrections)
        self.rerun = Rerunning(self.corrections, self.review)
        self.autosave = Autosave(self.corrections, journals)
        self.comparing = Comparing(self.corrections)
        self.restore = Restoring(self.corrections, self.autosave, session)
        self._soon = Soon(self.sync)
        self.corrections.edited_externally.connect(self._soon.start)

    def sync(self) -> None:
        """Catch up with what other hands changed, and write to disk what is not yet there."""
        self.corrections.sync()
        self.autosave.flush()

    def take(self, answer: Answer) -> None:
        """Follow the layers of a new annotation, with what the model saw."""
        annotation = answer.annotation
        self.corrections.attach_all()
        for one in self.corrections:
            if one.place != answer.record.place[1:]:
                continue
            one.probability = probability_map(annotation.probabilities, one.task, one.layer.data.shape)
        self.review.look_for_reasons()

    def save(self, folder: Path) -> None:
        """Write the annotation of the active layer as one folder; what became of it is said.

        Of an image that is annotated in parts, as a slide, all parts are written.
        """
        try:
            parts = self._to_save(self.corrections.need_active())
            for one in parts:
                siblings = list(self.corrections.siblings(one).values())
                data = [sibling.layer.as_layer_data_tuple() for sibling in siblings]
                (written,) = save(str(folder), data, self.autosave.history(one), by=self.corrections.session.reviewer)
                for sibling in siblings:
                    sibling.layer.metadata = {**sibling.layer.metadata, SAVED_IN: written}
            several = f" ({len(parts)} parts of the image)" if len(parts) > 1 else ""
            self.corrections.said.emit(f"Saved {written}{several}.", False)
        except CerberusError as error:
            self.corrections.said.emit(str(error), True)

    def saved_in(self) -> Path | None:
        """The folder that the active image was opened from or saved in last; None where there is none."""
        active = self.corrections.active
        known = (one.layer.metadata.get(SAVED_IN, "") for one in ([] if active is None else self._to_save(active)))
        return next((Path(path) for path in known if path), None)

    def _to_save(self, active: TrackedLayer) -> list[TrackedLayer]:
        """A layer of each part of the image where the active one is of a part; else the active one alone."""
        if not is_part(self.autosave.frame(active), active.record.factors):
            return [active]
        mine = [one for one in self.corrections if one.record.image_fingerprint == active.record.image_fingerprint]
        of_parts = {one.place: one for one in mine if is_part(self.autosave.frame(one), one.record.factors)}
        return list({**of_parts, active.place: active}.values())

    def effort(self) -> pd.DataFrame | None:
        """What correcting the active annotation has cost so far, a row a model; None before the first change."""
        active = self.corrections.active
        path = None if active is None else self.autosave.path(active)
        return None if path is None else effort_of(path)

    def close(self) -> None:
        """Let go of layers and viewer. Safe to call twice."""
        self._soon.stop()
        self.comparing.close()
        self.review.close()
        self._marks.close()
        self._outlines.close()
        self.switch.close()
        self.tools.close()
        self.corrections.sync()
        self.autosave.close()
        self.corrections.close()
