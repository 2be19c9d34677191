"""torch, torchvision and triton after OpenGL: once a segmentation fault that took napari with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_cerberus.model import llvm_clash

# Our own modules, then a window, then torchvision in a job: the order of a first click where a script opened the dock.
FIRST_CLICK = """
import napari_cerberus.model.llvm_clash as clash
from napari_cerberus.viewer.worker import JobRunner
from napari_cerberus.progress import Progress
import napari, numpy as np
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
viewer.add_image(np.zeros((32, 32, 3), np.uint8))
for _ in range(10):
    QApplication.processEvents()
def load():
    yield Progress("Loading")
    import torchvision
ends = []
runner = JobRunner("Loading")
runner.start(load, on_progress=lambda step: None, on_end=ends.append)
while not ends:
    QApplication.processEvents()
runner.close()
viewer.close()
print("alive", clash._llvm_is_loaded())
"""


@pytest.mark.gui
def test_torchvision_loads_in_a_window_that_draws_with_llvm() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FIRST_CLICK], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "alive" in done.stdout


def test_nothing_is_loaded_without_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setattr(llvm_clash, "_llvm_is_loaded", lambda: False)
    monkeypatch.setattr(llvm_clash, "_triton_library", lambda: pytest.fail("looked for triton"))
    assert not llvm_clash.load_triton_apart()


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has RTLD_DEEPBIND")
def test_a_library_that_cannot_be_loaded_is_logged_not_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "libtriton.so"
    broken.write_bytes(b"no library")
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setattr(llvm_clash, "_llvm_is_loaded", lambda: True)
    monkeypatch.setattr(llvm_clash, "_triton_library", lambda: broken)
    assert not llvm_clash.load_triton_apart()
    assert str(broken) in caplog.text
