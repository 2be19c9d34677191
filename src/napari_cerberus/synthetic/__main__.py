"""``python -m napari_cerberus.synthetic FOLDER``: draw a tile and write it with its truth."""

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
    chosen = vars(parser.parse_args(arguments))
    folder = chosen.pop("folder")
    try:
        settings = TileSettings(**chosen)
        write_tile(folder, make_tile(settings), settings)
    except CerberusError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    sys.stderr.write(f"Wrote {folder}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
