"""The name of the model that a fine-tune makes."""

from __future__ import annotations

import datetime
import re

from ..model.library.manage import MAX_NAME
from .finetune_settings import FinetuneSettings

_NUMBER = 7
"""Letters left for a blank and for what ``free_name`` may add."""

_DATED = re.compile(r" \d{4}-\d{2}-\d{2}$")


def new_model_name(settings: FinetuneSettings, base_name: str) -> str:
    """The user's, else the base model's with today's date in place of the date it may have."""
    today = datetime.datetime.now().astimezone().date().isoformat()
    room = MAX_NAME - len(today) - _NUMBER
    return settings.name.strip() or f"{_DATED.sub('', base_name)[:room].strip()} {today}"
