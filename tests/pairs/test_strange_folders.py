"""Folders of pairs from strangers: no name in them, and no link, reaches anything outside."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from napari_cerberus.errors import CerberusError, DataError, OutputError
from napari_cerberus.pairs.layout.manifest import NAME, Entry, read_manifest
from napari_cerberus.pairs.write.export_plan import plan_export
from napari_cerberus.pairs.write.transaction import STAGING, recover
from napari_cerberus.pairs.write.write_pairs import write_export
from napari_cerberus.progress import run_to_end
from pairs.make_source import make_settings, make_source

needs_links = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


def export(root: Path) -> None:
    run_to_end(write_export(run_to_end(plan_export(root, make_source(32, 32), make_settings()))))


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A thesis beside the folder of pairs, as image, label image and text."""
    folder = tmp_path / "victim"
    folder.mkdir()
    for suffix in ("png", "tif", "json"):
        (folder / f"thesis.{suffix}").write_text("three years of work")
    return folder


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A folder of pairs with the staging folder of a planned export."""
    root = tmp_path / "pairs"
    export(root)
    (root / STAGING).mkdir()
    return root


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def seal(root: Path, entry: Entry, **changes: str) -> None:
    plan = {"format": "napari-cerberus-export/1", "entries": [{**entry.model_dump(), **changes}]}
    (root / STAGING / "plan.json").write_text(json.dumps(plan))


@pytest.mark.parametrize(
    "replaces",
    ["Polyp/../../../victim/thesis", "../victim/thesis", "/thesis", "Polyp/..", "Polyp\\\\x/A1-1-1-1", "..", "thesis"],
)
@pytest.mark.parametrize("finish", [recover, export])
def test_what_a_plan_replaces_lies_in_the_folder(strange, victim, replaces, finish) -> None:
    (entry,) = read_manifest(strange)
    seal(strange, entry, replaces=replaces, name="XX9-1-400-001")
    before = content(victim), content(strange)
    with pytest.raises(CerberusError, match="cannot be the name of a pair"):
        finish(strange)
    assert (content(victim), content(strange)) == before


def test_a_manifest_with_such_a_name_is_damaged(strange) -> None:
    (entry,) = read_manifest(strange)
    (strange / NAME).write_text(json.dumps({**entry.model_dump(), "replaces": "Polyp/../../victim/thesis"}) + "\n")
    with pytest.raises(DataError, match=r"line 1: 'Polyp/../../victim/thesis' cannot be the name of a pair"):
        read_manifest(strange)


@needs_links
@pytest.mark.parametrize("finish", [recover, export])
def test_a_staging_folder_that_is_a_link_is_not_followed(strange, victim, finish) -> None:
    (entry,) = read_manifest(strange)
    (strange / STAGING).rmdir()
    (strange / STAGING).symlink_to(victim)
    seal(strange, entry)
    before = content(victim)
    with pytest.raises(OutputError, match="is a link, which no export of ours makes"):
        finish(strange)
    assert content(victim) == before


@needs_links
@pytest.mark.parametrize("place", ["Polyp", STAGING + "/Polyp", STAGING + "/.replaced", "Polyp/image", "Polyp/sidecar"])
def test_links_in_the_folder_lead_nowhere(strange, victim, place) -> None:
    (entry,) = read_manifest(strange)
    new = {"name": "XX9-1-400-001", "category": "Polyp", "replaces": "Polyp/XX1-1-400-001"}
    for part in ("image", "label", "sidecar"):
        (victim / part).mkdir()
        (victim / part / "XX1-1-400-001.png").write_text("an image of somebody")
        (victim / part / "XX9-1-400-001.png").write_text("another one")
    shutil.rmtree(strange / place, ignore_errors=True)
    (strange / place).parent.mkdir(exist_ok=True)
    (strange / place).symlink_to(victim / "image" if place.endswith("/image") else victim)
    seal(strange, entry, **new)
    before = content(victim)
    with pytest.raises(DataError, match="is a link that leads out of"):
        recover(strange)
    assert content(victim) == before


@needs_links
def test_an_export_into_a_category_that_is_a_link_is_refused(tmp_path, victim) -> None:
    export(tmp_path / "pairs")
    (category,) = [path for path in (tmp_path / "pairs").iterdir() if path.is_dir()]
    shutil.rmtree(category)
    (tmp_path / "pairs" / NAME).unlink()
    category.symlink_to(victim)
    before = content(victim)
    with pytest.raises(DataError, match="is a link that leads out of"):
        export(tmp_path / "pairs")
    assert content(victim) == before
    assert not (tmp_path / "pairs" / STAGING).exists()


@needs_links
def test_a_manifest_that_is_a_link_is_not_written_through(tmp_path, victim) -> None:
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / NAME).symlink_to(victim / "thesis.json")
    (victim / "thesis.json").write_text("")
    with pytest.raises(DataError, match="is a link that leads out of"):
        export(tmp_path / "pairs")
    assert (victim / "thesis.json").read_text() == ""
