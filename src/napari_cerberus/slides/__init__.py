"""Whole slides without a screen: opened lazily, annotated block by block, on one computer or on many."""

from __future__ import annotations

from .slide_files.open_slide import open_slide
from .slide_files.slide import Slide

__all__ = ["Slide", "open_slide"]
