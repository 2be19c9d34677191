"""The warning that stands in the dock before annotation, and which model is chosen there."""

from __future__ import annotations

import time

import numpy as np
import pytest
from napari.components import ViewerModel

from model.shelf import open_shelf, put
from napari_cerberus.model.library.promotion import promote
from napari_cerberus.model.stain_profile import ModelStain, fit_source, profile_of
from napari_cerberus.viewer.annotate.annotate_jobs import list_model_choices
from napari_cerberus.viewer.annotate.choices import Choices
from napari_cerberus.viewer.annotate.stain_check import StainCheck
from napari_cerberus.viewer.layer_events import LayerWatch
from napari_cerberus.viewer.layers import ViewerLayers
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import ModelChoice, Session

PINK, BLUE = (225.0, 150.0, 200.0), (90.0, 120.0, 230.0)


def stained(colour, seed=0, side=64):
    """Grains of one colour, lighter and darker."""
    rng = np.random.default_rng(seed)
    density = rng.gamma(4, 0.2, (side, side, 1)) * -np.log(np.array(colour) / 256)
    return np.clip(256 * np.exp(-density) - rng.uniform(0, 6, (side, side, 3)), 0, 255).astype(np.uint8)


def choice(name, colour):
    profiles = [profile_of(stained(colour, seed)) for seed in range(8)]
    source = fit_source("s", profiles, [str(i) for i in range(8)])
    stain = ModelStain(sources=(source,)) if source is not None else None
    return ModelChoice(name=name, predicts=("glands",), pixel_size_um=1.0, sha256="a" * 64, stain=stain)


@pytest.fixture
def bench():
    viewer = ViewerModel()
    session, layers, watch = Session(), ViewerLayers(viewer), LayerWatch(viewer)
    check = StainCheck(session, layers, watch)  # signals hold it weakly
    session.models = (choice("of pink", PINK), choice("of blue", BLUE))
    session.model_name = "of pink"
    yield viewer, session
    watch.close()
    del check


def test_it_follows_image_and_model(bench):
    viewer, session = bench
    assert session.stain_warning == ""
    pink = viewer.add_image(stained(PINK, 100), rgb=True)
    blue = viewer.add_image(stained(BLUE, 101), rgb=True)
    session.image_id = str(pink.unique_id)
    assert session.stain_warning == ""
    session.image_id = str(blue.unique_id)
    assert "'of pink'" in session.stain_warning
    session.model_name = "of blue"
    assert session.stain_warning == ""
    session.image_id = str(pink.unique_id)
    assert "'of blue'" in session.stain_warning
    session.image_id = ""
    assert session.stain_warning == ""


def test_changed_pixels_are_looked_at_again(bench):
    viewer, session = bench
    layer = viewer.add_image(stained(PINK, 100), rgb=True)
    session.image_id = str(layer.unique_id)
    layer.data = stained(BLUE, 100)
    assert session.stain_warning != ""


def test_a_model_without_a_record_and_an_image_that_cannot_be_annotated_are_silent(bench):
    viewer, session = bench
    grey = viewer.add_image(np.zeros((64, 64), np.uint8))
    blue = viewer.add_image([stained(BLUE, 3), stained(BLUE, 3, 32)], rgb=True, multiscale=True)
    session.image_id = str(grey.unique_id)
    assert session.stain_warning == ""
    session.image_id = str(blue.unique_id)
    assert session.stain_warning != ""
    session.models = (ModelChoice(name="of pink", predicts=(), pixel_size_um=1.0, sha256="b" * 64),)
    assert session.stain_warning == ""


def test_a_large_image_costs_milliseconds(bench):
    viewer, session = bench
    layer = viewer.add_image(np.tile(stained(PINK, 5), (40, 40, 1)), rgb=True)
    fastest = 1.0
    for _ in range(5):
        session.image_id = ""
        started = time.process_time()
        session.image_id = str(layer.unique_id)
        fastest = min(fastest, time.process_time() - started)
    assert fastest < 0.1


def test_the_promoted_model_is_remembered_as_such(tmp_path, monkeypatch):
    put(open_shelf(tmp_path, monkeypatch), "mine")
    viewer, memory, session = ViewerModel(), Memory(), Session()
    choices = Choices(session, ViewerLayers(viewer), LayerWatch(viewer), memory)
    assert session.model_name == ""
    choices.model("mine")
    assert (session.model_name, memory.preferences().model) == ("mine", "mine")
    promote("mine")
    choices.model("mine")
    assert memory.preferences().model == ""
    choices.model("starter")
    assert memory.preferences().model == "starter"


def test_a_promoted_model_that_vanished_is_said_when_models_are_looked_up(tmp_path, monkeypatch):
    folder = put(open_shelf(tmp_path, monkeypatch), "mine")
    promote("mine")
    assert [step.message for step in list_model_choices() if step.message] == []
    folder.rename(tmp_path / "away")
    (said,) = [step.message for step in list_model_choices() if step.message]
    assert "'mine' is no longer on this computer" in said
