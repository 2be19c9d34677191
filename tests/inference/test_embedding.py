"""An image as one vector."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.predict import predict
from napari_cerberus.inference.read_image import embed
from napari_cerberus.inference.tissue_readout import tissue_cells
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import NUCLEI, instances
from tiny import EXACT, TinyNetwork, spotted, tiny_model

IMAGE = spotted((160, 144), spots=30)


def test_it_is_the_mean_of_the_deepest_features_over_tissue() -> None:
    image = IMAGE.copy()
    image[:, 80:] = 255
    holds = tissue_cells(image)
    assert holds.any()
    assert not holds.all()
    model = tiny_model()
    found = run_to_end(embed(image, model, EXACT, model.spec.pixel_size_um))
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    with torch.inference_mode():
        deepest = model.network.double().encode(pixels)[-1][0].numpy()
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, deepest[:, holds].mean(axis=1), rtol=1e-6)


def test_tiles_change_nothing() -> None:
    model = tiny_model()
    whole = run_to_end(predict(IMAGE, model, EXACT)).embedding
    tiled = run_to_end(predict(IMAGE, model, EXACT, tile_size_px=64)).embedding
    np.testing.assert_array_equal(whole, tiled)


def test_a_tile_that_is_read_again_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    expected = run_to_end(predict(IMAGE, model, EXACT)).embedding
    decode, failures = TinyNetwork.decode, [MemoryError()]

    def failing(self: TinyNetwork, *arguments: object) -> object:
        if failures:
            raise failures.pop()
        return decode(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TinyNetwork, "decode", failing)
    again = run_to_end(predict(IMAGE, tiny_model(), EXACT))
    assert again.notes
    assert not failures
    np.testing.assert_array_equal(again.embedding, expected)


def test_an_annotation_carries_it() -> None:
    model = tiny_model()
    annotation = run_to_end(annotate(IMAGE, model, AnnotateSettings(pixel_size_um=model.spec.pixel_size_um)))
    found = run_to_end(embed(IMAGE, model, EXACT, model.spec.pixel_size_um))
    assert annotation.embedding is not None
    assert found is not None
    np.testing.assert_allclose(annotation.embedding, found, rtol=0.02, atol=0.02)


def test_none_without_tissue_or_without_a_tissue_head() -> None:
    model = tiny_model()
    glass = np.full((64, 64, 3), 255, np.uint8)
    assert run_to_end(embed(glass, model, EXACT, model.spec.pixel_size_um)) is None
    blind = tiny_model(tasks=(instances(NUCLEI),))
    assert run_to_end(embed(IMAGE, blind, EXACT, blind.spec.pixel_size_um)) is None
    assert run_to_end(predict(IMAGE, model, EXACT, keys=[NUCLEI])).embedding is None
