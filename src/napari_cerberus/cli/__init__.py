"""The command line: the same jobs as in the window, without a screen.

Every subcommand is a module of its own that is imported only when it is called, so ``--help`` and ``--version``
load neither torch nor Qt.
"""

from .main import main

__all__ = ["main"]
