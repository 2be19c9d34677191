"""How layers look that a reader hands to napari: as the user has chosen, with the dock open or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari import current_viewer

from ..annotated_layers import LayerData
from ..layers import style
from ..preferences import Memory
from ..session import Display


def chosen_display() -> Display:
    """What was last chosen in the dock, as it is remembered."""
    return Memory.of_napari().preferences().display


def styled_when_shown(task_of: Sequence[tuple[str, LayerData]], display: Display) -> None:
    """Style result layers as soon as they are in the viewer: napari takes no width of outlines from a reader.

    Parameters
    ----------
    task_of : sequence of (task, layer data)
        As the reader returns it; a layer is known by its array.
    display : Display
    """
    viewer, waiting = current_viewer(), list(task_of)
    if viewer is None or not waiting:
        return
    inserted = viewer.layers.events.inserted

    def on_inserted(event: Any) -> None:
        mine = next((one for one in waiting if one[1][0] is event.value.data), None)
        if mine is None:
            return
        style(event.value, mine[0], display)
        waiting.remove(mine)
        if not waiting:
            inserted.disconnect(on_inserted)

    inserted.connect(on_inserted)
