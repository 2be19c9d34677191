"""Words for the user: counts, device, doubt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_cerberus.inference.doubts.tissue_doubt import doubt
from napari_cerberus.tasks import objects_of
from napari_cerberus.viewer.annotate.annotation_result import added_sentence, summary_sentence
from napari_cerberus.viewer.layers import Added
from napari_cerberus.viewer.session import RunSummary

READOUT = RunSummary(
    image_id="id",
    image_name="tile",
    tissue={},
    counts={"nuclei": 1212, "glands": 1, "lumina": 0},
    classes={},
    model_name="starter",
    device="cuda",
    precision="bf16",
    device_reason="GPU",
    seconds=3.21,
)


def test_the_summary() -> None:
    assert summary_sentence(READOUT) == "1,212 nuclei, 1 gland, 0 lumina; 3.2 s on GPU (bf16)"
    assert summary_sentence(replace(READOUT, counts={})).startswith("no objects")


@pytest.mark.parametrize(
    ("task", "number", "words"),
    [
        ("nuclei", 1, "1 nucleus"),
        ("lumina", 1, "1 lumen"),
        ("glands", 2, "2 glands"),
        ("polyps", 1, "1 polyps"),
    ],
)
def test_counts_in_words(task: str, number: int, words: str) -> None:
    assert objects_of(task, number) == words


def test_kept_layers_are_named() -> None:
    one = added_sentence(READOUT, Added(new=("b",), replaced=(), kept=("a",)))
    two = added_sentence(READOUT, Added(new=("b",), replaced=(), kept=("a", "c")))
    assert "“a” was edited" in one
    assert "“a” and “c” were edited" in two


@pytest.mark.parametrize(
    ("tissue", "words"),
    [
        ({}, ""),
        ({"Normal": 0.62, "Polyp": 0.38}, ""),
        ({"Normal": 0.40, "Polyp": 0.35, "Other": 0.25}, "no tissue type reaches 50 %"),
        ({"Normal": 0.52, "Polyp": 0.48}, "Normal and Polyp are close"),
        ({"Normal": 1.0}, ""),
    ],
)
def test_doubt_is_said_plainly(tissue: dict[str, float], words: str) -> None:
    sentence = doubt(tissue)
    assert words in sentence
    assert sentence.startswith("Uncertain") == bool(words)
