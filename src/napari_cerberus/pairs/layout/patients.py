"""Patients under numbers: what an exported set calls a patient, and where the id as typed is kept.

A number is made with a secret of this computer's user, so that nobody else can guess whose it is, and the same patient
has the same number in every set that is exported here. ``<folder>.patients.json`` beside the set, the key file, says
who is who; it is not in the folder, so that copying the set does not copy it. ``patients.json`` in the set holds
numbers only: those that turned out to be one patient.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path
from typing import Literal

from ...errors import DataError, OutputError, SettingsError
from ...files import write_text
from ...model.library.entries import library_folder
from ...schemas import FileSchema, read, to_bytes
from .names import check_patient_id, folded, plain_digits
from .same_patients import Number, join_numbers

SECRET_FILE = "patients.secret"
SECRET_VARIABLE = "NAPARI_CERBERUS_SECRET"
"""Names another file; computers that share it give the same patient the same number."""
_SECRET_BYTES = 32
_NUMBERS = 10**8
_MADE = re.compile("9[0-9]{8}")


class PatientKey(FileSchema):
    """The key file: number by id as typed."""

    format: Literal["napari-cerberus patient key"] = "napari-cerberus patient key"
    format_version: Literal[1] = 1
    patients: Mapping[str, Number]


def key_path(root: Path) -> Path:
    """The key file of a set: beside its folder."""
    whole = root.absolute()
    return whole.with_name(f"{whole.name}.patients.json")


def read_key(root: Path) -> dict[str, str]:
    """Number by id as typed; empty without a key file. Raises ``DataError`` if it is damaged."""
    path = key_path(root)
    return dict(read(PatientKey, path).patients) if path.is_file() else {}


def number_of(root: Path, typed: str, taken: Collection[str]) -> str:
    """What the set calls a patient.

    An id that the set's names hold already is public there, or is such a number, and stays. Else it is the number of
    the key file, or a new one.

    Parameters
    ----------
    root : Path
        The set.
    typed : str
    taken : collection of str
        Digits of the patients whom the set holds.

    Raises
    ------
    DataError
        If the key file is damaged.
    OutputError
        If the secret cannot be kept.
    """
    known = {folded(one): number for one, number in read_key(root).items()}
    if found := known.get(folded(typed)):
        return found
    if (digits := plain_digits(typed)) and digits in taken:
        return digits
    secret = _secret()
    numbers = (_number(secret, typed, attempt) for attempt in count())
    return next(number for number in numbers if number not in known.values())


def remember(root: Path, typed: str, number: str) -> None:
    """Note in the key file whom a number stands for. Raises ``DataError`` or ``OutputError``."""
    known = read_key(root)
    if known.get(typed) != number and typed != number:
        _write_key(root, {**known, typed: number})


def lost_key(root: Path, numbers: Collection[str]) -> str:
    """A sentence where numbers of the set could be explained by a key file, and there is none; else empty."""
    if key_path(root).is_file() or not any(_MADE.fullmatch(number) for number in numbers):
        return ""
    return (
        f"{key_path(root).name}, which says who the patients of this folder are, is not beside it: put it back if you "
        "can. On the computer that made them, patients get the same numbers again; on another one they get new ones."
    )


def join_patients(root: Path, ids: Collection[str], taken: Collection[str]) -> str:
    """Say that ids are of one patient: someone was renamed, or stands in the set twice.

    Pairs keep their names; from now on they count as one patient, and each of the ids leads to the same number.

    Parameters
    ----------
    root : Path
    ids : collection of str
        As typed, or as numbers.
    taken : collection of str
        Digits of the patients whom the set holds.

    Returns
    -------
    str
        What was done.

    Raises
    ------
    SettingsError
        If fewer than two are given, or none of them is in the set.
    DataError, OutputError
    """
    clean = [check_patient_id(one) for one in ids]
    if len({folded(one) for one in clean}) < 2:
        raise SettingsError("Name at least two different ids of the same patient.")
    numbers = {one: number_of(root, one, taken) for one in clean}
    present = sorted({number for number in numbers.values() if number in taken})
    if not present:
        raise SettingsError(f"{root} holds no pairs of {' or '.join(clean)}; nothing was changed.")
    first = present[0]
    typed = {one: numbers[one] if numbers[one] in taken else first for one in clean if one not in present}
    if typed:
        _write_key(root, {**read_key(root), **typed})
    if len(present) == 1:
        return f"From now on {' and '.join(clean)} are both patient {first} of this folder."
    join_numbers(root, present)
    return f"Patients {', '.join(present)} count as one from now on; their pairs keep their names."


def _write_key(root: Path, patients: Mapping[str, str]) -> None:
    write_text(key_path(root), to_bytes(PatientKey(patients=dict(sorted(patients.items())))).decode())


def _number(secret: bytes, typed: str, attempt: int) -> str:
    """9 and eight digits that depend on the id and the secret; others at each attempt."""
    text = folded(typed) + (f"\0{attempt}" if attempt else "")
    digest = hmac.new(secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return f"9{int.from_bytes(digest[:8], 'big') % _NUMBERS:08d}"


def _secret() -> bytes:
    """The user's own, made once; readable by nobody else. Raises ``DataError`` or ``OutputError``."""
    chosen = os.environ.get(SECRET_VARIABLE)
    path = Path(chosen) if chosen else library_folder().parent / SECRET_FILE
    if not path.exists():
        _make_secret(path)
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}, which patients' numbers are made with, cannot be read; restore it.") from error
    if len(secret) != _SECRET_BYTES:
        raise DataError(f"{path}, which patients' numbers are made with, is damaged; restore it, or remove it.")
    return secret


def _make_secret(path: Path) -> None:
    """Whole or not at all; where another process was first, its secret stands."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(_SECRET_BYTES))
        try:
            os.link(new, path)
        except FileExistsError:
            pass
        except OSError:  # a disk without hard links
            new.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        new.unlink(missing_ok=True)
