"""What a run was planned with: ``plan.json`` in its folder, beside the config that repeats it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...files import write_text
from ...schemas import Count, FileSchema, HexDigest, LongText, ShortText, read, to_bytes
from ..finetune_settings import FinetuneSettings

if TYPE_CHECKING:
    from ..finetune_plan import Plan

PLAN_FILE = "plan.json"
_MAX_BYTES = 256 << 20


class RunPlan(FileSchema):
    """The user's choices, the base model, and the pairs as they were when they were checked.

    Attributes
    ----------
    settings : FinetuneSettings
    base_name, base_sha256 : str
    files : mapping of path below the pairs' folder to SHA-256
    usable : tuple of str
        Ids of the tiles that can be learned from.
    steps : int
    """

    format: Literal["napari-cerberus fine-tune plan"] = "napari-cerberus fine-tune plan"
    format_version: Literal[1] = 1
    settings: FinetuneSettings
    base_name: ShortText
    base_sha256: HexDigest
    files: dict[LongText, HexDigest]
    usable: tuple[LongText, ...]
    steps: Count


def write_plan(folder: Path, plan: Plan) -> None:
    """Write a plan into its run folder. Raises ``OutputError``, or ``DataError`` for a name that is no text."""
    record = RunPlan(
        settings=plan.settings,
        base_name=plan.base_name,
        base_sha256=plan.base_sha256,
        files=dict(plan.files),
        usable=plan.usable,
        steps=plan.steps,
    )
    write_text(folder / PLAN_FILE, to_bytes(record, indent=1).decode())


def read_plan(folder: Path) -> RunPlan:
    """The plan of a run folder. Raises ``DataError``."""
    return read(RunPlan, folder / PLAN_FILE, max_bytes=_MAX_BYTES)
