"""``napari-cerberus models profile``: give an older model the stain check, from the config it was trained with."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..errors import DataError
from ..files import write_text
from ..model.library.entries import entry_of
from ..model.spec import SPEC_FILE
from ..model.stain_profile import FIELD
from ..progress import run_to_end
from .progress_line import ProgressLine


def add_profile_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``models profile``."""
    parser.add_argument("--config", type=Path, required=True, metavar="TOML", help="config of the model's training")
    parser.add_argument("--split", type=Path, metavar="FILE", help="split file; default: the config's")


def write_profile(arguments: argparse.Namespace) -> int:
    """Measure the training side of the config's split and put it into the model's description.

    Raises
    ------
    CerberusError
        If the model, the config, the split or a tile cannot be read; or the split is not the model's own.
    """
    from ..training.evaluation.selection import select_config
    from ..training.transfer.stain_record import measure_stain, require_sources

    entry = entry_of(arguments.name)
    chosen = select_config(arguments.config, split_path=arguments.split, side="train")
    own = entry.spec.provenance.get("split_sha256")
    if own and own != chosen.split_sha256:
        raise DataError(f"{arguments.config} has another split than {entry.name!r} was trained with; use its own.")
    line = ProgressLine(entry.name)
    stain = run_to_end(measure_stain(chosen.tiles), line)
    line.close()
    sources = require_sources(stain, arguments.config)
    path = entry.path / SPEC_FILE
    data = json.loads(path.read_text(encoding="utf-8"))
    data["provenance"] = {**data["provenance"], FIELD: sources}
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    for source in stain.sources:
        sys.stdout.write(f"{source.source}: {source.tiles} tiles of {source.patients} patients\n")
    return 0
