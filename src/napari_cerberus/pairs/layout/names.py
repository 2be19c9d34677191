"""Names on disk: categories that every system accepts, patients as the digits of a file name, free numbers."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...errors import DataError, SettingsError
from .ebhi import PairName

OWN_LETTERS = "NC"
"""Leading letters of the names that are made here, where the patient id brings none of its own."""

MAX_PATIENT_CHARACTERS = 200
MAX_CATEGORY_CHARACTERS = 80
_FILE_START_BYTES = 2**20
_PLAIN_ID = re.compile(r"([A-Za-z]{1,8})?([0-9]{1,18})")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])( *\..*)?", re.IGNORECASE)
_PART_FOLDERS = ("image", "label", "sidecar", "images", "labels")


def check_category(name: str, existing: Iterable[str] = ()) -> str:
    """Return ``name`` as a folder name that every system accepts.

    Parameters
    ----------
    name : str
        Spaces and umlauts are fine.
    existing : iterable of str
        Categories of the data set; one that differs in case only is refused.

    Raises
    ------
    SettingsError
        If the name cannot be a folder's name, and why.
    """
    clean = unicodedata.normalize("NFC", name)
    shown = f"Category {_shortened(name)!r}"
    if not clean or clean != clean.strip() or clean.startswith(".") or clean.endswith("."):
        raise SettingsError(f"{shown} must not be empty or begin or end with a space or a dot.")
    if len(clean) > MAX_CATEGORY_CHARACTERS:
        raise SettingsError(f"{shown} has {len(clean)} characters; at most {MAX_CATEGORY_CHARACTERS} are allowed.")
    if _FORBIDDEN.search(clean) or not clean.isprintable():
        raise SettingsError(f'{shown} must not contain / \\ < > : " | ? * or control characters.')
    if _RESERVED.fullmatch(clean) or clean.lower() in _PART_FOLDERS:
        raise SettingsError(f"{shown} is a reserved name; choose another.")
    for other in existing:
        if other != clean and folded(other) == folded(clean):
            raise SettingsError(f"{shown} differs from the existing category {other!r} in spelling only; use that.")
    return clean


def check_patient_id(patient_id: str) -> str:
    """Return a patient id with single inner spaces and none outside.

    Raises
    ------
    SettingsError
        If it is empty, too long, or holds control characters.
    """
    clean = " ".join(unicodedata.normalize("NFC", patient_id).split())
    if not clean:
        raise SettingsError("The patient id is empty; give one, or choose 'not known'.")
    if len(clean) > MAX_PATIENT_CHARACTERS or not clean.isprintable():
        raise SettingsError(
            f"Patient id {_shortened(clean)!r} must be printable and have at most {MAX_PATIENT_CHARACTERS} characters."
        )
    return clean


def unknown_patient_id(path: Path | None, pixels_sha256: str) -> str:
    """The id of an image whose patient is not known: each file or slide is a patient of its own.

    Parameters
    ----------
    path : Path or None
        The file, so that all views of a slide have one patient; told apart by its size and its first megabyte.
    pixels_sha256 : str
        Stands in where there is no file.
    """
    return f"unknown-{(_file_sha256(path) or pixels_sha256)[:16]}"


def _file_sha256(path: Path | None) -> str:
    try:
        if path is None or not path.is_file():
            return ""
        with path.open("rb") as stream:
            start = stream.read(_FILE_START_BYTES)
        return hashlib.sha256(f"{path.stat().st_size}\0".encode() + start).hexdigest()
    except OSError:  # gone or locked meanwhile
        return ""


def patient_letters_and_digits(patient_id: str, known: Mapping[str, str]) -> tuple[str, str]:
    """What stands for a patient at the beginning of a file name.

    An id of digits, or of letters and digits, is used as it is (``2015362`` and ``GTXC2015362`` are both patient
    2015362, as in EBHI-SEG). Any other id becomes a nine-digit number that depends on the id alone; the manifest and
    the sidecar keep the id itself.

    Parameters
    ----------
    patient_id : str
        As from ``check_patient_id``.
    known : mapping of digits to patient id
        Patients whom the data set's manifest already holds.

    Returns
    -------
    letters, digits : str

    Raises
    ------
    DataError
        If another patient of the data set already has these digits.
    """
    match = _PLAIN_ID.fullmatch(patient_id)
    if match is not None:
        letters, digits = match[1] or OWN_LETTERS, match[2]
    else:
        letters, digits = OWN_LETTERS, _number_of(patient_id)
    other = known.get(digits)
    if other is not None and folded(other) != folded(patient_id):
        raise DataError(
            f"Patients {_shortened(other)!r} and {_shortened(patient_id)!r} would both be called {digits} in file "
            "names, so they could not be told apart; give one of them another id."
        )
    return letters, digits


def plain_digits(patient_id: str) -> str:
    """The digits that an id of digits, or of letters and digits, has in file names; empty for any other."""
    match = _PLAIN_ID.fullmatch(patient_id)
    return match[2] if match is not None else ""


def next_number(taken: Iterable[PairName], patient: str, block: int, magnification: int) -> int:
    """The first running number after all that a patient's block has, whatever letters and category they stand in."""
    wanted = (int(patient), block, magnification)
    numbers = [name.number for name in taken if (int(name.patient), name.block, name.magnification) == wanted]
    return max(numbers, default=0) + 1


def _number_of(patient_id: str) -> str:
    digest = hashlib.sha256(folded(patient_id).encode()).digest()
    return f"9{int.from_bytes(digest[:8], 'big') % 10**8:08d}"


def folded(text: str) -> str:
    """Spellings of one name are equal when folded."""
    return unicodedata.normalize("NFKC", text).casefold()


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
