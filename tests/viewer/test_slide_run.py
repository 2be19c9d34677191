"""A slide annotated from the window: layers that are read where one looks, doubtful fields, a field as a region."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from make_slides import write_pyramid
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot

from napari_cerberus.cli.main import main
from napari_cerberus.errors import DataError
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.grid.model_grid import Window
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.annotating import annotate_slide
from napari_cerberus.slides.fields import is_run, least_certain_fields, objects_in
from napari_cerberus.slides.overviews import Overviews
from napari_cerberus.viewer.annotate.image_region import fingerprint, take_region
from napari_cerberus.viewer.io.annotation_folder import get_reader
from napari_cerberus.viewer.io.slide_reader import read_slide
from napari_cerberus.viewer.io.slide_results import read_slide_result
from napari_cerberus.viewer.layers import ViewerLayers
from napari_cerberus.viewer.session import JobState, Region, Session
from napari_cerberus.viewer.slides.slide_run import PAUSED, SlideRun
from tiny import EXACT, spotted, tiny_model

UM = 0.5
TASKS = ("lumina", "glands", "nuclei")


@pytest.fixture
def slide_path(tmp_path: Path) -> Path:
    import tifffile

    pixels = spotted((420, 400), spots=60)
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        options = {"photometric": "rgb", "tile": (64, 64), "resolutionunit": "CENTIMETER"}
        writer.write(pixels, subifds=1, resolution=(1e4 / UM, 1e4 / UM), metadata=None, **options)
        writer.write(pixels[::2, ::2], subfiletype=1, metadata=None, **options)
    return path


@pytest.fixture
def run(tmp_path: Path, slide_path: Path) -> Path:
    chosen = AnnotateSettings(pixel_size_um=UM)
    job = annotate_slide(open_slide(slide_path), tiny_model(), chosen, tmp_path / "run", block_px=256, runtime=EXACT)
    run_to_end(job)
    return tmp_path / "run"


def test_only_objects_in_view_are_read(run: Path) -> None:
    everything = pd.read_parquet(run / "objects.parquet")
    window = Window(100, 120, 180, 220)
    found = objects_in(run, window)
    meets = (everything["y0_px"] < 180) & (everything["y1_px"] > 100)
    meets &= (everything["x0_px"] < 220) & (everything["x1_px"] > 120)
    assert 0 < len(found) == meets.sum() < len(everything)
    with pytest.raises(DataError, match="missing or damaged"):
        objects_in(run / "nowhere", window)


def test_the_most_doubtful_fields_come_first_and_do_not_overlap(run: Path) -> None:
    fields = least_certain_fields(run, field_um=40.0)
    doubts = [field.doubt for field in fields]
    assert doubts == sorted(doubts, reverse=True)
    seen = np.zeros((420, 400), int)
    for field in fields:
        seen[field.window.slices] += 1
    assert seen.max() == 1
    assert seen.mean() > 0.5
    (run / "objects.parquet").unlink()
    with pytest.raises(DataError, match="run it to its end first"):
        least_certain_fields(run)


def test_a_run_opens_as_lazy_layers_over_the_slide(run: Path) -> None:
    reader = get_reader(str(run))
    assert is_run(run)
    assert reader is not None
    layers = reader(str(run))
    assert [details["name"] for _, details, _ in layers[2:]] == [f"slide {task} (slide)" for task in TASKS]
    for labels, details, kind in layers[2:]:
        assert kind == "labels"
        assert details["scale"] == (UM, UM)
        assert labels.shape == (420, 400)
        layer = Labels(labels, **details)
        colours = {tuple(layer.get_color(index)) for index in (1, 70_000, 4_000_000_000)}
        assert len(colours) == 1, "a task has one colour, however many objects there are"
        assert not isinstance(labels, np.ndarray)


def test_maps_of_tissue_and_doubt_lie_over_the_slide(run: Path) -> None:
    doubt, tissue = (Labels(cells, **details) for cells, details, _ in read_slide_result(str(run))[:2])
    maps = Overviews.read(run)
    assert (doubt.name, tissue.name) == ("slide doubt (slide)", "slide tissue (slide)")
    assert list(tissue.features["class"]) == ["calm", "wild"]
    for layer in (doubt, tissue):
        assert not layer.visible
        first = layer.data_to_world((-0.5, -0.5))
        last = layer.data_to_world(np.array(layer.data.shape) - 0.5)
        np.testing.assert_allclose(first, -UM / 2)
        assert np.all(np.array(last) >= np.array([420, 400]) * UM - UM / 2)
    np.testing.assert_array_equal(doubt.data > 0, maps.uncertainty > 0)
    np.testing.assert_array_equal(tissue.data == 2, maps.tissue[1] > maps.tissue[0])


def test_objects_appear_while_the_run_goes_on(run: Path, slide_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    chosen = AnnotateSettings(pixel_size_um=UM)
    job = annotate_slide(open_slide(slide_path), tiny_model(), chosen, folder, block_px=256, runtime=EXACT)
    for step in job:
        if step.stage == "Finding objects" and step.done == 1:
            break
    viewer = ViewerModel()
    slide_run = SlideRun(Session(), ViewerLayers(viewer), lambda _name: tiny_model(), lambda: None)
    slide_run.look(folder)
    assert [layer.name for layer in viewer.layers] == [f"slide {task} (slide)" for task in TASKS]
    assert slide_run.fields == ()
    before = np.asarray(viewer.layers[-1].data[0])
    run_to_end(job)
    slide_run.look(folder)
    assert len(viewer.layers) == 5
    after = np.asarray(viewer.layers["slide nuclei (slide)"].data[0])
    assert np.count_nonzero(before) < np.count_nonzero(after)
    assert slide_run.fields
    slide_run.close()


def test_a_field_becomes_a_region(run: Path, slide_path: Path) -> None:
    viewer, session, asked = ViewerModel(), Session(), []
    layers = ViewerLayers(viewer)
    ((data, details, _),) = read_slide(str(slide_path))
    image = viewer.add_image(data, **details)
    session.image_id = str(image.unique_id)
    slide_run = SlideRun(session, layers, lambda _name: tiny_model(), lambda: asked.append(session.region))
    assert slide_run.slide_path() == slide_path
    slide_run.look(run)
    assert sum(layer.name.endswith("(slide)") for layer in viewer.layers) == 5
    slide_run.look(run)
    assert len(viewer.layers) == 6  # shown once
    objects = [layer for layer in viewer.layers if layer.name.endswith(tuple(f"{task} (slide)" for task in TASKS))]
    slide_run.open_field(0)
    assert asked == [Region.RECTANGLE]
    assert not any(layer.visible for layer in objects), "what is corrected lies where they do"
    slide_run.show_field(0)
    assert all(layer.visible for layer in objects)
    assert len(objects) == 3
    window = slide_run.fields[0].window
    box = take_region(viewer, image, Region.RECTANGLE, layers.shapes()).box
    assert box.as_tuple() == (window.y0, window.x0, window.y1, window.x1)
    slide_run.look(slide_path.parent)
    assert slide_run.status.state is JobState.FAILED
    about = run / "run.json"
    about.write_text(about.read_text(encoding="utf-8").replace(fingerprint(image), "0" * 64), encoding="utf-8")
    slide_run.look(run)
    assert "is of another slide, “slide”" in slide_run.status.message
    slide_run.close()


def test_a_result_is_of_its_slide_whatever_image_is_chosen(run: Path, slide_path: Path, qtbot: QtBot) -> None:
    viewer, session = ViewerModel(), Session()
    other_path = write_pyramid(slide_path.with_name("other.tif"), spotted((300, 310), spots=30), um=UM)
    opened = [read_slide(str(path))[0] for path in (slide_path, other_path)]
    slide, other = (viewer.add_image(levels, **about) for levels, about, _ in opened)
    session.image_id = str(slide.unique_id)
    slide_run = SlideRun(session, ViewerLayers(viewer), lambda _name: tiny_model(), lambda: None)
    slide_run.look(slide_path.parent)
    assert "no annotation of a slide" in slide_run.status.message
    session.image_id = str(other.unique_id)
    assert slide_run.status.message == "", "what was said of one slide is not said beside another"
    session.image_id, session.pixel_size = str(slide.unique_id), PixelSize.square(UM)
    slide_run.start(run.parent / "here")
    session.image_id = str(other.unique_id)
    qtbot.waitUntil(lambda: not slide_run.status.state.busy, timeout=60_000)
    assert slide_run.status.state is JobState.RETURNED, slide_run.status.message
    assert slide_run.fields
    assert "slide nuclei (slide)" in viewer.layers
    assert not slide_run.is_of_chosen, "the other slide has no fields"
    session.image_id = str(slide.unique_id)
    assert slide_run.is_of_chosen
    slide_run.close()


def test_what_is_said_of_a_pause_names_the_button() -> None:
    assert "Annotate the slide …" in PAUSED


def test_all_objects_go_to_qupath_from_the_window(run: Path, qtbot: QtBot) -> None:
    slide_run = SlideRun(Session(), ViewerLayers(ViewerModel()), lambda _name: tiny_model(), lambda: None)
    target = run.parent / "all.geojson"
    slide_run.save_outlines(target)
    assert slide_run.status.state is JobState.FAILED
    assert "open a result" in slide_run.status.message
    slide_run.look(run)
    assert slide_run.finished == run
    slide_run.save_outlines(target)
    qtbot.waitUntil(lambda: slide_run.status.state is JobState.RETURNED, timeout=60_000)
    features = json.loads(target.read_text(encoding="utf-8"))["features"]
    assert len(features) == len(pd.read_parquet(run / "objects.parquet"))
    assert slide_run.status.message.startswith(f"{len(features):,} objects in {target}")
    (run / "objects.parquet").unlink()
    slide_run.save_outlines(target)
    qtbot.waitUntil(lambda: slide_run.status.state is JobState.FAILED, timeout=60_000)
    assert json.loads(target.read_text(encoding="utf-8"))["features"] == features
    slide_run.close()


def test_all_objects_go_to_qupath_from_the_command_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "slide", str(run), "--out", str(run.parent / "q")]) == 0
    features = json.loads((run.parent / "q" / "run.geojson").read_text(encoding="utf-8"))["features"]
    assert len(features) == len(pd.read_parquet(run / "objects.parquet"))
    assert f"{len(features)} objects" in capsys.readouterr().out
    assert main(["convert", "slide", str(run), str(run.parent), "--out", str(run.parent / "q")]) == 1
    assert "no finished annotation" in capsys.readouterr().err
