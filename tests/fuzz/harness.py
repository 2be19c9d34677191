"""One damaged file at a time, in this process, under limits: what it does to us, beyond one sentence, is a finding."""

from __future__ import annotations

import hashlib
import random
import resource
import shutil
import signal
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from napari_cerberus.errors import CerberusError

from .mutations import Mutation, of_bytes, of_whole

SECONDS = 20
MEMORY_BYTES = 2**30
_STOP_BYTES = 6 * 2**30
"""More than this is refused by the system, so that a finding does not take the computer along."""
_LONGEST_SENTENCE = 2000
_STATUS = Path("/proc/self/status")
_PEAK = Path("/proc/self/clear_refs")


class _TooLong(BaseException):
    """No ``Exception``: a library that catches every one of those would go on for ever."""


def tried(*steps: Callable[[], object]) -> None:
    """Every step, also after one that says a sentence; the first sentence is the answer."""
    said: list[CerberusError] = []
    for step in steps:
        try:
            step()
        except CerberusError as error:
            said.append(error)
    if said:
        raise said[0]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    name : str
    make : callable
        Writes whole, valid files into an empty folder.
    files : mapping of file name to mutations
        What is damaged, and how, beside bytes anywhere. Names may be patterns.
    read : callable
        Everything that the program does with such a folder.
    share : int
        How often it is chosen, compared with others: slow ones less.
    """

    name: str
    make: Callable[[Path], None]
    files: dict[str, tuple[Mutation, ...]]
    read: Callable[[Path], object]
    share: int = 10


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What went wrong, and how to see it again."""

    format: str
    seed: int
    what: str

    def __str__(self) -> str:
        return f"{self.format}, case {self.seed}: {self.what}"


@dataclass
class Bench:
    """A folder to damage things in, with a victim beside it that nobody may touch."""

    root: Path
    seeds: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        victim = self.root / "victim"
        victim.mkdir(parents=True)
        for name in ("thesis.png", "thesis.tif", "thesis.json", "thesis"):
            (victim / name).write_text("a day's work")
        self._victim = _snapshot(victim)

    def seed_of(self, form: Format) -> Path:
        """Valid files of a format, made once; they must be read without a word."""
        if form.name not in self.seeds:
            folder = self.root / "seeds" / form.name
            folder.mkdir(parents=True)
            form.make(folder)
            copy = self._fresh(folder)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                form.read(copy)
            self.seeds[form.name] = folder
        return self.seeds[form.name]

    def run(self, form: Format, seed: int) -> Iterator[Finding]:
        """One case: the same seed damages the same file in the same way."""
        rng = random.Random(f"{form.name} {seed}")
        folder = self._fresh(self.seed_of(form))
        for _ in range(rng.choice((1, 1, 1, 2))):
            damage(folder, form, rng)
        for what in _consequences(lambda: form.read(folder)):
            yield Finding(format=form.name, seed=seed, what=what)
        if _snapshot(self.root / "victim") != self._victim or {one.name for one in self.root.iterdir()} != {
            *("victim", "seeds", "work")
        }:
            yield Finding(format=form.name, seed=seed, what="something outside its folder was written")

    def _fresh(self, seed: Path) -> Path:
        work = self.root / "work"
        shutil.rmtree(work, ignore_errors=True)
        return Path(shutil.copytree(seed, work / "folder", symlinks=True))


def damage(folder: Path, form: Format, rng: random.Random) -> None:
    """Damage one file of a folder."""
    pattern = rng.choice(list(form.files))
    found = sorted(path for path in folder.glob(pattern) if path.is_file() and not path.is_symlink())
    if not found:
        return
    path = rng.choice(found)
    kind = rng.random()
    if kind < 0.04:
        _put_something_else(path, rng)
        return
    known = form.files[pattern]
    mutation = of_whole if kind < 0.08 else rng.choice(known) if known and kind < 0.75 else of_bytes
    try:
        content = mutation(path.read_bytes(), rng)
    except (ValueError, LookupError, OSError, RecursionError, zipfile.BadZipFile):  # damaged before: no JSON any more
        content = of_bytes(path.read_bytes(), rng)
    path.write_bytes(content)


def _put_something_else(path: Path, rng: random.Random) -> None:
    """A folder, nothing, or a link: to nothing, to itself, or to somebody's file."""
    path.unlink()
    match rng.randrange(5):
        case 0:
            path.mkdir()
        case 1:
            path.symlink_to(path)
        case 2:
            path.symlink_to("nowhere")
        case 3:
            path.symlink_to(Path(*[".."] * 9) / "etc" / "hostname")
        case _:
            pass


def _consequences(read: Callable[[], object]) -> Iterator[str]:
    before = _reset_peak()
    started = time.monotonic()
    try:
        with _limits(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read()
    except CerberusError as error:
        text = str(error)
        if not text.strip() or len(text) > _LONGEST_SENTENCE or (not text.isprintable() and "\n" not in text):
            yield f"no plain sentence: {text[:300]!r}"
    except _TooLong as error:
        yield f"took more than {SECONDS} s\n{_where(error)}"
    except Exception as error:  # noqa: BLE001 any of them is what we look for
        yield f"{type(error).__name__}: {str(error)[:300]}\n{_where(error)}"
    used = _peak() - before
    if used > MEMORY_BYTES:
        yield f"took {used / 2**30:.1f} GB of memory in {time.monotonic() - started:.1f} s"


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "napari_cerberus" in frame.filename] or frames
    return "\n".join(f"    {frame.filename}:{frame.lineno} {frame.name}: {frame.line}" for frame in ours[-4:])


@contextmanager
def _limits() -> Iterator[None]:
    def too_long(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLong

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    old = signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_DATA, (_memory("VmData") + _STOP_BYTES, hard))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _memory(name: str) -> int:
    """Of this process, in bytes, as Linux tells."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _reset_peak() -> int:
    _PEAK.write_text("5")
    return _memory("VmRSS")


def _peak() -> int:
    return _memory("VmHWM")


def _snapshot(folder: Path) -> dict[str, str]:
    """What lies there, by name; a folder has no content of its own."""
    paths = sorted(folder.rglob("*"))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "" for path in paths}


def cases(forms: Sequence[Format], number: int, first: int = 0) -> Iterator[tuple[Format, int]]:
    """So many cases over the formats, by their shares, the same ones for the same ``first``."""
    wheel = [form for form in forms for _ in range(form.share)]
    for seed in range(first, first + number):
        yield random.Random(seed).choice(wheel), seed
