"""Settings are checked when made; presets protect what the base model can do."""

from pathlib import Path

import pytest

from napari_cerberus.errors import SettingsError
from napari_cerberus.finetune.finetune_settings import (
    PRESET_VALUES,
    PRESETS,
    PURPOSE_VALUES,
    FinetuneSettings,
    preset_values,
)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"preset": "fast"}, "preset"),
        ({"sampling": "both"}, "sampling"),
        ({"tasks": ("hearts",)}, "hearts"),
        ({"train_from_layer": 6}, "train_from_layer"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 1}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"augment": {"mirror": 0.5}}, "mirror"),
        ({"augment": {"flip": float("nan")}}, "flip"),
        ({"seed": -1}, "seed"),
        ({"name": "two\nlines"}, "one line"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(change, named):
    with pytest.raises(SettingsError, match=named):
        FinetuneSettings(pairs_folder=Path("pairs"), **change)


def test_settings_survive_json():
    settings = FinetuneSettings(pairs_folder=Path("pairs"), tasks=("glands",), augment={"flip": 0.25}, epochs=3)
    assert FinetuneSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_every_open_field(preset):
    values = preset_values(preset)
    assert FinetuneSettings(pairs_folder=Path("pairs"), preset=preset, **values)
    assert values.keys() == {"train_from_layer", "epochs", "batch_size", "learning_rate"}


def test_every_preset_moves_the_whole_network_and_they_differ_in_time():
    assert {PRESET_VALUES[name].train_from_layer for name in PRESETS} == {1}
    assert [PRESET_VALUES[name].most_steps for name in PRESETS] == [200, 500, 1500]


def test_only_the_purpose_of_everyone_holds_the_old_domain():
    limits = {name: aim.most_forgotten for name, aim in PURPOSE_VALUES.items()}
    assert limits == {"laboratory": None, "everyone": 0.02}
