"""A comparison told as a pathologist would tell it, before any figure."""

import pytest

from napari_cerberus.finetune.comparison.comparison_record import ModelComparison, Row
from napari_cerberus.widgets.finetune.comparison_words import story


def comparison(patients=5, weak=False, **counts):
    rows = tuple(Row(task=task, figure="dice", tiles=5, patients=patients, weak=weak) for task in counts)
    return ModelComparison(
        verdict="better",
        sentence="",
        rows=rows,
        held_out=tuple(map(str, range(patients))),
        drawn={task: one[0] for task, one in counts.items()},
        found_before={task: one[1] for task, one in counts.items()},
        found_after={task: one[2] for task, one in counts.items()},
        wrong_before={task: one[3] for task, one in counts.items() if len(one) > 3},
        wrong_after={task: one[4] for task, one in counts.items() if len(one) > 3},
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (comparison(glands=(10, 7, 9)), "On your 5 patients it now finds 9 of 10 glands instead of 7."),
        (comparison(1, glands=(10, 7, 7)), "On your patient it now finds 7 of 10 glands, as before."),
        (comparison(glands=(10, 9, 7)), "On your 5 patients it now finds 7 of 10 glands instead of 9."),
        (
            comparison(glands=(10, 7, 9), nuclei=(90, 50, 60)),
            "On your 5 patients it now finds 9 of 10 glands instead of 7; 60 of 90 nuclei instead of 50.",
        ),
        (
            comparison(glands=(10, 7, 9, 4, 2)),
            "On your 5 patients it now finds 9 of 10 glands instead of 7, and draws 2 wrongly instead of 4.",
        ),
        (
            comparison(glands=(10, 7, 9, 4, 0)),
            "On your 5 patients it now finds 9 of 10 glands instead of 7, and draws none wrongly instead of 4.",
        ),
        (comparison(weak=True, lumina=(10, 7, 9)), ""),
        (comparison(glands=(0, 0, 0)), ""),
        (comparison(0, glands=(10, 7, 9)), ""),
    ],
)
def test_what_is_found_now_and_was_before_is_said_in_a_sentence(given, told):
    assert story(given) == told
