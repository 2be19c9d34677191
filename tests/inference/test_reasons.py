"""What an answer rests on: likeness to learned tiles, hidden parts, facts of an object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_cerberus.annotation.edits import ProbabilityMap
from napari_cerberus.annotation.edits.window import window_around
from napari_cerberus.annotation.object_columns import EDITED, UNREVIEWED
from napari_cerberus.errors import ImageError
from napari_cerberus.inference.objects.found_objects import object_confidence
from napari_cerberus.inference.reasons.hide_and_see import elsewhere, hide, read_tissue, tissue_colour
from napari_cerberus.inference.reasons.object_reasons import object_reasons, reasons_sentence
from napari_cerberus.inference.reasons.resemblance import resemblance
from napari_cerberus.model.reference_tiles import VECTOR_LENGTH, ReferenceTiles
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS, instances
from tiny import spotted, tiny_model

SHARES = {"calm": 0.3, "wild": 0.7}


def axis(*places: int) -> np.ndarray:
    vector = np.zeros(VECTOR_LENGTH, np.float32)
    vector[list(places)] = 1
    return vector


def kept_tiles(**changes: object) -> ReferenceTiles:
    made = ReferenceTiles(
        vectors=np.stack([axis(0), axis(0, 1), axis(2), axis(2, 3), axis(2, 4)]),
        classes=("calm", "wild"),
        class_of=np.array([0, 0, 1, 1, 1]),
        names=("a", "b", "c", "d", "e"),
        patients=("p", "q", "r", "s", "t"),
        held_out=np.zeros(0, np.float32),
        weights_sha256="ab" * 32,
        thumbnails=(b"1", b"2", b"3", b"4", b"5"),
        attribution="Somebody 2020, CC BY 4.0",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_said_class_and_its_rival_each_show_their_nearest_tiles() -> None:
    alike = resemblance(SHARES, axis(2), kept_tiles())
    assert alike is not None
    assert (alike.said, alike.rival) == ("wild", "calm")
    assert [one.name for one in alike.of_said] == ["c", "d", "e"]
    assert {one.name for one in alike.of_rival} == {"a", "b"}
    assert alike.of_said[0].thumbnail == b"3"
    assert alike.of_said[0].distance == pytest.approx(0, abs=1e-6)
    assert alike.nearest == {"wild": 3, "calm": 2}
    assert alike.nearest_sentence == "Of the 5 tiles most alike, whatever their class, 3 are wild, 2 calm."
    assert not alike.is_far


def test_without_tiles_or_tissue_nothing_is_said_of_likeness() -> None:
    assert resemblance(SHARES, axis(0), None) is None
    assert resemblance(SHARES, None, kept_tiles()) is None
    assert resemblance({}, axis(0), kept_tiles()) is None


def test_tiles_without_pictures_keep_their_names() -> None:
    alike = resemblance({"wild": 1.0}, axis(2), kept_tiles(thumbnails=()))
    assert alike is not None
    assert alike.of_said[0].thumbnail == b""
    assert alike.rival == ""
    assert alike.of_rival == ()


def test_a_hidden_part_has_the_mean_colour_of_the_tissue_left() -> None:
    image = np.full((40, 40, 3), (200, 120, 180), np.uint8)
    image[:10] = 255  # glass, which does not count
    image[20:30, 20:30] = (20, 10, 60)
    hidden = np.zeros((40, 40), bool)
    hidden[20:30, 20:30] = True
    covered = hide(image, hidden)
    assert tuple(tissue_colour(image, hidden)) == (200, 120, 180)
    assert (covered[hidden] == (200, 120, 180)).all()
    np.testing.assert_array_equal(covered[~hidden], image[~hidden])
    assert (image[25, 25] == (20, 10, 60)).all()


def test_not_everything_can_be_hidden() -> None:
    with pytest.raises(ImageError, match="leave some of it"):
        hide(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), bool))


def test_the_same_shape_elsewhere_is_as_large_and_not_in_the_same_place() -> None:
    hidden = np.zeros((40, 60), bool)
    hidden[2:12, 5:25] = True
    moved = elsewhere(hidden)
    assert moved is not None
    assert moved.sum() == hidden.sum()
    assert not (moved & hidden).any()
    assert elsewhere(np.ones((40, 60), bool)) is None


def test_hiding_what_the_network_looks_at_moves_its_answer() -> None:
    image, model = spotted((160, 160), spots=3), tiny_model()
    hidden = image[..., 1] < 150
    whole = run_to_end(read_tissue(image, model, 0.5))
    again = run_to_end(read_tissue(image, model, 0.5))
    without = run_to_end(read_tissue(hide(image, hidden), model, 0.5))
    assert whole.shares == again.shares
    assert sum(whole.shares.values()) == pytest.approx(1)
    assert without.shares["calm"] != pytest.approx(whole.shares["calm"], abs=1e-3)
    assert whole.resemblance is None, "this model keeps no tiles"


def test_a_model_without_a_tissue_head_is_named() -> None:
    with pytest.raises(ImageError, match="tiny tells no tissue type"):
        run_to_end(read_tissue(spotted((64, 64)), tiny_model([instances(GLANDS)]), 0.5))


def scene(confidence: float = 0.9, state: str = UNREVIEWED) -> tuple[np.ndarray, pd.DataFrame, ProbabilityMap]:
    """Six squares; number 6 is the largest, clear inside with a contour of its own."""
    labels = np.zeros((60, 60), np.int32)
    for number in range(1, 6):
        labels[1:5, 10 * number - 9 : 10 * number - 5] = number
    labels[20:40, 20:40] = 6
    both = np.zeros((2, 60, 60), np.float32)
    both[0, 20:40, 20:40], both[1, 20:40, 20:40] = 0.9, 0.05
    objects = pd.DataFrame(
        {"index": range(1, 7), "area_um2": [16.0] * 5 + [400.0], "confidence": confidence, "state": state}
    )
    seen = ProbabilityMap(probabilities=both, top_px=0, left_px=0, bottom_px=60, right_px=60)
    return labels, objects, seen


def test_margin_and_sharpness_are_those_that_confidence_is_made_of() -> None:
    labels, objects, seen = scene()
    reasons = object_reasons(6, objects, window_around(labels, 6), seen, flips=False)
    assert reasons.margin is not None
    assert reasons.sharpness is not None
    alone = (labels == 6).astype(np.int32)
    expected = object_confidence(alone, *seen.probabilities)[0]
    assert reasons.margin * (0.5 + 0.5 * reasons.sharpness) == pytest.approx(expected, abs=1e-5)
    assert reasons.larger_than == 1.0
    assert reasons.others == 5
    assert reasons.agreement is None


def test_on_a_finer_image_the_figures_still_give_the_confidence() -> None:
    rows, columns = np.mgrid[:30, :30]
    inner = np.clip(1.3 - np.hypot(rows - 14, columns - 13) / 10, 0, 0.98).astype(np.float32)
    on_model = (inner > 0.5).astype(np.int32)
    seen = ProbabilityMap(
        probabilities=np.stack([inner, (1 - inner) / 3]), top_px=0, left_px=0, bottom_px=120, right_px=120
    )
    labels = np.kron(on_model, np.ones((4, 4), np.int32))
    objects = pd.DataFrame({"index": [1], "area_um2": [1.0], "confidence": 0.5, "state": UNREVIEWED})
    reasons = object_reasons(1, objects, window_around(labels, 1), seen, flips=False)
    assert reasons.margin is not None
    assert reasons.sharpness is not None
    (expected,) = object_confidence(on_model, *seen.probabilities)
    assert reasons.margin * (1 + reasons.sharpness) / 2 == pytest.approx(expected, abs=1e-6)


def test_agreement_is_what_is_left_of_confidence_and_only_of_what_the_model_drew() -> None:
    labels, objects, seen = scene()
    expected = object_confidence((labels == 6).astype(np.int32), *seen.probabilities)[0]
    labels, objects, seen = scene(confidence=0.8 * expected)
    window = window_around(labels, 6)
    assert object_reasons(6, objects, window, seen, flips=True).agreement == pytest.approx(0.8, abs=1e-4)
    assert object_reasons(6, objects.assign(state=EDITED), window, seen, flips=True).agreement is None
    by_hand = objects.assign(confidence=np.nan)
    assert object_reasons(6, by_hand, window, seen, flips=True).agreement is None


def test_what_is_not_kept_is_said() -> None:
    labels, objects, seen = scene()
    fresh = reasons_sentence(object_reasons(6, objects, window_around(labels, 6), seen, flips=False), "glands")
    assert fresh.startswith("Why? margin inside 0.90")
    assert fresh.endswith("larger than 100% of the 5 other glands here.")
    kept = object_reasons(6, objects.tail(3), window_around(labels, 6), None, flips=True)
    assert reasons_sentence(kept, "glands") == (
        "Why? margin and border are not kept in files: annotate again to see them."
    )
