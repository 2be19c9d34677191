"""``napari-cerberus models list|verify``: what is on this computer, and whether its files are whole."""

from __future__ import annotations

import argparse
import sys

from ..errors import ModelError
from ..model.library import ModelEntry, list_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``models``."""
    actions = parser.add_subparsers(title="actions", metavar="list|verify", dest="action", required=True)
    actions.add_parser("list", help="name, pixel size, outputs, SHA-256 and folder of every model")
    verify = actions.add_parser("verify", help="compare the files with their SHA-256")
    verify.add_argument("names", nargs="*", metavar="NAME", help="models to check; all of them where none is named")


def run(arguments: argparse.Namespace) -> int:
    """List or verify; 1 if a model is damaged.

    Raises
    ------
    ModelError
        If a named model does not exist, or there is none to verify.
    """
    return _list() if arguments.action == "list" else _verify(arguments.names)


def _list() -> int:
    entries = list_models()
    if not entries:
        sys.stderr.write("No models are installed.\n")
    for entry in entries:
        outputs = ", ".join(task.key for task in entry.spec.tasks)
        sys.stdout.write(f"{entry.name}\t{entry.spec.pixel_size_um:g} µm/px\t{outputs}\t{entry.sha256}\t{entry.path}\n")
    return 0


def _verify(names: list[str]) -> int:
    checked = [(entry.name, entry.verify()) for entry in _chosen(names)]
    for name, whole in checked:
        sys.stdout.write(f"{name}: {'ok' if whole else 'DAMAGED: copy or install this model again'}\n")
    return 0 if all(whole for _, whole in checked) else 1


def _chosen(names: list[str]) -> list[ModelEntry]:
    entries = list_models()
    known = ", ".join(entry.name for entry in entries) or "none"
    for name in names:
        if name not in {entry.name for entry in entries}:
            raise ModelError(f"No model {name!r} on this computer; known are: {known}.")
    if not entries:
        raise ModelError("No models are installed, so there is nothing to verify; install napari-cerberus again.")
    return [entry for entry in entries if not names or entry.name in names]
