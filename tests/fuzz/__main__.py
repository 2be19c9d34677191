"""Damage files by the thousand: ``cd tests && python -m fuzz --cases 5000 [--first 0] [--only pairs]``."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .formats import FORMATS
from .harness import Bench, cases


def main() -> int:
    """Print every finding, and how many cases of what were tried; 1 if there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first case")
    parser.add_argument("--minutes", type=float, default=24 * 60.0, help="begin no further case after so long")
    parser.add_argument("--only", nargs="*", choices=[form.name for form in FORMATS], help="kinds of file")
    parser.add_argument("--case", type=int, help="this case alone, of the first of --only")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    forms = [form for form in FORMATS if not chosen.only or form.name in chosen.only]
    todo = cases(forms, chosen.cases, chosen.first) if chosen.case is None else [(forms[0], chosen.case)]
    tried: Counter[str] = Counter()
    findings = 0
    until = time.monotonic() + 60 * chosen.minutes
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "bench")
        for form, seed in todo:
            if time.monotonic() > until:
                break
            tried[form.name] += 1
            for finding in bench.run(form, seed):
                findings += 1
                print(finding, flush=True)
    print(
        f"{sum(tried.values()):,} cases from seed {chosen.first}, {findings} findings; "
        + ", ".join(f"{n} {k}" for k, n in tried.items())
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
