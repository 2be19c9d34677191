"""The manifest: valid, without dangling names, and everything it promises is there."""

from __future__ import annotations

import os
from dataclasses import fields
from importlib.metadata import entry_points, metadata
from pathlib import Path
from typing import Any

import pytest
from npe2 import PluginManifest

from napari_cerberus.viewer.preferences import Preferences
from napari_cerberus.viewer.session import DEVICES, ColourBy

MANIFEST = Path(__file__).resolve().parents[1] / "src" / "napari_cerberus" / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(MANIFEST)


def test_it_is_valid_and_every_python_name_imports(manifest: PluginManifest) -> None:
    manifest.validate_imports()


def test_the_link_at_the_top_is_the_one_in_the_package(project_root: Path) -> None:
    top = project_root / "napari.yaml"
    if not top.exists():
        pytest.skip("no top-level link here (an unpacked source distribution)")
    assert os.path.samefile(top, MANIFEST)


def contributed(manifest: PluginManifest) -> list[Any]:
    points = manifest.contributions
    menus = [item for items in points.menus.values() for item in items]
    used = (points.widgets, points.readers, points.writers, points.sample_data, menus)
    return [item for items in used for item in items or ()]


def test_no_command_dangles(manifest: PluginManifest) -> None:
    declared = [command.id for command in manifest.contributions.commands or ()]
    used = {item.command for item in contributed(manifest)}
    assert len(declared) == len(set(declared))
    assert used == set(declared)


def test_it_opens_from_plugins_and_from_layers_segment(manifest: PluginManifest) -> None:
    (widget,) = manifest.contributions.widgets or ()
    assert widget.command == "napari-cerberus.dock"
    assert widget.command in {item.command for item in manifest.contributions.menus["napari/layers/segment"]}


def test_keys_are_bound_in_code_only(manifest: PluginManifest) -> None:
    assert not manifest.contributions.keybindings


def test_the_settings_are_those_we_read(manifest: PluginManifest) -> None:
    properties = manifest.contributions.configurations["annotate"].properties
    defaults = Preferences()
    assert {name: item.default for name, item in properties.items()} == {
        field.name: getattr(defaults, field.name) for field in fields(Preferences)
    }
    assert tuple(properties["device"].enum or ()) == DEVICES
    assert tuple(properties["colour_by"].enum or ()) == tuple(choice.value for choice in ColourBy)


def test_napari_and_the_hub_find_it() -> None:
    (entry,) = [one for one in entry_points(group="napari.manifest") if one.name == "napari-cerberus"]
    assert entry.value == "napari_cerberus:napari.yaml"
    found = metadata("napari-cerberus")
    assert "Framework :: napari" in found.get_all("Classifier", [])
    assert found["License-Expression"] == "BSD-3-Clause"
