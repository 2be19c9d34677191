"""``napari-cerberus models``: what is on this computer, which model is used by default, and moving models about."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import ModelError
from ..finetune.run_state import refuse_in_use
from ..model.library.entries import ModelEntry, entry_of, list_models
from ..model.library.exchange import export_model, import_model
from ..model.library.lineage import side_by_side
from ..model.library.manage import delete, read_record, rename, set_notes
from ..model.library.promotion import promote, promoted_and_note, promotion_history, roll_back
from ..pixel_size import scale_words
from .model_profile import add_profile_arguments, write_profile

Action = Callable[[argparse.Namespace], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``models``."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)

    def action(name: str, help_text: str, *operands: tuple[str, str]) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.")
        for operand, metavar in operands:
            sub.add_argument(operand, metavar=metavar)
        return sub

    action("list", "name, pixel size, outputs, SHA-256 and folder of every model")
    verify = action("verify", "compare the files with their SHA-256")
    verify.add_argument("names", nargs="*", metavar="NAME", help="models to check; all of them where none is named")
    action("promote", "use this model where none is named", ("name", "NAME"))
    action("rollback", "go back to the model that was promoted before")
    action("history", "what was promoted when")
    action("rename", "give a model another name", ("name", "OLD"), ("new", "NEW"))
    action("delete", "delete a model for good; never the promoted one", ("name", "NAME"))
    notes = action("notes", "show a model's notes, or replace them", ("name", "NAME"))
    notes.add_argument("text", nargs="?", metavar="TEXT", help="the new notes; empty text deletes them")
    action("export", "write a model to one file", ("name", "NAME"), ("file", "FILE"))
    action("import", "add the model of a file to this computer", ("file", "FILE"))
    action("compare", "two models side by side", ("name", "LEFT"), ("new", "RIGHT"))
    add_profile_arguments(action("profile", "measure the stain that a model was trained on", ("name", "NAME")))


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; 1 if a model is damaged.

    Raises
    ------
    CerberusError
        If it cannot be done; everything is then as it was.
    """
    return _ACTIONS[arguments.action](arguments)


def _list(_: argparse.Namespace) -> int:
    entries = list_models()
    if not entries:
        sys.stderr.write("No models are installed.\n")
        return 0
    in_use, note = promoted_and_note()
    if note:
        sys.stderr.write(f"{note}\n")
    for entry in entries:
        outputs = ", ".join(task.key for task in entry.spec.tasks)
        scales = scale_words(entry.spec.pixel_size_um, entry.spec.task_pixel_size_um)
        line = f"{entry.name}\t{scales}\t{outputs}\t{entry.sha256}\t{entry.path}"
        sys.stdout.write(line + ("\tpromoted\n" if entry == in_use else "\n"))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    checked = [(entry.name, entry.verify()) for entry in _chosen(arguments.names)]
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


def _promote(arguments: argparse.Namespace) -> int:
    entry = promote(arguments.name, reason=read_record(entry_of(arguments.name)).verdict)
    return _say(f"{entry.name} is used from now on.")


def _roll_back(_: argparse.Namespace) -> int:
    return _say(f"{roll_back().name} is used again.")


def _history(_: argparse.Namespace) -> int:
    for one in promotion_history():
        sys.stdout.write(f"{one.at}\t{one.action}\t{one.name}\t{one.sha256[:12]}\t{one.reason}\n")
    return 0


def _rename(arguments: argparse.Namespace) -> int:
    return _say(f"{arguments.name} is now {rename(arguments.name, arguments.new).name}.")


def _delete(arguments: argparse.Namespace) -> int:
    refuse_in_use(arguments.name)
    delete(arguments.name)
    return _say(f"{arguments.name} was deleted.")


def _notes(arguments: argparse.Namespace) -> int:
    if arguments.text is not None:
        set_notes(arguments.name, arguments.text)
    return _say(read_record(entry_of(arguments.name)).notes)


def _export(arguments: argparse.Namespace) -> int:
    export_model(arguments.name, Path(arguments.file))
    return _say(arguments.file)


def _import(arguments: argparse.Namespace) -> int:
    return _say(f"{import_model(Path(arguments.file)).name} was added.")


def _compare(arguments: argparse.Namespace) -> int:
    for row in side_by_side(entry_of(arguments.name), entry_of(arguments.new)):
        cells = (" ".join(cell.split()) for cell in (row.heading, row.left, row.right))
        sys.stdout.write("\t".join((" " if not row.differs else "*", *cells)) + "\n")
    return 0


def _say(sentence: str) -> int:
    sys.stdout.write(f"{sentence}\n")
    return 0


_ACTIONS: dict[str, Action] = {
    "list": _list,
    "verify": _verify,
    "promote": _promote,
    "rollback": _roll_back,
    "history": _history,
    "rename": _rename,
    "delete": _delete,
    "notes": _notes,
    "export": _export,
    "import": _import,
    "compare": _compare,
    "profile": write_profile,
}
