"""``python -m napari_cerberus.synthetic FOLDER``: draw a tile, or many, and write them with their truth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import CerberusError
from .paint_tile import make_tile
from .tile_settings import TileSettings
from .write_tile import write_tile


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, or 1 with one line on stderr."""
    defaults = TileSettings()
    parser = argparse.ArgumentParser(
        prog="python -m napari_cerberus.synthetic",
        description="Draw an H&E tile of colon mucosa and write picture, labels and truth to FOLDER.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--height-px", type=int, default=defaults.height_px)
    parser.add_argument("--width-px", type=int, default=defaults.width_px)
    parser.add_argument("--pixel-size-um", type=float, default=defaults.pixel_size_um)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--varied", action="store_true", help="tissue, cells and stain differ from seed to seed")
    parser.add_argument(
        "--count", type=int, metavar="N", help="draw N tiles, of SEED and on, each in a folder of its own"
    )
    chosen = vars(parser.parse_args(arguments))
    folder, count = chosen.pop("folder"), chosen.pop("count")
    try:
        if count is None:
            _write(folder, TileSettings(**chosen))
        for seed in range(chosen["seed"], chosen["seed"] + (count or 0)):
            _write(folder / f"{seed:05d}", TileSettings(**{**chosen, "seed": seed}))
    except CerberusError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    sys.stderr.write(f"Wrote {folder}\n")
    return 0


def _write(folder: Path, settings: TileSettings) -> None:
    write_tile(folder, make_tile(settings), settings)


if __name__ == "__main__":
    raise SystemExit(main())
