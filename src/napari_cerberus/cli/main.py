"""Which subcommands there are, and what happens when one of them fails."""

from __future__ import annotations

import argparse
import os
import sys
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TextIO, cast

from .. import __version__
from ..errors import CerberusError
from ..installation import explain_import_failure

PROGRAM = "napari-cerberus"
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
_KEPT = "\n\r\t"
"""Ends of our own lines, and of the progress line that is written over."""


class CommandModule(Protocol):
    """What the module of a subcommand offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say which arguments it takes."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit code."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A subcommand: its name, one line of help, and the module that is imported when it is called."""

    name: str
    help: str
    module: str


COMMANDS = (
    Command(
        name="annotate",
        help="find nuclei, glands, lumina and the tissue type in images",
        module="napari_cerberus.cli.annotate_command",
    ),
    Command(
        name="calibrate",
        help="fit a model's temperature and thresholds on validation tiles",
        module="napari_cerberus.cli.calibrate_command",
    ),
    Command(
        name="convert",
        help="move annotations to and from QuPath, COCO, OME-TIFF, CSV and figures",
        module="napari_cerberus.cli.convert_command",
    ),
    Command(
        name="demo",
        help="open napari with a tile and click Annotate",
        module="napari_cerberus.demo",
    ),
    Command(
        name="evaluate",
        help="score a model against drawn labels and write a report",
        module="napari_cerberus.cli.evaluate_command",
    ),
    Command(
        name="export",
        help="write training pairs from annotated images",
        module="napari_cerberus.cli.export_command",
    ),
    Command(
        name="finetune",
        help="make a better model of your own from a folder of pairs",
        module="napari_cerberus.cli.finetune_command",
    ),
    Command(
        name="import-data",
        help="turn an open data set, as published, into training pairs",
        module="napari_cerberus.cli.data_sets.import_data_command",
    ),
    Command(
        name="learn-classes",
        help="train a tissue head on a folder of classes, with a confusion matrix",
        module="napari_cerberus.cli.data_sets.learn_classes_command",
    ),
    Command(
        name="models",
        help="list the models on this computer, or check their files",
        module="napari_cerberus.cli.models_command",
    ),
    Command(
        name="pairs",
        help="check a folder of training pairs, or split it by patient",
        module="napari_cerberus.cli.pairs_command",
    ),
    Command(
        name="propose",
        help="say which images of a folder would teach the model most",
        module="napari_cerberus.cli.data_sets.propose_command",
    ),
    Command(
        name="release",
        help="write a trained model as it is shipped, with its card",
        module="napari_cerberus.cli.release_command",
    ),
    Command(
        name="train",
        help="train a model from a TOML file",
        module="napari_cerberus.cli.train_command",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``napari-cerberus`` with ``arguments`` (those of the process where None) and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with redirect_stdout(cast(TextIO, PlainStream(sys.stdout))), redirect_stderr(cast(TextIO, PlainStream(sys.stderr))):
        return guarded(lambda: _run(given))


def guarded(action: Callable[[], int]) -> int:
    """The exit code of ``action``; an error that we know becomes one line on stderr and exit code 1.

    An interrupt (Ctrl+C) becomes 130. Errors we do not know keep their traceback: they are defects.
    """
    try:
        return action()
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{PROGRAM}: stopped; nothing was left half-written.\n")
        return EXIT_INTERRUPTED
    except CerberusError as error:
        return fail(error)
    except BrokenPipeError:
        # The reader of our output is gone (as in "models list | head"); Python must not try to flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except (ImportError, OSError, RuntimeError) as error:
        explained = explain_import_failure(error)
        if explained is None:
            raise
        return fail(explained)


def fail(error: CerberusError) -> int:
    """Say ``error`` in one line and return the exit code for it."""
    sys.stderr.write(f"{PROGRAM}: error: {one_line(error)}\n")
    return EXIT_FAILED


def one_line(error: BaseException | str) -> str:
    """A text, or an error's, without line breaks; what would steer a terminal is spelled out."""
    return plain(" ".join(str(error).split()))


def _run(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Annotation assist for H&E histology: nuclei, glands, lumina and tissue type. Not for diagnosis.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    wanted = next((word for word in given if not word.startswith("-")), None)
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=_sentence(command.help))
        if command.name == wanted:
            module = cast(CommandModule, import_module(command.module))
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    chosen = parser.parse_args(given)
    return int(chosen.run(chosen))


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def plain(text: str) -> str:
    """``text`` with control characters, and halves of characters, as ``\\x1b`` or ``\\udc80``."""
    if text.isprintable():
        return text
    return "".join(one if _harmless(one) else one.encode("unicode_escape").decode("ascii") for one in text)


def _harmless(letter: str) -> bool:
    return letter.isprintable() or letter in _KEPT or unicodedata.category(letter) == "Zs"


class PlainStream:
    """A text stream that writes ``plain`` text to another one, which does all the rest."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``, spelled out where needed."""
        return self._stream.write(plain(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
