"""After a fine-tune its thresholds and temperature are fitted anew where enough patients validate; else they stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from ...errors import DataError
from ...inference.annotate_settings import DeviceChoice
from ...model.checkpoint import load_model
from ...pairs.words import counted
from ...progress import Job
from ...training.config_file import read_config
from ...training.data.tile_sources import Tile
from ...training.evaluation.calibrate_model import calibrate
from ...training.evaluation.selection import select_config
from ...training.run_folder import SPLIT_FILE
from ..finetune_settings import ENOUGH_TO_CHOOSE

CALIBRATED_FOLDER = "calibrated"


def fitted_anew(model_folder: Path, run_folder: Path, config_path: Path) -> Job[tuple[Path, str]]:
    """Fit what learned on the run's validation patients.

    A task is fitted where at least ``ENOUGH_TO_CHOOSE`` validation patients have labels of it; the others keep what
    the base model had.

    Parameters
    ----------
    model_folder : Path
        Of the new model; left as it is.
    run_folder : Path
        Holds the run's split; gets the fitted model.
    config_path : Path

    Yields
    ------
    Progress

    Returns
    -------
    folder : Path
        Of the model to go on with.
    sentence : str
        What was fitted and what was kept, for the user.

    Raises
    ------
    OutputError, DeviceError
    """
    config = read_config(config_path)
    learned = sorted({task for batch in config.batches for task in batch.tasks})
    model = load_model(model_folder)
    fittable = [task for task in learned if (found := model.spec.task(task)) and found.kind != "types"]
    folder = run_folder / CALIBRATED_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    try:
        selection = select_config(config_path, split_path=run_folder / SPLIT_FILE, side="validation")
        patients = {task: _patients(selection.tiles, task) for task in fittable}
        enough = [task for task, number in patients.items() if number >= ENOUGH_TO_CHOOSE]
        if enough:
            device: DeviceChoice = "cpu" if config.device == "cpu" else "auto"
            yield from calibrate(model, selection, folder, device=device, tasks=enough)
    except DataError as error:
        return model_folder, f"Thresholds and temperature are those of the base model: {error}"
    return (folder if enough else model_folder), _said(patients, enough)


def _patients(tiles: Iterable[Tile], task: str) -> int:
    return len({tile.patient for tile in tiles if task in tile.tasks})


def _said(patients: dict[str, int], enough: list[str]) -> str:
    fitted = [f"{_number(task)} on {counted(patients[task], 'validation patient')}" for task in enough]
    few = {task: number for task, number in patients.items() if task not in enough}
    kept = [f"{_number(task)} ({counted(number, 'validation patient')})" for task, number in few.items()]
    sentences = []
    if fitted:
        sentences.append(f"Fitted anew: {', '.join(fitted)}.")
    if kept:
        sentences.append(f"Kept from the base model, as too few patients validate: {', '.join(kept)}.")
    return " ".join(sentences)


def _number(task: str) -> str:
    return "temperature of the tissue readout" if task == "tissue" else f"threshold of {task}"
