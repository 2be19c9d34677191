"""Shared by all tests: where the outside data lie, what needs a window, how many threads may run."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# Set before torch, numpy or Qt are imported. Two threads are plenty for tiny networks;
# the "offscreen" platform of Qt has no OpenGL, so napari cannot draw there.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "2")
if sys.platform == "linux":
    os.environ.setdefault("QT_QPA_PLATFORM", "xcb")

# Patients' numbers are made with a secret of their own in tests, never with the user's.
os.environ["NAPARI_CERBERUS_SECRET"] = str(Path(tempfile.gettempdir()) / f"cerberus-tests-{os.getpid()}.secret")

os.environ["NAPARI_CERBERUS_TEST_LEDGER"] = str(Path(tempfile.gettempdir()) / f"cerberus-tests-{os.getpid()}.jsonl")

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

PROJECT_ROOT = Path(__file__).resolve().parents[1]
HAS_DISPLAY = sys.platform != "linux" or bool(os.environ.get("DISPLAY"))
_WINDOW_FIXTURES = {"qtbot", "qapp", "make_napari_viewer", "make_napari_viewer_proxy"}

_QUIET = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_configure(config: pytest.Config) -> None:
    """Name our marker."""
    config.addinivalue_line("markers", "gui: opens a window; skipped where there is no display")


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    for name in ("NAPARI_CERBERUS_SECRET", "NAPARI_CERBERUS_TEST_LEDGER"):
        Path(os.environ[name]).unlink(missing_ok=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a window where there is none, whether it is marked ``gui`` or asks for a viewer."""
    if HAS_DISPLAY:
        return
    skip = pytest.mark.skip(reason="no display (run under xvfb-run, as 'make test' does)")
    for item in items:
        if item.get_closest_marker("gui") or _WINDOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(skip)


def _folder_or_skip(folder: Path, what: str) -> Path:
    if not folder.is_dir():
        pytest.skip(f"{what} is absent ({folder})")
    return folder


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The material beside the project (``../shared``); the test is skipped where it is absent."""
    return _folder_or_skip(PROJECT_ROOT.parent / "shared", "the shared material beside the project")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real training data: ``CERBERUS_DATA`` or ``../shared/data``; the test is skipped where it is absent."""
    chosen = os.environ.get("CERBERUS_DATA")
    folder = Path(chosen) if chosen else PROJECT_ROOT.parent / "shared" / "data"
    return _folder_or_skip(folder, "the folder of real data")


@pytest.fixture(scope="session")
def oracle_dir(shared_dir: Path) -> Path:
    """Numeric oracles of the reference network; the test is skipped where they are absent."""
    return _folder_or_skip(shared_dir / "oracle", "the folder of numeric oracles")


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder that holds ``pyproject.toml``."""
    return PROJECT_ROOT
