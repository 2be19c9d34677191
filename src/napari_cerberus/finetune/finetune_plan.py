"""What a fine-tune would do: data check, split by patient, tasks, base model, and the config that repeats it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ..errors import CerberusError
from ..model.checkpoint import Model
from ..model.library.manage import checked_name
from ..model.library.opening import open_model
from ..model.library.promotion import promoted
from ..model.network import LAST_LAYER
from ..model.spec import STRIDE_PX
from ..pairs.check.data_check import CheckReport, check_data
from ..pairs.split import Split
from ..pairs.words import counted
from ..progress import Job, Progress
from ..training.config import TrainConfig
from ..training.data.tile_sources import Tile, collect
from ..training.run_settings import SourceSettings
from .candidate_name import new_model_name
from .finetune_settings import FinetuneSettings
from .pairs_fingerprint import fingerprint
from .patient_split import PatientSplit, contradictions, divide
from .run_state import runs_folder
from .task_choice import TISSUE, Training, choose_tasks, kept_tasks, learning_tiles
from .training_config import Recipe, recipe_of, training_config

SOURCE = "pairs"
ROOM_BYTES = 1536 * 2**20
"""Disk room that a run needs: checkpoint, its successor while it is written, best weights, the model twice."""

_SHOWN = 3
_USUAL_CROP_PX = 224
_MEASURED_TILES = 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be done, to be looked at before it starts.

    Attributes
    ----------
    settings : FinetuneSettings
    config : TrainConfig or None
        For ``napari-cerberus train``: repeats the run. None with a stop.
    split : Split
        ``test`` is the held-out side, for the comparison alone.
    pairs, patients : int
        Usable ones.
    categories : mapping of category to number of pairs
    sides : mapping of "train", "validation", "held_out" to (pairs, patients)
    warnings, stops : tuple of str
        Sentences; a plan with any stop cannot start.
    learns : str
        One sentence: what will be trained.
    base_name, base_sha256 : str
    new_head : str
        One sentence if the tissue head is made anew, else "".
    name : str
        Of the new model.
    files : mapping of path below the folder to SHA-256
        The pairs as they are now.
    usable : tuple of str
        Ids of the tiles that can be learned from.
    steps : int
    """

    settings: FinetuneSettings
    config: TrainConfig | None = None
    split: Split
    pairs: int = 0
    patients: int = 0
    categories: Mapping[str, int] = field(default_factory=dict)
    sides: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    learns: str = ""
    base_name: str = ""
    base_sha256: str = ""
    new_head: str = ""
    name: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    usable: tuple[str, ...] = ()
    steps: int = 0

    @property
    def folds(self) -> int:
        """Models that each leave out some of the patients; 0: one, and the validation side chooses."""
        return 0 if self.config is None else self.config.folds


def prepare(settings: FinetuneSettings) -> Job[Plan]:
    """Check the pairs and say what a fine-tune would do; nothing is written.

    What cannot be trained on is not an error here but a sentence in ``Plan.stops``.
    """
    settings = replace(settings, pairs_folder=settings.pairs_folder.expanduser().absolute())
    nothing = Split(seed=settings.seed, unit="patient", train=(), validation=(), test=(), counts={})
    plan = Plan(settings=settings, split=nothing)
    try:
        yield Progress("Opening the base model")
        base = open_model(settings.base_model or default_base())
        plan = replace(plan, base_name=base.name, base_sha256=base.sha256, name=new_model_name(settings, base.name))
        checked_name(plan.name)  # now, not when the work is done
        found = yield from check_data(settings.pairs_folder, layout="ebhi")
        plan = replace(
            plan,
            pairs=len(found.records),
            patients=found.patients,
            categories=found.counts,
            warnings=_worth_knowing(found),
            stops=tuple(str(problem) for problem in found.of("stops")[:_SHOWN]),
        )
        return plan if plan.stops else (yield from _complete(plan, base, found))
    except CerberusError as error:
        return replace(plan, stops=(*plan.stops, str(error)))


def default_base() -> str:
    """Name of the model that is fine-tuned where none is named: the promoted one."""
    return promoted().name


def _complete(plan: Plan, base: Model, found: CheckReport) -> Job[Plan]:
    settings = plan.settings
    pixel_size_um, notes = _assumed_pixel_size(found, base)
    tiles = _tiles(settings.pairs_folder, base, pixel_size_um, found)
    training = choose_tasks(settings.tasks, base.spec, tiles)
    learning = learning_tiles(training, tiles)
    looks = {f"{SOURCE}/{name}": look for name, look in found.looks.items()}
    yield Progress("Dividing the patients")
    sides = divide(learning, looks, base.spec, settings.seed)
    said = (*notes, *training.warnings, *sides.warnings, *contradictions(learning, looks))
    plan = replace(plan, warnings=(*plan.warnings, *said), split=sides.split)
    if training.stops or sides.stops:
        return replace(plan, sides=sides.counts, stops=(*training.stops, *sides.stops), new_head=training.new_head)
    yield Progress("Measuring the tiles")
    recipe = recipe_of(settings, training, sides, partial(_crop_px, _usual_side_um(learning)), base)
    files: dict[str, str] = yield from fingerprint(settings.pairs_folder)
    room = _disk_stop()
    return replace(
        plan,
        config=training_config(recipe, plan.name, pixel_size_um),
        sides=sides.counts,
        warnings=(*plan.warnings, *_one_class(training, learning, sides, recipe.folds), *_last_kept(recipe)),
        stops=(room,) if room else (),
        learns=_learns(recipe, training),
        new_head=training.new_head,
        files=files,
        usable=tuple(tile.id for tile in tiles),
        steps=recipe.steps,
    )


def _tiles(folder: Path, base: Model, pixel_size_um: float | None, found: CheckReport) -> list[Tile]:
    """Usable tiles with every task that they have labels for, of those that the base model knows."""
    tasks = kept_tasks(base.spec)
    keys = tuple(task.key for task in tasks)
    source = SourceSettings(name=SOURCE, kind="pairs", path=str(folder), tasks=keys, pixel_size_um=pixel_size_um)
    usable = {f"{SOURCE}/{record.id}" for record in found.records}
    return [tile for tile in collect([source], tasks, folder) if tile.id in usable]


def _assumed_pixel_size(found: CheckReport, base: Model) -> tuple[float | None, tuple[str, ...]]:
    """Pixel size of pairs that do not state theirs: that of the images the base model was made from."""
    bare = sum(not _sidecar(record.image_path).is_file() for record in found.records)
    assumed = float(base.spec.provenance.get("acquisition_pixel_size_um", base.spec.pixel_size_um))
    if not bare:
        return None, ()
    return assumed, (f"{counted(bare, 'pair')} without a sidecar: a pixel size of {assumed:g} µm is assumed.",)


def _sidecar(image_path: Path) -> Path:
    return image_path.parent.parent / "sidecar" / f"{image_path.stem}.json"


def _usual_side_um(tiles: Sequence[Tile]) -> float:
    """Shorter side of the usual tile, µm."""
    sizes = []
    for tile in tiles[:: max(1, len(tiles) // _MEASURED_TILES)]:
        loaded = tile.load()
        sizes.append(min(loaded.image.shape[:2]) * loaded.pixel_size.mean_um)
    return float(sorted(sizes)[len(sizes) // 2])


def _crop_px(usual_side_um: float, pixel_size_um: float) -> int:
    """Side of the crops on the model grid: as large as the usual tile, at most 224 px."""
    usual = int(usual_side_um / pixel_size_um)
    return min(_USUAL_CROP_PX, max(2 * STRIDE_PX, usual // STRIDE_PX * STRIDE_PX))


def _worth_knowing(found: CheckReport) -> tuple[str, ...]:
    """Skipped files and notes, by kind: the first of each, and how many more."""
    kinds = Counter(problem.kind for problem in found.problems if problem.severity != "stops")
    sentences = []
    for kind, number in kinds.items():
        first = next(str(problem) for problem in found.problems if problem.kind == kind)
        sentences.append(first + (f" ({number - 1} more like it)" if number > 1 else ""))
    return tuple(sentences)


def _last_kept(recipe: Recipe) -> tuple[str, ...]:
    if recipe.keep == "best":
        return ()
    number = counted(recipe.train_patients + recipe.validation_patients, "patient")
    return (
        f"{number} are too few to set some aside for choosing, so {recipe.folds} models are trained, each judged by "
        "the patients that it has not seen; their mean is the new model.",
    )


def _disk_stop() -> str:
    folder = runs_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free >= ROOM_BYTES:
        return ""
    return f"{existing} has {free / 2**20:.0f} MB free; a run needs {ROOM_BYTES / 2**20:.0f} MB. Free some room."


def _one_class(training: Training, tiles: Sequence[Tile], sides: PatientSplit, folds: int) -> tuple[str, ...]:
    """A sentence where the tissue type learns, but tiles of one type alone choose the weights."""
    choosing = {*sides.split.validation, *(sides.split.train if folds else ())}
    types = {tile.stratum for tile in tiles if tile.id in choosing}
    if TISSUE not in training.tasks or len(types) != 1 or len(training.tasks) == 1:
        return ()
    return (
        f"All patients to choose by are {next(iter(types))}, so the tissue type has no say in the choice: naming that "
        "type always would look best.",
    )


def _learns(recipe: Recipe, training: Training) -> str:
    taught = _listed(training.tasks)
    if recipe.train_from_layer > LAST_LAYER:
        return f"The decoders of {taught} learn; the encoder stays."
    rest = [key for key in recipe.all_tasks if key not in training.tasks]
    kept = f"; {_listed(rest)} are held to what the old model says" if rest else ""
    return f"The whole network learns {taught}{kept}."


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
