"""A run over a slide on disk: what is done already, the labels, the tables, and what they were made with.

Every block is a file that is there whole or not at all, so a run that was killed goes on where it was, and a block
that two workers did is done once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from numpy.typing import NDArray

from ..errors import DataError, OutputError
from ..files import atomic_path, write_text
from ..inference.blocks.block_layout import LABEL_CHUNK_PX, Layout, NetworkPlace, Place
from ..inference.grid.model_grid import Window
from ..locks import lock, open_lock_file
from ..strict_json import read_object
from .damage import readable

if TYPE_CHECKING:
    from ..inference.predict import Prediction

LABELS, OBJECTS, RUN, TISSUE = "labels.ome.zarr", "objects.parquet", "run.json", "overviews.npz"
_WORK = ".blocks"
_COARSEST_PX = 512
_UINT32_MAX = 2**32 - 1


class RunFolder:
    """The folder of one run.

    Parameters
    ----------
    folder : Path
    layout : Layout
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder = folder
        self._layout = layout
        self._work = folder / _WORK
        self._arrays: dict[str, list[zarr.Array[Any]]] = {}

    def locked(self) -> IO[bytes]:
        """A lock to hold while the run goes on; close it to free it. Raises ``OutputError`` where another has it."""
        stream = open_lock_file(self.folder / ".lock")
        if not lock(stream.fileno()):
            stream.close()
            raise OutputError(f"{self.folder} is being written by another run; wait for it, or choose another folder.")
        return stream

    def begin(self, about: Mapping[str, Any], tasks: tuple[str, ...], pixel_yx_um: tuple[float, float]) -> None:
        """Say what the run is made with and make empty labels; goes on with a run of the same.

        Raises
        ------
        OutputError
            If the folder holds the result of another slide, model or setting, or cannot be written.
        """
        path = self.folder / RUN
        if path.is_file():
            self._check_same(about)
        elif any(child.name != ".lock" for child in self.folder.iterdir()):
            raise OutputError(f"{self.folder} holds other files; choose another folder.")
        else:
            self._make_labels(tasks, pixel_yx_um)
            write_text(path, json.dumps({**about, "finished": False}, indent=2))
        self._work.mkdir(exist_ok=True)

    def _check_same(self, about: Mapping[str, Any]) -> None:
        before = self.about()
        for name, value in about.items():
            if before.get(name) != value:
                raise OutputError(
                    f"{self.folder} holds a result of another {name} ({before.get(name)}, not {value}); "
                    "choose another folder."
                )

    def about(self) -> dict[str, Any]:
        """What ``run.json`` says. Raises ``OutputError`` where it is damaged."""
        try:
            return read_object(self.folder / RUN)
        except DataError as error:
            raise OutputError(f"{self.folder / RUN} is damaged; choose another folder.") from error

    def _make_labels(self, tasks: tuple[str, ...], pixel_yx_um: tuple[float, float]) -> None:
        """Empty OME-Zarr 0.4 label images, one group a task, each with its resolutions."""
        height, width = self._layout.grid.image_shape
        kind = "uint32" if height * width <= _UINT32_MAX else "uint64"
        with _told(self.folder):
            root = zarr.open_group(self.folder / LABELS, mode="w", zarr_format=2)
            root.require_group("labels").attrs["labels"] = list(tasks)
            for task in tasks:
                group = root.require_group(f"labels/{task}")
                datasets = []
                for number in range(self._level_count()):
                    step = 2**number
                    chunk = max(1, min(self._layout.labels_px, 4 * LABEL_CHUNK_PX) // step)
                    while self._layout.labels_px // step % chunk:
                        chunk //= 2
                    group.create_array(
                        str(number),
                        shape=(-(-height // step), -(-width // step)),
                        chunks=(chunk, chunk),
                        dtype=kind,
                        chunk_key_encoding={"name": "v2", "separator": "/"},
                    )
                    scale = {"type": "scale", "scale": [side * step for side in pixel_yx_um]}
                    datasets.append({"path": str(number), "coordinateTransformations": [scale]})
                axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
                group.attrs["multiscales"] = [{"version": "0.4", "name": task, "axes": axes, "datasets": datasets}]
                group.attrs["image-label"] = {"version": "0.4"}

    def _level_count(self) -> int:
        longest, number = max(self._layout.grid.image_shape), 1
        while longest / 2 ** (number - 1) > _COARSEST_PX and self._layout.labels_px % 2**number == 0:
            number += 1
        return number

    def network_path(self, place: NetworkPlace) -> Path:
        """Where the probabilities of a block lie."""
        size_um, row, column = place
        return self._work / f"network_{size_um:g}um_{row}_{column}.npz"

    def table_path(self, place: Place) -> Path:
        """Where the objects of a block of labels lie; written last."""
        return self._work / f"objects_{place[0]}_{place[1]}.parquet"

    def write_network(self, place: NetworkPlace, prediction: Prediction, uncertainty: NDArray[np.uint8]) -> None:
        """Keep the probabilities of a block."""
        arrays: dict[str, Any] = {f"p_{task}": both for task, both in prediction.probabilities.items()}
        arrays |= {f"t_{task}": types for task, types in prediction.type_maps.items()}
        if prediction.tissue is not None:
            arrays["tissue"] = np.rint(prediction.tissue * 255).astype(np.uint8)
        with atomic_path(self.network_path(place)) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **{**arrays, "uncertainty": uncertainty})

    def read_network(self, place: NetworkPlace) -> dict[str, NDArray[Any]]:
        """The probabilities of a block as they were kept."""
        path = self.network_path(place)
        with readable(path), path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def write_labels(self, task: str, window: Window, labels: NDArray[np.uint64]) -> None:
        """Write the labels of a block in all resolutions."""
        with _told(self.folder):
            if task not in self._arrays:
                group = zarr.open_group(self.folder / LABELS / "labels" / task, mode="r+")
                self._arrays[task] = [_array(group, str(number)) for number in range(self._level_count())]
            for number, array in enumerate(self._arrays[task]):
                step = 2**number
                top, left = window.y0 // step, window.x0 // step
                part = labels[::step, ::step]
                array[top : top + part.shape[0], left : left + part.shape[1]] = part.astype(array.dtype)

    def write_objects(self, place: Place, objects: pd.DataFrame) -> None:
        """Write the table of a block, which marks it as done."""
        with atomic_path(self.table_path(place)) as temporary:
            pq.write_table(pa.Table.from_pandas(objects, SCHEMA, preserve_index=False), temporary)

    def finish(self, places: list[Place], about: Mapping[str, Any]) -> int:
        """One table of all blocks; the blocks' own files are removed. Returns the number of objects."""
        count = 0
        with atomic_path(self.folder / OBJECTS) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
            for place in places:
                with readable(self.table_path(place)):
                    part = pq.read_table(self.table_path(place), schema=SCHEMA)
                writer.write_table(part)
                count += part.num_rows
        write_text(self.folder / RUN, json.dumps({**self.about(), **about, "finished": True}, indent=2))
        shutil.rmtree(self._work, ignore_errors=True)
        return count


SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("index", pa.int64()),
        ("class", pa.string()),
        *((name, pa.float64()) for name in ("class_probability", "confidence", "area_um2")),
        *((name, pa.float64()) for name in ("centroid_y_px", "centroid_x_px")),
        *((name, pa.int64()) for name in ("y0_px", "x0_px", "y1_px", "x1_px")),
    ]
)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """A full disk or a lost drive becomes one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{folder} cannot be written: {reason}. What was done stays; run it again there.") from error


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise OutputError(f"{group.store_path} is damaged; choose another folder.")
    return array
