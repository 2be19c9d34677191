"""The frozen part's outputs, computed once for every view of every tile: training then runs only what trains."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...errors import OutputError
from ...progress import Job, Progress
from ..data.sampler import stack_targets
from ..data.views import View, ViewSampler
from .frozen_part import KEPT, FrozenPart, KeptBatch

_MAP, _TARGET, _WEIGHT = "map:", "target:", "weight:"


@dataclass(frozen=True)
class KeptView:
    """What is kept of a view: maps and pixel weights in float16, targets as they are."""

    maps: dict[str, Tensor]
    targets: dict[str, Tensor]
    weights: dict[str, Tensor]

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return sum(one.nbytes for part in (self.maps, self.targets, self.weights) for one in part.values())


class ViewStore:
    """Keeps views in memory up to ``limit_bytes``, and further ones in a folder of its own, which ``close`` removes.

    Views can be made again at any time, so nothing is read from an earlier run.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = self._free = limit_bytes
        self._memory: dict[View, KeptView] = {}
        self._files: dict[View, Path] = {}
        self.close()

    def __contains__(self, view: View) -> bool:
        return view in self._memory or view in self._files

    @property
    def free_bytes(self) -> int:
        """How much more is kept in memory."""
        return self._free

    def add(self, view: View, kept: KeptView) -> None:
        """Keep a view. Raises ``OutputError`` if the disk is full."""
        if kept.nbytes <= self._free:
            self._free -= kept.nbytes
            self._memory[view] = kept
            return
        path = self._folder / f"{len(self._files):06d}.safetensors"
        parts = ((_MAP, kept.maps), (_TARGET, kept.targets), (_WEIGHT, kept.weights))
        flat = {f"{prefix}{name}": one.contiguous() for prefix, part in parts for name, one in part.items()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            save_file(flat, path)
        except (OSError, SafetensorError) as error:
            raise OutputError(
                f"{path} cannot be written ({error}); free some space, or set cache_features = false or fewer views."
            ) from error
        self._files[view] = path

    def get(self, view: View) -> KeptView:
        """A view that was added. Raises ``OutputError`` if its file is gone."""
        if view in self._memory:
            return self._memory[view]
        path = self._files[view]
        try:
            flat = load_file(path)
        except (OSError, SafetensorError) as error:
            raise OutputError(f"{path} cannot be read back ({error}); go on with --resume.") from error
        parts = [
            {name.removeprefix(prefix): one for name, one in flat.items() if name.startswith(prefix)}
            for prefix in (_MAP, _TARGET, _WEIGHT)
        ]
        return KeptView(*parts)

    def close(self) -> None:
        """Forget everything, files too."""
        self._memory.clear()
        self._files.clear()
        self._free = self._limit
        shutil.rmtree(self._folder, ignore_errors=True)


class FeatureCache:
    """Batches of a ``ViewSampler`` as the frozen part leaves them.

    Parameters
    ----------
    sampler : ViewSampler
    frozen : FrozenPart
    store : ViewStore
    """

    def __init__(self, sampler: ViewSampler, frozen: FrozenPart, store: ViewStore) -> None:
        self._sampler = sampler
        self._frozen = frozen
        self._store = store

    def fill(self, steps: Iterable[int]) -> Job[None]:
        """Look once at every view that ``steps`` will draw; yields at each."""
        drawn = dict.fromkeys(view for step in steps for view in self._sampler.draw(step)[0])
        missing = [view for view in drawn if view not in self._store]
        for done, view in enumerate(missing):
            yield Progress("Looking at each view once", done, len(missing))
            self._look(view)

    def batch(self, step: int) -> KeptBatch:
        """The batch of step ``step``; looks at views that are not kept yet, and seeds torch's generator."""
        views, seed = self._sampler.draw(step)
        kept = [self._look(view) for view in views]
        torch.manual_seed(seed)
        rows, targets, weights = stack_targets(kept)
        return self._frozen.batch([one.maps for one in kept], rows, targets, weights)

    def _look(self, view: View) -> KeptView:
        if view in self._store:
            return self._store.get(view)
        crop = self._sampler.crop(view)
        kept = KeptView(
            maps=self._frozen.compute(crop.image.float()[None], crop.targets),
            targets=dict(crop.targets),
            weights={key: weights.to(KEPT) for key, weights in crop.weights.items()},
        )
        self._store.add(view, kept)
        return kept
