"""Keeps napari alive on Linux when torch comes after OpenGL.

Mesa's drivers (every software renderer, AMD, Intel) load ``libLLVM`` with all its names open to whatever is loaded
later. torchvision imports triton, which brings another LLVM of its own, and its initialisers then call into Mesa's:
the process ends with a segmentation fault (seen with torch 2.15, triton 3.9, Mesa 22.3). Loading triton's library
first, with its own names preferred, avoids that.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path

logger = logging.getLogger(__name__)
_MAPS = Path("/proc/self/maps")


def load_triton_apart() -> bool:
    """Load triton's library so that it does not see Mesa's LLVM; True if that was necessary and done.

    Does nothing where no LLVM is loaded yet (no window: then triton comes first, which is harmless), where triton is
    not installed or already loaded, and on other systems than Linux with glibc.
    """
    deep_bind = getattr(os, "RTLD_DEEPBIND", None)
    if deep_bind is None or "triton" in sys.modules or not _llvm_is_loaded():
        return False
    library = _triton_library()
    if library is None:
        return False
    try:
        ctypes.CDLL(str(library), mode=os.RTLD_NOW | deep_bind)
    except OSError:
        logger.warning("%s cannot be loaded; torch may fail in this process.", library, exc_info=True)
        return False
    return True


def _llvm_is_loaded() -> bool:
    try:
        return "libLLVM" in _MAPS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _triton_library() -> Path | None:
    spec = find_spec("triton")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        library = Path(folder) / "_C" / "libtriton.so"
        if library.is_file():
            return library
    return None
