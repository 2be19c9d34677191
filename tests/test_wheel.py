"""What a user gets: the built wheel, installed into an environment of its own.

The environment borrows torch, napari and the other libraries from the one that runs the tests (a line in a ``.pth``
file), to save a 5 GB installation; napari-cerberus itself comes from the wheel alone, which the tests check.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def archives(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Source archive, and the wheel that is built from it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(project_root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {"wheel": next(out.glob("*.whl")), "sdist": next(out.glob("*.tar.gz"))}


@pytest.fixture(scope="module")
def python(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], timeout=120, check=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, str(archives["wheel"])], timeout=200, check=True)
    own = Path(output(python, "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def output(python: Path, code: str, *, cwd: Path | None = None) -> str:
    """What ``code`` prints in that environment, away from the checkout."""
    return run(python, "-I", "-c", code, cwd=cwd)


def run(program: Path, *arguments: str, cwd: Path | None = None) -> str:
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=cwd or program.parent,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked(project_root: Path) -> set[str]:
    """Files of the package that git knows, relative to ``src``."""
    if shutil.which("git") is None or not (project_root / ".git").exists():
        pytest.skip("not a git checkout: there is no list of files to compare with")
    done = subprocess.run(
        ["git", "-C", str(project_root / "src"), "ls-files", "napari_cerberus"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {name for name in done.stdout.splitlines() if (project_root / "src" / name).is_file()}


def test_the_wheel_holds_every_tracked_file_of_the_package(archives: dict[str, Path], project_root: Path) -> None:
    names = set(zipfile.ZipFile(archives["wheel"]).namelist())
    assert tracked(project_root) - names == set()
    assert "napari_cerberus/napari.yaml" in names
    assert "napari_cerberus/sample_data/he_field/SOURCE.md" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not any("__pycache__" in name or name.startswith("tests") for name in names)


def test_the_archives_are_small_enough_to_download(archives: dict[str, Path]) -> None:
    assert archives["wheel"].stat().st_size < 70 * MEGABYTE
    with zipfile.ZipFile(archives["wheel"]) as wheel:
        assert max(entry.file_size for entry in wheel.infolist()) < 60 * MEGABYTE


def test_the_source_archive_holds_tests_licence_and_notes(archives: dict[str, Path]) -> None:
    with tarfile.open(archives["sdist"]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tests/conftest.py", "constraints.txt"}
    wanted |= {"CONTRIBUTING.md", "SECURITY.md", "CITATION.cff", "mkdocs.yml"}  # what the site is built from
    assert wanted - names == set()


def test_the_metadata_are_what_napari_hub_asks_for(archives: dict[str, Path]) -> None:
    wheel = zipfile.ZipFile(archives["wheel"])
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    lines = wheel.read(metadata).decode("utf-8").splitlines()
    header = lines[: lines.index("")]
    assert "Classifier: Framework :: napari" in header
    assert "License-Expression: BSD-3-Clause" in header
    needed = [line for line in header if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert not any(binding in line for line in needed for binding in ("PyQt", "PySide", "napari["))
    assert not any("<" in line for line in needed), "no upper pins"
    assert sum(line.startswith("## ") for line in lines) >= 4


def test_wheel_and_source_archive_have_one_version(archives: dict[str, Path]) -> None:
    wheel = archives["wheel"].name.split("-")[1]
    assert archives["sdist"].name == f"napari_cerberus-{wheel}.tar.gz"


def test_a_copy_of_the_sources_without_git_has_a_version_too(project_root: Path, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(project_root / name, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "version"],
        cwd=tmp_path,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0.1.0.dev0"


def test_the_program_starts(python: Path) -> None:
    version = output(python, "import napari_cerberus as p; print(p.__version__, p.__file__)").split()
    assert Path(version[1]).is_relative_to(python.parents[1])
    program = python.with_name("napari-cerberus" + (".exe" if os.name == "nt" else ""))
    assert run(program, "--version") == f"napari-cerberus {version[0]}\n"


def test_npe2_validates_the_manifest_and_everything_it_names(python: Path) -> None:
    text = run(python, "-m", "npe2", "validate", "napari-cerberus", "--imports")
    assert "valid" in text.lower()
    where = output(python, "from npe2 import PluginManifest as m; print(m.from_distribution('napari-cerberus'))")
    assert "napari-cerberus" in where


def test_every_command_of_the_manifest_exists_and_every_contribution_has_a_command(python: Path) -> None:
    code = """
import json
from importlib.metadata import distribution
from npe2 import PluginManifest
manifest = PluginManifest.from_distribution('napari-cerberus')
contributions = json.loads(manifest.contributions.json(exclude_unset=True))
print(json.dumps(contributions))
"""
    contributions = json.loads(output(python, code))
    known = {command["id"] for command in contributions["commands"]}
    used = {
        item["command"]
        for kind in ("widgets", "readers", "writers", "sample_data")
        for item in contributions.get(kind) or []
    }
    used |= {item["command"] for menu in contributions["menus"].values() for item in menu if "command" in item}
    assert used <= known
    assert "napari/layers/segment" in contributions["menus"]


def test_samples_open_from_the_installed_wheel(python: Path) -> None:
    code = """
import sys
from pathlib import Path
from npe2 import PluginManager
manager = PluginManager.instance()
manager.discover(include_npe1=False)
manifest = manager.get_manifest('napari-cerberus')
for sample in manifest.contributions.sample_data:
    layers = sample.open()
    print(sample.key, layers[0][2], *layers[0][0].shape)
from napari_cerberus.samples import SAMPLES
print(all(s.image_path.is_relative_to(Path(sys.prefix)) for s in SAMPLES))
"""
    lines = output(python, code).splitlines()
    assert lines[-1] == "True"
    opened = {line.split()[0]: line.split()[1:] for line in lines[:-1]}
    assert opened["synthetic_colon"] == ["image", "1024", "1024", "3"]
    assert opened["he_field"] == ["image", "1000", "1000", "3"]


def test_shipped_models_are_whole_in_the_installed_wheel(python: Path, project_root: Path) -> None:
    shipped = project_root / "src" / "napari_cerberus" / "models"
    if not shipped.is_dir():
        pytest.skip("this checkout ships no model yet")
    program = python.with_name("napari-cerberus" + (".exe" if os.name == "nt" else ""))
    assert "starter: ok" in run(program, "models", "verify")
