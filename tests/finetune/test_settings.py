"""Settings are checked when made; presets protect what the base model can do."""

from pathlib import Path

import pytest

from napari_cerberus.errors import SettingsError
from napari_cerberus.finetune.finetune_settings import PRESET_VALUES, PRESETS, FinetuneSettings, preset_values


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
def test_a_preset_fills_every_open_field_and_keeps_the_base_models_statistics(preset):
    values = preset_values(preset)
    assert FinetuneSettings(pairs_folder=Path("pairs"), preset=preset, **values)
    assert values.keys() == {"train_from_layer", "epochs", "batch_size", "learning_rate"}
    assert PRESET_VALUES[preset].keep_statistics


def test_only_the_thorough_preset_moves_the_encoder_and_it_keeps_a_share_of_the_base():
    moving = [name for name in PRESETS if PRESET_VALUES[name].train_from_layer <= 4]
    assert moving == ["thorough"]
    assert PRESET_VALUES["thorough"].blend < 1
