"""The journal: an append-only history of an annotation from which everything can be restored.

One file a frame (image and region), found by the image's content. One line a change; the first line names the frame.
Killing the process loses nothing that ``Journal.append`` returned from, a power cut at most the last second.
"""

from .journals import JOURNAL_FILE, find_journals, open_journal, read_journal_of
from .record import Record
from .replay import Replay, read_journal
from .writer import Journal

__all__ = [
    "JOURNAL_FILE",
    "Journal",
    "Record",
    "Replay",
    "find_journals",
    "open_journal",
    "read_journal",
    "read_journal_of",
]
