"""Imports point down only. Walks every import of the package, those inside functions too."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "napari_cerberus"
SOURCE = Path(__file__).resolve().parents[1] / "src" / PACKAGE

BASE = {
    "errors",
    "progress",
    "tasks",
    "pixel_size",
    "files",
    "whole_folders",
    "strict_json",
    "time_left",
    "schemas",
    "locks",
    "decode_errors",
    "installation",
    "samples",
}
SCIENCE = {
    "model",
    "inference",
    "annotation",
    "pairs",
    "interop",
    "slides",
    "training",
    "synthetic",
    "exporting",
    "finetune",
    "adaptation",
}
MAY_IMPORT = {
    **dict.fromkeys(BASE, BASE),
    "model": BASE,
    "inference": BASE | {"model", "annotation"},
    "annotation": BASE | {"model"},
    "pairs": BASE | {"model", "annotation"},
    "interop": BASE | {"annotation", "pairs"},
    "slides": BASE | {"model", "inference", "annotation", "pairs", "interop"},
    "exporting": BASE | {"inference", "annotation", "pairs", "slides"},
    "synthetic": BASE | {"annotation"},
    "training": BASE | {"model", "pairs", "inference", "synthetic"},
    "finetune": BASE | {"model", "inference", "pairs", "synthetic", "training"},
    "adaptation": BASE | {"model", "inference", "annotation", "training"},
    "viewer": BASE | SCIENCE,
    "widgets": BASE | SCIENCE | {"viewer"},
    "cli": BASE | SCIENCE,
    "demo": BASE | SCIENCE | {"viewer", "widgets"},
    "__main__": {"cli"},
    "__init__": set(),
}
"""Room to the rooms it may import, besides itself and the package's own version."""

TORCH = {"torch", "torchvision"}
SCREEN = {"napari", "qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "psygnal", "superqt", "magicgui", "vispy"}
TORCH_FREE = BASE | {"synthetic", "widgets", "__init__", "__main__"}
SCREEN_FREE = BASE | SCIENCE | {"cli", "__init__", "__main__"}
LAYER_CALLS = {"add_labels", "add_image", "add_points", "add_shapes", "add_layer", "_add_layer_from_data"}


@dataclass(frozen=True)
class Import:
    """One import: where it stands and the absolute name it asks for."""

    file: Path
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(SOURCE)}:{self.line} imports {self.target}"


def room_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(file: Path) -> Iterator[Import]:
    package = (PACKAGE, *file.relative_to(SOURCE).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else [])))
            yield from (Import(file, node.lineno, f"{module}.{alias.name}") for alias in node.names)


FILES = sorted(SOURCE.rglob("*.py"))
MODULES = {".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): file for file in FILES}
IMPORTS = [one for file in FILES for one in imports_of(file)]


def test_the_walk_sees_relative_absolute_and_nested_imports(tmp_path: Path) -> None:
    found = {str(one).split(" imports ")[1] for one in IMPORTS if one.file.name == "main.py"}
    assert f"{PACKAGE}.errors.CerberusError" in found
    assert "importlib.import_module" in found
    nested = [one for one in IMPORTS if one.file.name == "annotate.py" and one.target.endswith("choose_runtime")]
    assert nested


def test_every_file_belongs_to_a_room() -> None:
    assert {room_of(file) for file in FILES} <= set(MAY_IMPORT)


def test_imports_point_down_only() -> None:
    breaches = []
    for one in IMPORTS:
        parts = one.target.split(".")
        if parts[0] != PACKAGE or len(parts) < 2 or not is_room(parts[1]):
            continue
        room = room_of(one.file)
        if parts[1] not in MAY_IMPORT[room] | {room}:
            breaches.append(str(one))
    assert breaches == []


def node_of(module: str) -> str:
    """The smallest room a module stands in: a folder without folders below it, else the module itself."""
    folder = MODULES[module].parent
    has_rooms = any(child.is_dir() and (child / "__init__.py").is_file() for child in folder.iterdir())
    return module if has_rooms else ".".join(folder.relative_to(SOURCE).parts)


def module_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_room_needs_a_room_that_needs_it() -> None:
    """Also of rooms within rooms: walking the imports of folders never leads back to where one began."""
    graph: dict[str, set[str]] = {}
    for one in IMPORTS:
        if not one.target.startswith(f"{PACKAGE}."):
            continue
        target = one.target.removeprefix(f"{PACKAGE}.")
        asked = target if target in MODULES else target.rpartition(".")[0]
        here, there = node_of(module_of(one.file)), node_of(asked) if asked in MODULES else ""
        if there and there != here:
            graph.setdefault(here, set()).add(there)
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" needs ".join(error.args[1]))


MOST_MODULES = 14


def test_no_room_is_a_bag_of_modules() -> None:
    """About a dozen modules a folder, with a sentence that says what it is for."""
    for folder in {file.parent for file in FILES if file.parent != SOURCE}:
        modules = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, f"{folder.relative_to(SOURCE)} holds {len(modules)} modules"


def is_room(name: str) -> bool:
    return (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").is_file()


def test_the_base_needs_the_standard_library_numpy_and_pydantic_only() -> None:
    known = set(sys.stdlib_module_names) | {"numpy", "pydantic", "pydantic_core", PACKAGE}
    breaches = [str(one) for one in IMPORTS if room_of(one.file) in BASE and one.target.split(".")[0] not in known]
    assert breaches == []


@pytest.mark.parametrize(("rooms", "forbidden"), [(TORCH_FREE, TORCH), (SCREEN_FREE, SCREEN)], ids=["torch", "screen"])
def test_libraries_stay_in_their_rooms(rooms: set[str], forbidden: set[str]) -> None:
    breaches = [str(one) for one in IMPORTS if room_of(one.file) in rooms and one.target.split(".")[0] in forbidden]
    assert breaches == []


def test_only_the_layers_room_adds_layers() -> None:
    breaches = [
        f"{file.relative_to(SOURCE)}:{node.lineno} calls {node.func.attr}"
        for file in FILES
        if file != SOURCE / "viewer" / "layers.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LAYER_CALLS
    ]
    assert breaches == []


def test_only_the_jobs_room_uses_napari_threading() -> None:
    breaches = [
        str(one)
        for one in IMPORTS
        if one.target.startswith(("napari.qt.threading", "superqt.utils.create_worker"))
        and one.file != SOURCE / "viewer" / "worker.py"
    ]
    assert breaches == []


@pytest.mark.parametrize(
    "module",
    [
        PACKAGE,
        f"{PACKAGE}.cli",
        f"{PACKAGE}.samples",
        f"{PACKAGE}.synthetic",
        f"{PACKAGE}.inference.annotate",
        f"{PACKAGE}.finetune.finetune_settings",
        f"{PACKAGE}.finetune.run_state",
        f"{PACKAGE}.finetune.run.process",
        f"{PACKAGE}.finetune.run.child",
        f"{PACKAGE}.slides.fields",
        f"{PACKAGE}.slides.overviews",
        f"{PACKAGE}.slides.slide_geojson",
    ],
)
def test_importing_loads_neither_torch_nor_qt(module: str) -> None:
    heavy = sorted((TORCH | SCREEN) - {"psygnal"})
    code = f"import sys, {module}; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("module", ["slide_reader", "annotation_folder", "outlines_reader"])
def test_opening_a_file_in_the_window_loads_no_torch(module: str) -> None:
    """It takes seconds, and the window would stand still; a job beside the window may."""
    code = f"import sys, {PACKAGE}.viewer.io.{module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["False"]


def test_pillow_is_told_which_formats_it_may_take_a_file_for() -> None:
    calls = [
        (file, node)
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open"
    ]
    assert calls
    for file, node in calls:
        assert "formats" in [keyword.arg for keyword in node.keywords], f"{file}:{node.lineno}"
