"""What a file of another program holds about one image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ImportedObjects:
    """Objects of one image, before it is known which image of ours that is.

    Attributes
    ----------
    labels : mapping of task to (H, W) int32 array
        Ids 1..n; only tasks that have objects.
    objects : pandas.DataFrame
        ``task``, ``index``, ``class`` and, where the file says, ``confidence``, ``class_probability``, ``state``,
        ``changed_by``, ``changed_at`` (NaN for objects of which it does not say).
    notes : tuple of str
        What was left out or looked odd, one sentence a kind.
    file_name : str
        Of the image; empty where the file does not say.
    """

    labels: dict[str, NDArray[np.int32]]
    objects: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()
    file_name: str = ""
