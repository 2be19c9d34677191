"""The journals on this computer: one folder a frame, found again by the image's content."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

from ...errors import DataError, OutputError
from ...files import atomic_path
from ..frame import Frame
from .appending import AppendFile
from .journal_lock import LockedError, lock_folder
from .record import line_of
from .replay import Replay, header, read_journal
from .writer import Journal

logger = logging.getLogger(__name__)

JOURNAL_FILE = "journal.jsonl"
KEPT_ARCHIVES = 3
MOST_WINDOWS = 9
"""So many windows keep journals of one image at the same time; any further one works in memory."""
_OWN_JOURNAL = "This window keeps a journal of its own; the two are not joined, so save them under different names."


def find_journals(root: Path, image_key: str) -> list[Replay]:
    """What can be restored for an image, whatever it is called now; the journals with any change, newest first."""
    found = []
    for path in root.glob(f"{image_key[:24]}*/{JOURNAL_FILE}"):
        try:
            replay = read_journal(path)
        except DataError as error:
            logger.warning("A journal is left out: %s", error)
            continue
        if replay.records and replay.frame.image_key == image_key:
            found.append((path.stat().st_mtime, replay))
    return [replay for _, replay in sorted(found, key=lambda item: item[0], reverse=True)]


def open_journal(
    root: Path, frame: Frame, *, resume: bool, take_over: bool = False, folder: Path | None = None
) -> tuple[Journal, Replay | None]:
    """Open the journal of a frame for writing.

    Where another window holds it, this one gets a journal of its own beside, and ``Journal.note`` says so. Where the
    folder cannot be written, the journal works in memory and its ``warning`` says why. Nothing is raised.

    Parameters
    ----------
    root : Path
        Folder of all journals.
    resume : bool
        Go on with what is there; False sets it aside (the last ``KEPT_ARCHIVES`` are kept) and begins anew.
    take_over : bool
        Also where another computer seems to hold it.
    folder : Path, optional
        The journal's own folder, where it is known, as from ``Replay.path``.

    Returns
    -------
    Journal
    Replay or None
        What was there, where ``resume`` found something.
    """
    first = folder or root / frame.folder_name
    try:
        return _open(first, frame, resume, take_over)
    except LockedError as held:
        replay = read_journal_of(first / JOURNAL_FILE, frame) if resume else None
        return _open_beside(root, frame, replay, str(held))
    except (OSError, OutputError) as error:
        return _in_memory(first, frame, resume, error)


def _open(folder: Path, frame: Frame, resume: bool, take_over: bool = False) -> tuple[Journal, Replay | None]:
    """Raises ``LockedError``, ``OSError`` or ``OutputError``."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = lock_folder(folder, take_over=take_over)
    try:
        replay = _sorted_out(folder / JOURNAL_FILE, frame, resume)
        if replay is None:
            with atomic_path(folder / JOURNAL_FILE) as temporary:
                temporary.write_bytes(line_of(header(frame)))
        file = AppendFile(folder / JOURNAL_FILE)
    except (OSError, OutputError):
        lock.release()
        raise
    return Journal(frame, file, lock, records=replay.records if replay is not None else []), replay


def _open_beside(root: Path, frame: Frame, replay: Replay | None, held: str) -> tuple[Journal, Replay | None]:
    """A journal of this window's own, that begins with what the other one held when it was read."""
    for number in range(2, MOST_WINDOWS + 1):
        folder = root / f"{frame.folder_name}.{number}"
        try:
            journal, _ = _open(folder, frame, resume=False)
        except LockedError:
            continue
        except (OSError, OutputError) as error:
            return _in_memory(folder, frame, False, error)
        journal.note = f"{held} {_OWN_JOURNAL}"
        if replay is not None:
            journal.begin_with(replay)
        return journal, replay
    return _in_memory(root / frame.folder_name, frame, False, LockedError(held))


def _in_memory(folder: Path, frame: Frame, resume: bool, error: Exception) -> tuple[Journal, Replay | None]:
    reason = str(error) if not isinstance(error, OSError) else f"{folder} cannot be written: {error.strerror}."
    warning = f"{reason} Changes stay in memory; save the annotation to keep them."
    logger.warning(warning)
    replay = read_journal_of(folder / JOURNAL_FILE, frame) if resume else None
    journal = Journal(frame, None, warning=warning)
    if replay is not None:
        journal.begin_with(replay)
    return journal, replay


def _sorted_out(path: Path, frame: Frame, resume: bool) -> Replay | None:
    """Make the file end at its last whole record, or set it aside."""
    if not path.exists():
        return None
    replay = read_journal_of(path, frame) if resume else None
    if replay is None or (replay.problem and not replay.torn):
        _set_aside(path, keep=replay is not None)
    if replay is not None:
        with path.open("rb+") as stream:
            stream.truncate(replay.good_bytes)
    return replay


def read_journal_of(path: Path, frame: Frame) -> Replay | None:
    """What a journal file holds; None if it cannot be read or belongs to another image or region."""
    try:
        replay = read_journal(path)
    except DataError as error:
        logger.warning("A journal is left out: %s", error)
        return None
    same = (replay.frame.image_key, replay.frame.region) == (frame.image_key, frame.region)
    return replay if same else None


def _set_aside(path: Path, *, keep: bool) -> None:
    """Move the file, or copy it with ``keep``, to the first archive; older ones move up and the oldest goes."""
    archives = [path.with_name(f"journal.{number}.jsonl") for number in range(1, KEPT_ARCHIVES + 1)]
    for newer, older in reversed(list(pairwise(archives))):
        if newer.exists():
            newer.replace(older)
    if keep:
        archives[0].write_bytes(path.read_bytes())
    else:
        path.replace(archives[0])
