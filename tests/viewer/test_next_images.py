"""Which image next, behind the panel: the search, its problems in one sentence, and opening what it found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers._source import layer_source
from PIL import Image
from pytestqt.qtbot import QtBot

from desk import Desk
from finetune import tiny_net
from finetune.pairs_folder import make_pairs
from napari_cerberus.errors import DataError
from napari_cerberus.model.checkpoint import Model, load_model
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.viewer.runs.next_images import Proposal, Wanted, propose_job
from napari_cerberus.viewer.session import JobState


@pytest.fixture
def open_tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Model]:
    tiny_net.shrink(monkeypatch.setattr)
    tiny_net.save_base(tmp_path / "base")
    return lambda name: load_model(tmp_path / "base")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, and a file that is none."""
    place = tmp_path / "images"
    place.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(60, 200, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    (place / "3.png").write_bytes(b"no picture")
    return place


def wanted(folder: Path, labelled: Path | None = None) -> Wanted:
    size = PixelSize.square(1.0)
    return Wanted(folder=folder, labelled=labelled, model_name="base", device="cpu", assumed=size)


def test_every_image_is_listed_with_a_reason_and_the_damaged_one_is_named(
    folder: Path, open_tiny: Callable[[str], Model]
) -> None:
    found = run_to_end(propose_job(wanted(folder), open_tiny))
    assert sorted(one.name for one in found.fields) == ["0.png", "1.png", "2.png"]
    surest = [one.reason for one in found.fields if one.surer == 0]
    assert [one.partition(",")[0] for one in surest] == ["The model is surest of this one"]
    assert "labelled" not in "".join(one.reason for one in found.fields), "nothing is known of what was labelled"
    assert found.sentence.startswith("Looked at 3 images.")
    assert "3.png" in found.sentence


def test_what_was_exported_is_known(folder: Path, open_tiny: Callable[[str], Model], tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path / "pairs", patients=4)
    labelled = next(pairs.glob("*/image/*.png"))
    twin = folder / "twin.png"
    twin.write_bytes(labelled.read_bytes())
    found = run_to_end(propose_job(wanted(folder, pairs), open_tiny))
    assert found.labelled == 8
    assert found.fields[-1].name == "twin.png", "it is labelled already, so it comes last"
    assert "looks like one of the labelled images" in found.fields[-1].reason


def test_an_export_that_is_gone_is_told(folder: Path, open_tiny: Callable[[str], Model], tmp_path: Path) -> None:
    found = run_to_end(propose_job(wanted(folder, tmp_path / "gone"), open_tiny))
    assert len(found.fields) == 3
    assert any("was not found" in one for one in found.problems)


def test_a_folder_without_images_is_one_sentence(tmp_path: Path, open_tiny: Callable[[str], Model]) -> None:
    with pytest.raises(DataError, match="holds no image"):
        run_to_end(propose_job(wanted(tmp_path / "base"), open_tiny))
    with pytest.raises(DataError, match="not a folder"):
        run_to_end(propose_job(wanted(tmp_path / "nowhere"), open_tiny))


def test_many_problems_are_counted_not_listed() -> None:
    problems = tuple(f"{number}.png is damaged." for number in range(5))
    found = Proposal(folder=Path(), fields=(), seen=0, labelled=0, problems=problems)
    assert found.sentence == "None of 0 images shows tissue. 0.png is damaged. 1.png is damaged. 3 more were left out."


def test_nothing_chosen_is_said_and_nothing_runs(qtbot: QtBot) -> None:
    desk = Desk(qtbot, annotated=False)
    desk.controller.next_images.look("  ")
    assert desk.controller.next_images.status.state is JobState.FAILED
    assert "Choose the folder" in desk.controller.next_images.status.message
    desk.controller.close()


def test_a_file_that_is_open_comes_to_the_front_and_one_that_is_gone_is_said(
    qtbot: QtBot, folder: Path, open_tiny: Callable[[str], Model]
) -> None:
    desk = Desk(qtbot, annotated=False)
    search = desk.controller.next_images
    search.proposal = run_to_end(propose_job(wanted(folder), open_tiny))
    first, second = (folder / one.name for one in search.proposal.fields[:2])
    desk.viewer.add_layer(layer_of(first))
    desk.viewer.layers.selection.active = desk.viewer.layers["tile"]
    search.open(0)
    assert len(desk.viewer.layers) == 2
    assert desk.session.image_name == first.name
    second.unlink()
    search.open(1)
    assert "is not there any more" in search.status.message
    desk.controller.close()


def layer_of(path: Path) -> ImageLayer:
    """As napari opens a file."""
    with layer_source(path=str(path)):
        return ImageLayer(np.zeros((64, 64, 3), np.uint8), name=path.name)
