"""Who worked on an annotation: names from journal and table, totals from the journal, else nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from exporting.make_saved import save_corrected
from napari_cerberus.exporting.annotator_work import Work, work_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_corrected(tmp_path / "x.cerberus", tmp_path / "tile.png")
    return tmp_path / "x.cerberus"


def test_names_are_given_once_and_the_journal_comes_first(folder: Path) -> None:
    objects = pd.DataFrame({"changed_by": ["Ada", "", None, "Grace", "Ada"]})
    work = work_of(objects, folder / "journal.jsonl", "somebody else")
    assert work.annotator == "Grace, Ada"
    assert work.effort["edits"] == 2


def test_without_history_the_table_and_then_the_caller_tell(tmp_path: Path) -> None:
    assert work_of(pd.DataFrame({"changed_by": ["Ada"]}), None, "x") == Work(annotator="Ada")
    assert work_of(pd.DataFrame({"changed_by": [""]}), None, " x ") == Work(annotator="x")
    assert work_of(pd.DataFrame(), tmp_path / "missing.jsonl") == Work()


def test_a_damaged_journal_does_not_stand_in_the_way(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "journal.jsonl").write_bytes(b"\xff nothing like it")
    assert work_of(pd.DataFrame(), folder / "journal.jsonl", "x") == Work(annotator="x")
    assert "effort is not known" in caplog.text
