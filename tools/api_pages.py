"""A hook of mkdocs that makes the pages of the API: one for each room of the package, and a list of them.

The pages are made from the folders that are there, so that no room is forgotten and none that has gone stays.
"""

from __future__ import annotations

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "napari_cerberus"
INDEX = "api/index.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put a page for each room under "API"."""
    for entry in config.nav or []:
        if entry.get("API") == INDEX:
            entry["API"] = [INDEX, *({name: page_of(name)} for name in rooms())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Make these pages."""
    files.append(File.generated(config, INDEX, content=index_text()))
    for name in rooms():
        files.append(File.generated(config, page_of(name), content=room_text(name)))
    return files


def rooms() -> list[str]:
    """Packages directly below ours that hold Python, by name."""
    return sorted(file.parent.name for file in PACKAGE.glob("*/__init__.py"))


def page_of(room: str) -> str:
    """Where the page of a room lies in the site."""
    return f"api/{room}.md"


def modules_of(room: str) -> list[str]:
    """Full names of the public modules in a room, sub-rooms included."""
    files = sorted((PACKAGE / room).rglob("*.py"))
    parts = [("napari_cerberus", *file.relative_to(PACKAGE).with_suffix("").parts) for file in files]
    return [".".join(one) for one in parts if not one[-1].startswith("_")]


def room_text(room: str) -> str:
    """The page of a room: what it says of itself, then its modules."""
    sections = "\n\n".join(f"::: {module}" for module in modules_of(room))
    return f"# {room}\n\n{purpose_of(room)}\n\n{sections}\n"


def index_text() -> str:
    """The list of rooms."""
    lines = "\n".join(f"- [{name}]({name}.md): {purpose_of(name).splitlines()[0]}" for name in rooms())
    return f"# API\n\nThe rooms of the package, each with what it is for.\n\n{lines}\n"


def purpose_of(room: str) -> str:
    """The docstring of a room."""
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8")))
    return text or "No purpose is written down yet."
