"""Pictures that travel with the package: where they are, what one of their pixels measures, what is known of them.

Files are found through ``importlib.resources``, so they open from an installed wheel as well as from a checkout.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from .errors import DataError


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture.

    Attributes
    ----------
    key : str
        Folder under ``sample_data``.
    title : str
        Name for the user.
    image_file : str
        Name of the picture in that folder.
    pixel_size_um : float
        Side of a pixel in µm.
    pixel_size_known : bool
        False where the source does not state the pixel size and it was estimated.
    truth_tasks : tuple of str
        Task keys with exact instance labels beside the picture (``<key>.tif``).
    """

    key: str
    title: str
    image_file: str
    pixel_size_um: float
    pixel_size_known: bool
    truth_tasks: tuple[str, ...] = ()

    @property
    def image_path(self) -> Path:
        """The picture. Raises ``DataError`` where the installation lacks it."""
        return self._file(self.image_file)

    def labels_path(self, task: str) -> Path:
        """Exact labels of ``task`` (TIFF, instance ids). Raises ``DataError`` where there are none."""
        if task not in self.truth_tasks:
            raise DataError(f"Sample {self.title!r} has no exact labels of {task!r}.")
        return self._file(f"{task}.tif")

    def _file(self, name: str) -> Path:
        path = Path(str(files("napari_cerberus").joinpath("sample_data", self.key, name)))
        if not path.is_file():
            raise DataError(f"Sample file {path} is missing; install napari-cerberus again.")
        return path


SYNTHETIC_COLON = Sample(
    key="synthetic_colon",
    title="Synthetic colon with exact truth",
    image_file="image.png",
    pixel_size_um=0.5,
    pixel_size_known=True,
    truth_tasks=("nuclei", "glands", "lumina"),
)
HE_FIELD = Sample(
    key="he_field",
    title="Real H&E field (TIAToolbox)",
    image_file="target_image.png",
    pixel_size_um=0.25,
    pixel_size_known=False,
)
SAMPLES = (SYNTHETIC_COLON, HE_FIELD)
