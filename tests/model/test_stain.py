"""The stain check: drawn tiles in other stains, and real ones where they are."""

from __future__ import annotations

import csv
import json
import time
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.model.stain_profile import FIELD, ModelStain, distance, fit_source, profile_of, stain_of, unlike
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.tile_pixels import read_rgb
from napari_cerberus.synthetic import TileSettings, make_tile
from napari_cerberus.tasks import GLANDS, instances


@dataclass(frozen=True)
class Named:
    name: str
    spec: ModelSpec


def described(stain):
    spec = ModelSpec(name="m", tasks=(instances(GLANDS),), pixel_size_um=0.5, provenance={FIELD: stain})
    return Named("m", spec)


@cache
def drawn(seed, side=64):
    return make_tile(TileSettings(height_px=side, width_px=side, pixel_size_um=1.5, seed=seed)).image


def stain_matched(image, factors):
    """Optical density of each colour times a factor: another stain, or another scanner."""
    light = (image.astype(np.float64) + 1) / 256
    return np.clip(np.rint(256 * light ** np.array(factors) - 1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def tiles():
    """Twelve patients with two drawn tiles each, a little lighter or darker from patient to patient."""
    return [stain_matched(drawn(number % 8), [0.94 + 0.12 * (number // 2) / 11] * 3) for number in range(24)]


@pytest.fixture(scope="module")
def model(tiles):
    source = fit_source("new", [profile_of(tile) for tile in tiles], [str(i // 2) for i in range(24)])
    return described(ModelStain(sources=(source,)).to_json())


def test_tiles_of_the_same_stain_are_like_the_training_tiles(model):
    assert [unlike(stain_matched(drawn(seed), [1.0] * 3), model) for seed in range(100, 103)] == [""] * 3


@pytest.mark.parametrize("factors", [(2.0, 1.0, 1.0), (0.35, 0.35, 0.35), (1.0, 0.4, 1.0), (0.5, 1.0, 2.0)])
def test_another_stain_is_said(model, factors):
    said = [unlike(stain_matched(drawn(seed), factors), model) for seed in range(100, 102)]
    assert all(sentence.startswith("The stain of this image is unlike") for sentence in said)
    assert "'m'" in said[0]


def test_distance_is_in_units_of_the_limit(model, tiles):
    known = stain_of(model.spec)
    near, far = profile_of(tiles[0]), profile_of(stain_matched(tiles[0], (2.0, 1.0, 0.5)))
    assert distance(near, known) < 1 < distance(far, known)
    two = ModelStain(sources=(fit_source("far", [far, far], ["a", "b"]), *known.sources))
    assert distance(far, two) == pytest.approx(0, abs=0.1)
    assert distance(near, two) == distance(near, known)


def test_of_a_large_image_every_nth_pixel_is_looked_at():
    image = drawn(5)
    assert profile_of(image.repeat(8, axis=0).repeat(8, axis=1)) == profile_of(
        image.repeat(4, axis=0).repeat(4, axis=1)
    )


def test_glass_has_no_stain_and_no_warning(model):
    glass = np.full((64, 64, 3), 240, np.uint8)
    assert profile_of(glass) is None
    assert unlike(glass, model) == ""
    assert profile_of(np.zeros((64, 64, 3), np.uint8)) is not None  # a black picture is odd, but has values


def test_a_model_that_says_nothing_warns_of_nothing(tiles):
    assert unlike(tiles[0], described(None)) == ""


def test_a_source_needs_two_tiles_and_one_patient_is_better_than_none(tiles):
    profiles = [profile_of(tile) for tile in tiles[:6]]
    assert fit_source("x", profiles[:1], ["a"]) is None
    alone = fit_source("x", profiles, ["a"] * 6)
    assert (alone.tiles, alone.patients) == (6, 1)
    assert alone.limit >= 4.5


def test_the_record_survives_json_and_damage_is_no_record(model):
    stored = json.loads(json.dumps(model.spec.provenance[FIELD]))
    assert stain_of(described(stored).spec) == stain_of(model.spec)
    for damage in (
        {"limit": 0},
        {"limit": float("nan")},
        {"centre": [1, 2]},
        {"spread": [0] * 7},
        {"covariance": [[0] * 7] * 7},
        {"tiles": "many"},
    ):
        assert stain_of(described([{**stored[0], **damage}]).spec) is None
    assert stain_of(described([3]).spec) is None
    assert stain_of(described({"x": 1}).spec) is None


def test_a_large_image_is_looked_at_in_no_time(model):
    image = np.tile(drawn(3), (48, 48, 1))
    unlike(image, model)
    best = min(_seconds(lambda: unlike(image, model)) for _ in range(5))
    assert best < 0.1


def _seconds(action):
    started = time.process_time()
    action()
    return time.process_time() - started


def test_real_stains_are_told_apart(data_dir):
    """A model of EBHI-SEG tiles knows other EBHI-SEG patients, and neither the purple DSB nor the TNBC images."""
    records = index_tree(data_dir / "ebhi-seg")[0][::6]
    profiles = {record: profile_of(read_rgb(record.image_path)) for record in records}
    training_patients = [record for record in records if int(record.patient[-1]) % 3]
    others = [record for record in records if record not in training_patients]
    source = fit_source(
        "ebhi", [profiles[one] for one in training_patients], [one.patient for one in training_patients]
    )
    stain = ModelStain(sources=(source,))
    strangers = {}
    for name in ("dsb2018-purple", "tnbc-nuclei"):
        index = (data_dir / name / "index.csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(index.splitlines()))[::3]
        paths = [next((data_dir / name / "images").glob(f"{row['id']}.*")) for row in rows]
        strangers[name] = np.mean([distance(profile_of(read_rgb(path)), stain) > 1 for path in paths])
    assert np.mean([distance(profiles[one], stain) > 1 for one in others]) <= 0.03
    assert strangers["dsb2018-purple"] >= 0.9
    assert strangers["tnbc-nuclei"] >= 0.9
