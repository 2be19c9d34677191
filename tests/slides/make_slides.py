"""Small slides of our own making."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
import zarr


def shrunk(pixels: np.ndarray, times: int) -> list[np.ndarray]:
    """A pyramid: each level half of the one before."""
    levels = [pixels]
    for _ in range(times):
        levels.append(levels[-1][::2, ::2])
    return levels


def write_pyramid(
    path: Path, pixels: np.ndarray, *, um: float | None = None, levels: int = 2, ome: bool = False
) -> Path:
    """A tiled TIFF with sub-resolutions, as an OME-TIFF or a generic one."""
    metadata = {"axes": "YXS"}
    if ome and um is not None:
        units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
        metadata |= {"PhysicalSizeX": um, "PhysicalSizeY": 2 * um, **units}
    options = {"photometric": "rgb", "tile": (64, 64), "compression": "zlib"}
    if um is not None and not ome:
        options |= {"resolution": (1e4 / um, 1e4 / um), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, ome=ome) as writer:
        pyramid = shrunk(pixels, levels)
        writer.write(pyramid[0], subifds=levels, metadata=metadata if ome else None, **options)
        for level in pyramid[1:]:
            writer.write(level, subfiletype=1, metadata=None, **options)
    return path


def write_zarr(path: Path, pixels: np.ndarray, *, version: str = "0.4", um: float | None = 0.5) -> Path:
    """An OME-Zarr image with axes t, c, z, y, x and two levels."""
    root = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    unit = {"unit": "micrometer"} if um is not None else {}
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", **unit} for name in "zyx"]
    datasets = []
    for number, level in enumerate(shrunk(pixels, 1)):
        planes = level.transpose(2, 0, 1)[None, :, None]
        array = root.create_array(str(number), shape=planes.shape, chunks=(1, 3, 1, 64, 64), dtype="uint8")
        array[:] = planes
        step = (um or 1.0) * 2**number
        scale = {"type": "scale", "scale": [1.0, 1.0, 1.0, 2 * step, step]}
        datasets.append({"path": str(number), "coordinateTransformations": [scale]})
    image = {"axes": axes, "datasets": datasets, "version": version}
    if version == "0.4":
        root.attrs["multiscales"] = [image]
    else:
        root.attrs["ome"] = {"version": version, "multiscales": [image]}
    return path
