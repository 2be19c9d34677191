"""What a broken installation of torch looks like from inside, and which commands mend it."""

from __future__ import annotations

from collections.abc import Iterator

from .errors import InstallationError

_SIGNS = ("torchvision::", "undefined symbol", "torchvision._C", "libtorch", "libc10", "torch_cpu")
"""Parts of messages that appear where torch and torchvision come from different builds."""

MEND_COMMANDS = ("pip uninstall -y torch torchvision", "pip install torch torchvision")


def explain_import_failure(error: BaseException) -> InstallationError | None:
    """A sentence that helps, if ``error`` or what caused it comes from a torch and torchvision that do not fit.

    None for any other error. The best known case is ``operator torchvision::nms does not exist``: a CPU-only torch
    beside the package index's torchvision, or the other way round.
    """
    for one in _chain(error):
        text = str(one)
        if isinstance(one, (ImportError, OSError, RuntimeError)) and any(sign in text for sign in _SIGNS):
            first, second = MEND_COMMANDS
            return InstallationError(
                f"torch and torchvision do not fit together ({text.splitlines()[0]}). "
                f"Install them as a pair: run '{first}', then '{second}'."
            )
        if isinstance(one, ModuleNotFoundError) and one.name in ("torch", "torchvision"):
            return InstallationError(f"{one.name} is not installed; run '{MEND_COMMANDS[1]}'.")
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
