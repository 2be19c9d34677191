"""Adapting to a stain: normalisation statistics alone change, by as much as is asked, and only tissue counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cerberus.adaptation.stain import StainImage, StainSettings, adapt_to_stain, stain_card, tissue_fields
from napari_cerberus.errors import DataError, ImageError, SettingsError
from napari_cerberus.model.ancestry import STAIN_ADAPTATION, adapted_from
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from tiny import TINY_TASKS, spotted


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    spec = ModelSpec(name="tiny", tasks=tuple(TINY_TASKS), pixel_size_um=1.0)
    return Model(network=Cerberus(spec.tasks).eval(), spec=spec, sha256="0" * 64)


def shown(pixels: np.ndarray, um: float = 1.0, name: str = "a tile") -> StainImage:
    return StainImage(pixels=pixels, pixel_size=PixelSize.square(um), name=name)


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(spotted((128, 128)) * 0.7 + rng.normal(0, 12, (128, 128, 3)), 0, 215).astype(np.uint8)


def statistics_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in network.state_dict().items() if "running_" in name}


def test_only_statistics_of_encoder_and_dense_decoders_change(tissue: np.ndarray, model: Model) -> None:
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    adapted = run_to_end(adapt_to_stain([shown(tissue)], model, "lab"))
    after = adapted.network.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert all("running_" in name or name.endswith("num_batches_tracked") for name in changed)
    assert not any(name.startswith("heads.tissue") for name in changed)
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


def test_the_share_says_how_far_statistics_move(tissue: np.ndarray, model: Model) -> None:
    half, whole = (
        run_to_end(adapt_to_stain([shown(tissue)], model, "lab", StainSettings(share=share))) for share in (0.5, 1.0)
    )
    first, middle, last = (statistics_of(one.network) for one in (model, half, whole))
    for name, value in middle.items():
        torch.testing.assert_close(value, (first[name] + last[name]) / 2, rtol=1e-4, atol=1e-5)


def test_the_record_names_the_parent_and_no_image(tissue: np.ndarray, model: Model) -> None:
    adapted = run_to_end(adapt_to_stain([shown(tissue, name="Jane Doe 1950")], model, "lab"))
    assert adapted.name == "lab"
    assert adapted.sha256 != model.sha256
    assert adapted_from(adapted.spec) == model.name
    assert adapted.spec.thresholds == model.spec.thresholds
    assert "Jane" not in str(adapted.spec.to_json())
    assert len(adapted.spec.provenance[STAIN_ADAPTATION]["image_fields_sha256"]) == 1
    assert "Nobody has tested" in stain_card(adapted, model)
    assert adapted_from(model.spec) == ""


@pytest.mark.parametrize("colour", [(255, 255, 255), (245, 244, 246), (200, 120, 180)])
def test_glass_and_one_colour_are_refused(colour: tuple[int, int, int], model: Model) -> None:
    flat = np.full((300, 300, 3), colour, np.uint8)
    with pytest.raises(DataError, match="“a tile” shows too little tissue"):
        run_to_end(adapt_to_stain([shown(flat)], model, "lab"))


def test_a_glass_image_beside_tissue_is_left_out(tissue: np.ndarray, model: Model) -> None:
    glass = np.full((300, 300, 3), 250, np.uint8)
    both = run_to_end(adapt_to_stain([shown(glass), shown(tissue)], model, "lab", StainSettings(fields=2)))
    alone = run_to_end(adapt_to_stain([shown(tissue)], model, "lab", StainSettings(fields=1)))
    for name, value in statistics_of(both.network).items():
        torch.testing.assert_close(value, statistics_of(alone.network)[name])


def test_fields_are_spread_and_never_more_than_asked(tissue: np.ndarray) -> None:
    wide = shown(np.tile(tissue, (6, 8, 1)))
    assert len(tissue_fields(wide, 5)) == 5
    assert {field.shape for field in tissue_fields(wide, 100)} == {(256, 256, 3)}
    assert len(tissue_fields(shown(tissue[:40, :50]), 3)) == 1  # smaller than a field


def test_pixels_that_are_not_square_are_read_in_their_true_shape(tissue: np.ndarray, model: Model) -> None:
    squeezed = StainImage(pixels=tissue[:, ::2], pixel_size=PixelSize(1.0, 2.0), name="a tile")
    fields = tissue_fields(squeezed, 4)
    assert [field.shape for field in fields] == [(128, 64, 3)]
    run_to_end(adapt_to_stain([squeezed], model, "lab"))


def test_closing_it_half_way_leaves_the_model_as_it_was(tissue: np.ndarray, model: Model) -> None:
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    job = adapt_to_stain([shown(tissue), shown(tissue)], model, "lab")
    stages = [next(job).stage for _ in range(4)]
    job.close()
    assert "Reading the stain" in stages
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


def test_what_makes_no_sense_is_told(tissue: np.ndarray, model: Model) -> None:
    with pytest.raises(SettingsError, match="share"):
        StainSettings(share=0)
    with pytest.raises(SettingsError, match="fields"):
        StainSettings(fields=0)
    with pytest.raises(ImageError):
        run_to_end(adapt_to_stain([shown(tissue[..., 0])], model, "lab"))
    with pytest.raises(DataError, match="These images"):
        run_to_end(adapt_to_stain([], model, "lab"))
