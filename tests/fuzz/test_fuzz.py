"""A small fixed sample of what ``python -m fuzz`` does by the thousand: no traceback, nothing outside, no 1 GB."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .formats import FORMATS
from .harness import Bench, Format
from .mutations import of_json

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux tells it")
CASES = 6


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Format) -> None:
    for name in ("NAPARI_CERBERUS_MODELS", "NAPARI_CERBERUS_RUNS"):
        monkeypatch.setenv(name, str(tmp_path))
    bench = Bench(tmp_path / "bench")
    found = [str(finding) for seed in range(CASES) for finding in bench.run(form, seed)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda _: {}["x"], "KeyError"),
        (lambda folder: (folder / ".." / ".." / "victim" / "thesis").write_text("gone"), "something outside"),
        (lambda _: bytearray(3 << 29), "GB of memory"),
    ],
)
def test_the_fuzzer_sees_what_it_looks_for(tmp_path: Path, what: Callable[[Path], object], said: str) -> None:
    def make(folder: Path) -> None:
        (folder / "a.json").write_text('{"a": 1}')

    def read(folder: Path) -> None:
        if not (folder / "a.json").is_file() or (folder / "a.json").read_bytes() != b'{"a": 1}':
            what(folder)

    bench = Bench(tmp_path / "bench")
    form = Format(name="x", make=make, files={"a.json": (of_json,)}, read=read)
    assert any(said in str(finding) for seed in range(5) for finding in bench.run(form, seed))
