"""How often is what the weak rule calls a lumen one? Thirty tiles, looked at by eye.

    python research/lumina_by_eye.py --data ../shared/data --sheets FOLDER    # pictures to look at: each lumen numbered
    python research/lumina_by_eye.py                                          # precision from the verdicts on record

Tiles are drawn by category in turn, one a patient, from all sides of the starter's split: the rule learns nothing. The
verdicts stand in ``lumina_by_eye.csv``, a line a lumen: ``yes`` it is one; ``part`` a lumen with more than a third of
the outline on mucin, stroma or glass; ``no`` something else. Lumina that the rule missed are counted a tile at a time
(``missed``), as far as an eye can tell. The eyes were the developers', not a pathologist's.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.measure import regionprops
from skimage.segmentation import find_boundaries

from napari_cerberus.tasks import GLANDS, LUMINA
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.data.tile_sources import Tile, collect
from thesis_writing import put_between

ROOT = Path(__file__).resolve().parents[1]
VERDICTS = Path(__file__).with_suffix(".csv")
TILES, SEED = 30, 7
SHEET_COLUMNS, SHEET_ROWS = 3, 2
ZOOM = 2
_LUMEN, _GLAND = (255, 220, 0), (0, 160, 90)
MARKERS = ("<!-- lumina by eye: begin (research/lumina_by_eye.py) -->", "<!-- lumina by eye: end -->")
_ABOUT = (
    f"Lumina that the weak rule finds in {TILES} tiles, five a category, judged by the developers' eyes, not by a "
    "pathologist: *part* is a lumen with more than a third of its outline on mucin, stroma or glass."
)
_WORDS = ("yes", "part", "no")


def main() -> int:
    """Draw, or count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="holds ebhi-seg")
    parser.add_argument("--sheets", type=Path, help="folder for the pictures")
    parser.add_argument("--results", type=Path, help="file whose table is to be renewed")
    arguments = parser.parse_args()
    if arguments.sheets:
        arguments.sheets.mkdir(parents=True, exist_ok=True)
        for number, sheet in enumerate(sheets(chosen(arguments.data))):
            sheet.save(arguments.sheets / f"sheet-{number}.png")
        return 0
    table = "\n".join(precision(pd.read_csv(VERDICTS)))
    if arguments.results:
        put_between(arguments.results, MARKERS, f"{_ABOUT}\n\n{table}\n")
    print(table)
    return 0


def chosen(data: Path) -> list[Tile]:
    """Thirty tiles, categories in turn, no patient twice while there are others."""
    config = read_config(ROOT / "configs" / "starter.toml")
    config = replace(config, sources=tuple(source for source in config.sources if source.kind == "ebhi"))
    by_category = defaultdict(list)
    tiles = collect(config.sources, config.tasks, data)
    for index in np.random.default_rng(SEED).permutation(len(tiles)):
        by_category[tiles[index].stratum].append(tiles[index])
    picked: list[Tile] = []
    while len(picked) < TILES:
        category = sorted(by_category)[len(picked) % len(by_category)]
        seen = {tile.patient for tile in picked}
        rest = by_category[category]
        picked.append(rest.pop(next((i for i, tile in enumerate(rest) if tile.patient not in seen), 0)))
    return picked


def sheets(tiles: list[Tile]) -> Iterator[Image.Image]:
    """Pictures of six tiles each."""
    side = 224 * ZOOM
    for first in range(0, len(tiles), SHEET_COLUMNS * SHEET_ROWS):
        sheet = Image.new("RGB", (SHEET_COLUMNS * (side + 8), SHEET_ROWS * (side + 24)), "white")
        for place, tile in enumerate(tiles[first : first + SHEET_COLUMNS * SHEET_ROWS]):
            x, y = place % SHEET_COLUMNS * (side + 8), place // SHEET_COLUMNS * (side + 24)
            loaded = tile.load()
            sheet.paste(overlay(loaded.image, loaded.labels[GLANDS], loaded.labels[LUMINA]), (x, y + 20))
            ImageDraw.Draw(sheet).text((x + 2, y + 4), f"{first + place}  {tile.id}", fill="black")
        yield sheet


def overlay(image: NDArray[np.uint8], glands: NDArray[np.int32], lumina: NDArray[np.int32]) -> Image.Image:
    """The tile enlarged, glands green, lumina yellow with their numbers."""
    pixels, big_glands, big_lumina = (one.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1) for one in (image, glands, lumina))
    pixels[find_boundaries(big_glands, mode="inner")] = _GLAND
    pixels[find_boundaries(big_lumina, mode="inner")] = _LUMEN
    picture = Image.fromarray(pixels)
    for region in regionprops(big_lumina):
        row, column = region.centroid
        ImageDraw.Draw(picture).text((column - 4, row - 5), str(region.label), fill="blue")
    return picture


def precision(verdicts: pd.DataFrame) -> Iterator[str]:
    """Markdown lines: precision for each category and all, and what was missed."""
    yield "| category | tiles | lumina by the rule | yes | part | no | precision (yes) | missed |"
    yield "|---|---|---|---|---|---|---|---|"
    verdicts = verdicts.assign(category=verdicts["tile"].str.split("/").str[1])
    for name, rows in [*verdicts.groupby("category"), ("all", verdicts)]:
        lumina = rows[rows["lumen"] > 0]
        counts = Counter(lumina["verdict"])
        share = f"{counts['yes'] / len(lumina):.2f}" if len(lumina) else "none found"
        cells = [name, rows["tile"].nunique(), len(lumina), *(counts[word] for word in _WORDS), share]
        yield f"| {' | '.join(map(str, cells))} | {int(rows.groupby('tile')['missed'].max().sum())} |"


if __name__ == "__main__":
    sys.exit(main())
