"""Slides that are OME-Zarr images, versions 0.4 (zarr 2) and 0.5 (zarr 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from ...decode_errors import DECODE_ERRORS
from ...errors import ImageError
from ...inference.grid.model_grid import Window
from .slide import Level, Pixels, Slide, believed, lazy

_MARKS = (".zattrs", ".zgroup", ".zarray", "zarr.json")
_UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "angstrom": 1e-4, "meter": 1e6}
_FIRST_IMAGE = "0"
"""Where bioformats2raw puts the image."""


def is_zarr(path: Path) -> bool:
    """True for the folder of a zarr group or array."""
    return any((path / mark).is_file() for mark in _MARKS)


def is_image(path: Path) -> bool:
    """True for an OME-Zarr image; other zarr folders, also damaged ones, are left to other readers."""
    try:
        return is_zarr(path) and bool(_image(path))
    except (ImageError, *DECODE_ERRORS):
        return False


def open_zarr(path: Path) -> Slide:
    """Open an OME-Zarr image. Raises ``ImageError``, and what zarr raises on damaged files."""
    group, image = _image(path)
    axes = "".join(str(axis["name"] if isinstance(axis, Mapping) else axis).lower() for axis in image.get("axes", ()))
    levels = []
    for dataset in image["datasets"]:
        array = group.get(str(dataset["path"]))
        if not isinstance(array, zarr.Array):
            raise ImageError(f"{path.name} is damaged: resolution level {dataset['path']!r} is missing.")
        levels.append(lazy(path, _level(path, array, axes)))
    version = str(image.get("version", "0.4"))
    return Slide(
        path=path, format=f"OME-Zarr {version}", levels=tuple(levels), pixel_size=believed(*_stated(image, axes))
    )


def _image(path: Path) -> tuple[zarr.Group, Mapping[str, Any]]:
    """The group of the image and its first multiscale description."""
    root = zarr.open(path, mode="r")
    for place in ("", _FIRST_IMAGE):
        group = root.get(place) if place and isinstance(root, zarr.Group) else root
        if not isinstance(group, zarr.Group):
            continue
        attributes = dict(group.attrs)
        ome = attributes.get("ome")
        described = ome if isinstance(ome, Mapping) else attributes
        images = described.get("multiscales")
        if isinstance(images, list) and images and isinstance(images[0], Mapping) and images[0].get("datasets"):
            return group, {"version": described.get("version", "0.4"), **images[0]}
    raise ImageError(f"{path.name} is a zarr folder but no OME-Zarr image (it has no 'multiscales').")


def _level(path: Path, array: zarr.Array[Any], axes: str) -> Level:
    names = axes if len(axes) == array.ndim else "tczyx"[-array.ndim :]
    sizes = dict(zip(names, array.shape, strict=True))
    if not {"y", "x"} <= set(sizes) or sizes.get("c") not in (3, 4) or array.dtype != np.uint8:
        raise ImageError(
            f"{path.name} is no 8-bit RGB picture ({names!a} {array.shape}, {array.dtype}); fluorescence and grey "
            "images cannot be annotated: choose a scan of an H&E slide."
        )
    tile = dict(zip(names, array.chunks, strict=True))
    return Level(height=sizes["y"], width=sizes["x"], tile=(tile["y"], tile["x"]), read=_reader(array, names))


def _reader(array: zarr.Array[Any], names: str) -> Callable[[Window], Pixels]:
    def read(window: Window) -> Pixels:
        rows, columns = window.slices
        wanted = {"y": rows, "x": columns, "c": slice(3)}
        pixels = np.asarray(array[tuple(wanted.get(name, 0) for name in names)])
        order = "".join(name for name in names if name in wanted)
        return pixels.transpose([order.index(name) for name in "yxc"])

    return read


def _stated(image: Mapping[str, Any], axes: str) -> tuple[float | None, float | None]:
    """Height and width of a pixel in µm; None for an axis without a unit of length."""
    steps = np.ones(len(axes))
    for transforms in (image["datasets"][0], image):
        for transform in transforms.get("coordinateTransformations", ()):
            if transform.get("type") == "scale" and len(transform.get("scale", ())) == len(axes):
                steps = steps * np.asarray(transform["scale"], np.float64)
    units = [axis.get("unit") if isinstance(axis, Mapping) else None for axis in image.get("axes", ())]
    sides = {name: step * _UM[unit] for name, step, unit in zip(axes, steps, units, strict=True) if unit in _UM}
    return sides.get("y"), sides.get("x")
