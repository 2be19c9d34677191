"""The real job on a tiny network: pixels read, model opened once, annotation made."""

from __future__ import annotations

from typing import Any

import pytest
from napari.components import ViewerModel
from napari.layers import Image

from fake_jobs import he_like
from napari_cerberus.errors import ModelError
from napari_cerberus.model.library import entries, opening
from napari_cerberus.pixel_size import PixelSize, PixelSizeSource
from napari_cerberus.progress import run_to_end
from napari_cerberus.viewer.annotate.annotate_jobs import Annotator, Request, list_model_choices
from napari_cerberus.viewer.annotate.image_region import take_region
from napari_cerberus.viewer.session import Region
from tiny import tiny_model


def request(model_name: str, *, flips: bool = False) -> Request:
    viewer, layer = ViewerModel(), Image(he_like(40, 56), rgb=True, name="tile")
    viewer.add_layer(layer)
    return Request(
        picture=take_region(viewer, layer, Region.WHOLE),
        pixel_size=PixelSize.square(1.0, PixelSizeSource.ASSUMED),
        model_name=model_name,
        device="cpu",
        sensitivity=0.0,
        flips=flips,
    )


def test_the_model_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def open_model(name: str) -> Any:
        opened.append(name)
        if name == "missing":
            raise ModelError("No model 'missing'.")
        return tiny_model()

    monkeypatch.setattr(opening, "open_model", open_model)
    annotator = Annotator()
    for name in ("first", "first", "second"):
        annotation = run_to_end(annotator(request(name)))
        assert annotation.labels["glands"].shape == (40, 56)
    assert opened == ["first", "second"]
    with pytest.raises(ModelError):
        run_to_end(annotator(request("missing")))
    annotator.forget_model()
    run_to_end(annotator(request("second")))
    assert opened == ["first", "second", "missing", "second"]


def test_flips_reach_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "open_model", lambda name: tiny_model())
    annotator = Annotator()
    found = [run_to_end(annotator(request("tiny", flips=flips))).run.flips for flips in (False, True)]
    assert found == [False, True]


def test_the_models_on_this_computer_are_described(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    model = tiny_model()
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "MODEL_CARD.md").write_text("# Mine")
    entry = entries.ModelEntry(name="mine", path=folder, spec=model.spec, sha256="ab" * 32)
    monkeypatch.setattr(entries, "list_models", lambda: [entry])
    (choice,) = run_to_end(list_model_choices())
    assert (choice.name, choice.card, choice.pixel_size_um) == ("mine", "# Mine", model.spec.pixel_size_um)
    assert "tissue" in choice.predicts
