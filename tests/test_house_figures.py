"""``tools/house_figures.py`` counts what it says, on a small package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHILD = '''"""A docstring."""

import numpy  # a comment

from .room import thing


def late():
    """Another."""
    from .room.inner import write

    return write
'''
INNER = """import tifffile

class One:
    labels: dict
    \"\"\"Below an attribute.\"\"\"

def write(labels):
    tifffile.imwrite("a.tif", labels)
"""


def test_figures_of_a_small_package(tmp_path: Path, project_root: Path) -> None:
    package = tmp_path / "small"
    (package / "room").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "child.py": CHILD,
        "alone.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import child\n",
        "room/__init__.py": "thing = 1\n",
        "room/inner.py": INNER,
        "room/child.py": "",
    }.items():
        (package / name).write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        project_root / "tools" / "house_figures.py",
        "--source",
        package,
        "--module",
        "small.child",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    values = {line[:34].strip(): line[34:43].strip() for line in done.stdout.splitlines()}
    assert values == {
        "lines of code": "14",
        "files": "6",
        "modules in the largest folder": "2",
        "classes that carry labels": "1",
        "writers of label TIFFs": "1",
        "module names that occur twice": "1",
        "modules that it imports": "3",
    }
