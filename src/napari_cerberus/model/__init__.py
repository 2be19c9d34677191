"""The network, its description and its files. The first room that loads torch, so the clash is avoided here."""

from .llvm_clash import load_triton_apart

load_triton_apart()
