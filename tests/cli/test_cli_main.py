"""The command line as a whole: subcommands, exit codes, errors in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from napari_cerberus import __version__
from napari_cerberus.cli.main import COMMANDS, guarded, main
from napari_cerberus.errors import DataError, InstallationError
from napari_cerberus.installation import MEND_COMMANDS, explain_import_failure


def raising(error: BaseException) -> Callable[[], int]:
    def action() -> int:
        raise error

    return action


def test_version_and_help_name_the_program_and_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"napari-cerberus {__version__}\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(command.name in text for command in COMMANDS)
    assert "Not for diagnosis" in text


@pytest.mark.parametrize("arguments", [[], ["paint"], ["annotate"], ["models", "burn"], ["train"]])
def test_wrong_use_is_exit_code_2_with_a_usage_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 2
    assert capsys.readouterr().err.startswith("usage: napari-cerberus")


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_quick_answers_load_neither_torch_nor_qt(option: str) -> None:
    code = (
        "import sys\nfrom napari_cerberus.cli import main\n"
        f"try: main([{option!r}])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'napari', 'qtpy', 'skimage', 'pandas', 'numpy'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_is_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "napari_cerberus", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"napari-cerberus {__version__}\n"


def test_a_known_error_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(DataError("tile.png is\n damaged."))) == 1
    assert capsys.readouterr().err == "napari-cerberus: error: tile.png is damaged.\n"


def test_an_interrupt_is_exit_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(KeyboardInterrupt())) == 130
    assert "stopped" in capsys.readouterr().err


def test_an_unknown_error_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="a defect"):
        guarded(raising(RuntimeError("a defect")))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operator torchvision::nms does not exist"),
        ImportError("libtorch_cuda.so: cannot open shared object file"),
        ModuleNotFoundError("No module named 'torchvision'", name="torchvision"),
    ],
)
def test_a_torch_that_does_not_fit_is_explained_with_the_commands_that_mend_it(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(error)) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert MEND_COMMANDS[1] in text


def test_the_explanation_is_found_behind_another_error_and_only_there() -> None:
    wrapped = ImportError("cannot import name 'BasicBlock'")
    wrapped.__cause__ = RuntimeError("operator torchvision::nms does not exist")
    explained = explain_import_failure(wrapped)
    assert isinstance(explained, InstallationError)
    assert all(command in str(explained) for command in MEND_COMMANDS)
    assert explain_import_failure(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert explain_import_failure(ValueError("torchvision::nms")) is None
