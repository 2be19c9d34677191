"""The results page: what it quotes of the shipped starter, the thesis and the floor stands where it was taken from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from napari_cerberus.model.spec import load_spec
from napari_cerberus.tasks import EBHI_CLASSES
from thesis_writing import PUBLISHED_DICE


@pytest.fixture
def page(project_root: Path) -> str:
    return (project_root / "docs" / "results.md").read_text(encoding="utf-8")


def cells(text: str, heading: str, name: str) -> list[str]:
    """The cells of one row of the first table under a heading."""
    part = text.split(f"{heading}\n", 1)[1]
    row = re.search(rf"^\| {re.escape(name)} \|(.*)\|$", part, re.MULTILINE)
    assert row is not None, name
    return [cell.strip().split(" ")[0] for cell in row.group(1).split("|")]


@pytest.mark.parametrize("category", EBHI_CLASSES)
def test_starter_thesis_and_floor_are_quoted_rightly(page: str, project_root: Path, category: str) -> None:
    starter = project_root / "src" / "napari_cerberus" / "models" / "starter"
    assert load_spec(starter)[1][:12] in page, "the weights are named"
    tiles, dice, published, floor = cells(page, "## The starter on patients it never saw", category)
    card = cells((starter / "MODEL_CARD.md").read_text(encoding="utf-8"), "### Glands", category)
    assert (tiles, dice) == (card[0], card[2])
    assert published == PUBLISHED_DICE[category]["multi"]
    rows = json.loads((project_root / "docs" / "thesis_rows.json").read_text(encoding="utf-8"))["rows"]
    (task,) = [one for one in rows["patient-floor"]["tasks"] if one["task"] == "glands"]
    (group,) = [one for one in task["groups"] if one["name"] == category]
    assert (int(tiles), floor) == (group["tiles"], f"{group['metrics']['dice']['value']:.3f}")


def test_every_section_asks_answers_and_names_its_weights(page: str) -> None:
    for section in page.split("\n## ")[1:]:
        title, body = section.split("\n", 1)
        assert "**Question.**" in body, title
        assert re.search(r"[Ww]eights|\b(2a9a2557|31d60d51)", body), title


def test_the_impossible_published_row_is_marked_wherever_it_stands(page: str) -> None:
    quoted = re.findall(r"^\| Polyp \| U-Net \|.*$", page, re.MULTILINE)
    assert quoted
    assert all("impossible beside its Jaccard of 0.308; 0.932 would fit" in row for row in quoted)


def test_a_floor_stands_beside_every_dice_of_the_thesis(page: str) -> None:
    for unit in ("patient", "image"):
        table = page.split(f"### Table 2: glands, split by {unit}", 1)[1].split("###", 1)[0]
        for category in EBHI_CLASSES:
            assert re.search(rf"^\| {category} \| floor: everything is gland \| \d", table, re.MULTILINE), category
