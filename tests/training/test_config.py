from pathlib import Path

import pytest

from napari_cerberus.errors import SettingsError
from napari_cerberus.training.config_file import read_config, write_config

STARTER = Path(__file__).parents[2] / "configs" / "starter.toml"


def test_the_starters_config_reads():
    config = read_config(STARTER)
    assert [task.key for task in config.tasks] == ["lumina", "glands", "nuclei", "tissue"]
    assert {source.name for source in config.sources} == {"ebhi", "tnbc", "dsb"}


@pytest.mark.parametrize("name", ["starter.toml", "starter_next.toml"])
def test_a_config_that_is_written_reads_as_it_was(tmp_path, name):
    config = read_config(STARTER.with_name(name))
    write_config(tmp_path / "run.toml", config)
    assert read_config(tmp_path / "run.toml") == config


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 2023", "", "seed"),
        ("steps =", "stepz =", "stepz"),
        ('sampling = "fixed"', 'sampling = "random"', "sampling"),
        ("size = 16", "size = 0", r"batch\.size"),
        ("crop_px = 128", "crop_px = 100", "crop_px"),
        ('kind = "ebhi"', 'kind = "zip"', r"source\[0\]\.kind"),
        ("object_diameter_um = 8.0", "", "object_diameter_um"),
        ("pixel_size_um = 1.3", "pixel_size_um = 1.3\nobject_diameter_um = 8.0", "for kind 'instances' alone"),
        ("[optimiser]", "[early_stopping]\nat_step = 9999\n[optimiser]", r"early_stopping\.at_step"),
        ('tasks = ["nuclei"]', 'tasks = ["teeth"]', "teeth"),
        ('name = "adamw"', 'name = "magic"', r"optimiser\.name"),
        ("scale = 0.3", "flip = 3", r"augment\.flip"),
        ("[optimiser]", "[optimiser", "TOML"),
    ],
)
def test_each_mistake_is_named_with_its_field(tmp_path, old, new, message):
    text = STARTER.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "run.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SettingsError, match=message) as caught:
        read_config(tmp_path / "run.toml")
    assert "run.toml" in str(caught.value)


def test_the_environment_names_the_data_root(monkeypatch, tmp_path):
    config = read_config(STARTER)
    monkeypatch.setenv("CERBERUS_DATA", str(tmp_path))
    assert config.root(Path("x")) == tmp_path
    monkeypatch.delenv("CERBERUS_DATA")
    assert config.root(Path("x")) == Path("x") / config.data_root


def test_a_number_of_steps_beyond_all_measure_is_read_at_once(tmp_path):
    path = tmp_path / "huge.toml"
    text = STARTER.read_text(encoding="utf-8")
    path.write_text(text.replace("steps = 6000", f"steps = {10**30}"), encoding="utf-8")
    assert read_config(path).steps == 10**30
