"""``napari-cerberus evaluate`` from its arguments to its report."""

import argparse

import pytest

from napari_cerberus.cli import evaluate_command as command
from napari_cerberus.errors import SettingsError
from napari_cerberus.inference.annotate_settings import NO_REPAIR, RepairSettings
from training.evaluation import trees


def parsed(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def test_it_writes_the_report_and_says_where(tmp_path, monkeypatch, capsys):
    tree = trees.ebhi_tree(tmp_path / "tiles", {"Polyp": ["2"], "Normal": ["1"]})
    monkeypatch.setattr(command, "open_model", lambda name: trees.model() if name == "mine" else None)
    arguments = parsed("--model", "mine", "--data", tree, "--out", tmp_path / "out", "--limit", 1, "--device", "cpu")
    assert command.run(arguments) == 0
    page = tmp_path / "out" / "report.html"
    assert capsys.readouterr().out.strip() == str(page)
    assert page.is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "either --data"),
        (("--data", "a", "--config", "b"), "either --data"),
        (("--config", "b", "--pixel-size-um", 1), "belongs to --data"),
    ],
)
def test_contradicting_arguments_are_named(words, message):
    with pytest.raises(SettingsError, match=message):
        command.select(parsed("--out", "x", *words), trees.model())


def test_repair_steps_can_be_left_out():
    some = command.score_settings(parsed("--out", "x", "--without", "smooth", "fill_holes")).repair
    assert (some.smooth, some.fill_holes, some.close_gaps, some.split_touching) == (False, False, True, True)
    assert command.score_settings(parsed("--out", "x", "--without", "all")).repair == NO_REPAIR
    assert command.score_settings(parsed("--out", "x")).repair == RepairSettings()
    with pytest.raises(SettingsError, match="sensitivity"):
        command.score_settings(parsed("--out", "x", "--sensitivity", 3))
