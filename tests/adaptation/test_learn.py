"""Learning in the open image, with a tiny network: what it may look at, what it must leave alone, what it says."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_cerberus.adaptation import learning_time
from napari_cerberus.adaptation.annotate_rest import annotate_rest, placed
from napari_cerberus.adaptation.decoder_steps import Page, fit
from napari_cerberus.adaptation.guard import choose
from napari_cerberus.adaptation.kept_features import read_features
from napari_cerberus.adaptation.learn import learn
from napari_cerberus.adaptation.learn_settings import LearnSettings
from napari_cerberus.adaptation.learning_time import learning_seconds
from napari_cerberus.adaptation.lessons import Lesson, by_pixel_size, prepare
from napari_cerberus.annotation.finished_areas import FinishedArea
from napari_cerberus.errors import DataError, DeviceError, SettingsError
from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.device import choose_runtime
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.library.entries import STARTER, shipped_folder
from napari_cerberus.model.spec import load_spec
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.tasks import GLANDS, NUCLEI
from tiny import spotted, tiny_model

SIDE = 96
FAST = LearnSettings(steps=12, crop_px=48, learning_rate=0.02, batch=2, device="cpu")
SEEN = AnnotateSettings(pixel_size_um=0.5, device="cpu")


def spoiled(model: Model) -> Model:
    """The same network with a gland head that misses most objects."""
    network = copy.deepcopy(model.network)
    network.heads[NUCLEI].bias.data = torch.tensor([14.0, 0.0, 0.0])
    return replace(model, network=network)


@pytest.fixture
def image() -> np.ndarray:
    return spotted((SIDE, SIDE), seed=3, spots=26, radius_px=8)


def lesson_of(image: np.ndarray, area: tuple[int, int, int, int], labels: np.ndarray | None = None) -> Lesson:
    drawn = ndimage.label(image[..., 1] < 110)[0].astype(np.int32) if labels is None else labels
    return Lesson(
        image=image,
        pixel_size_um=0.5,
        labels={NUCLEI: drawn},
        areas=(FinishedArea.rectangle(*area, (NUCLEI,)),),
        name="field",
    )


def weights_of(model: Model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_poor_head_gets_better_and_the_base_model_stays(image: np.ndarray) -> None:
    base = spoiled(tiny_model())
    before = weights_of(base)
    adapted = run_to_end(learn([lesson_of(image, (0, 0, SIDE, 48))], base, FAST))
    assert adapted.changed, adapted.sentence
    assert adapted.gains[0].after > adapted.gains[0].before + 0.1
    assert adapted.tasks == (NUCLEI,)
    assert "nuclei from" in adapted.sentence
    assert same(before, weights_of(base))
    assert adapted.model.sha256 != base.sha256
    changed = {name for name, value in weights_of(adapted.model).items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith((f"decoders.{NUCLEI}.", f"heads.{NUCLEI}.")) for name in changed)
    record = adapted.model.spec.provenance["learned_here"]
    assert record["rounds"][0]["areas"]["field"][0]["tasks"] == [NUCLEI]


def test_labels_outside_of_the_finished_area_change_no_bit(image: np.ndarray) -> None:
    lesson = lesson_of(image, (0, 0, SIDE, 48))
    other = lesson.labels[NUCLEI].copy()
    other[:, 48:] = np.random.default_rng(0).integers(0, 50, (SIDE, SIDE - 48))
    base = spoiled(tiny_model())
    first, second = (run_to_end(learn([one], base, FAST)) for one in (lesson, replace(lesson, labels={NUCLEI: other})))
    assert first.changed
    assert same(weights_of(first.model), weights_of(second.model))
    inside = lesson.labels[NUCLEI].copy()
    inside[:, 10:30] = 0
    third = run_to_end(learn([replace(lesson, labels={NUCLEI: inside})], base, FAST))
    assert not same(weights_of(first.model), weights_of(third.model)), "what lies inside does count"


def test_the_record_is_enough_to_learn_the_same_again(image: np.ndarray) -> None:
    base = spoiled(tiny_model())
    lesson = lesson_of(image, (0, 0, SIDE, 48))
    first = run_to_end(learn([lesson], base, FAST))
    record = first.model.spec.provenance["learned_here"]["rounds"][0]
    areas = tuple(FinishedArea.from_json(one) for one in record["areas"]["field"])
    again = run_to_end(learn([replace(lesson, areas=areas)], base, LearnSettings.from_json(record["settings"])))
    assert again.model.sha256 == first.model.sha256
    other = run_to_end(learn([lesson], base, replace(FAST, seed=1)))
    assert other.model.sha256 != first.model.sha256


def test_wrong_labels_in_one_half_are_refused_by_the_guard(image: np.ndarray) -> None:
    base = tiny_model()
    drawn = run_to_end(annotate(image, base, SEEN)).labels[NUCLEI].copy()
    adapted = run_to_end(learn([lesson_of(image, (0, 0, SIDE, 48), drawn)], base, FAST))
    assert not adapted.changed, "a model that is already right is left alone"
    assert adapted.model is base
    assert adapted.sentence.startswith("Nothing was changed.")
    assert not run_to_end(annotate_rest(adapted, lesson_of(image, (0, 0, SIDE, 48)), SEEN)).labels


@pytest.mark.parametrize("stop_after", [1, 4, 9, 20])
def test_a_cancel_leaves_everything_as_it_was(image: np.ndarray, stop_after: int) -> None:
    base = spoiled(tiny_model())
    before = weights_of(base)
    job = learn([lesson_of(image, (0, 0, SIDE, 48))], base, FAST)
    for _ in range(stop_after):
        next(job)
    job.close()
    assert same(before, weights_of(base))
    assert not any(parameter.grad is not None for parameter in base.network.parameters())


def test_an_area_without_objects_is_told_and_nothing_is_learned(image: np.ndarray) -> None:
    labels = np.zeros((SIDE, SIDE), np.int32)
    adapted = run_to_end(learn([lesson_of(image, (0, 0, 40, 40), labels)], spoiled(tiny_model()), FAST))
    assert not adapted.changed
    assert "holds none" in adapted.sentence


def test_areas_over_the_edge_and_overlapping_teach_as_their_pixels_do(image: np.ndarray) -> None:
    base, once = spoiled(tiny_model()), lesson_of(image, (0, 0, SIDE, 48))
    boxes = [(-30, -9, 60, 48), (40, 0, SIDE + 50, 48), (20, 10, 80, 40)]
    twice = replace(once, areas=tuple(FinishedArea.rectangle(*box, (NUCLEI,)) for box in boxes))
    first, second = (run_to_end(learn([lesson], base, FAST)) for lesson in (once, twice))
    assert first.changed
    assert same(weights_of(first.model), weights_of(second.model))


def test_one_object_in_a_fiftieth_of_a_field_is_handled_and_said(image: np.ndarray) -> None:
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[43:51, 43:51] = 1
    base = spoiled(tiny_model())
    adapted = run_to_end(learn([lesson_of(image, (41, 41, 54, 54), labels)], base, FAST))
    assert adapted.changed or adapted.model is base
    assert ("nuclei from" in adapted.sentence) is adapted.changed
    assert ("nothing was gained on the part kept for checking" in adapted.sentence) is not adapted.changed


def sums_of(tp: float, fp: float, fn: float, *, found: bool = True) -> dict[str, float]:
    """Of one drawn object that is found as these pixels, or missed."""
    drawn, predicted = tp + fn, tp + fp
    overlap = 2 * tp / (drawn + predicted)
    return {
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "drawn_area": drawn,
        "predicted_area": predicted,
        "drawn_dice": overlap * drawn,
        "predicted_dice": overlap * predicted,
        "matched": float(found),
        "iou_sum": float(found),
        "missed": float(not found),
        "extra": float(not found),
    }


@pytest.mark.parametrize(
    ("first", "second", "keep"),
    [
        ((90, 0, 10), (90, 0, 10), 0.5),  # both halves gain: the larger share brings no more
        ((100, 0, 0), (52, 20, 48), 0.0),  # one half loses pixels
        ((73, 28, 27), (73, 28, 27), 0.0),  # next to nothing is gained
    ],
)
def test_kept_is_what_gains_on_both_halves_and_loses_on_neither(
    first: tuple[int, int, int], second: tuple[int, int, int], keep: float
) -> None:
    before = [sums_of(72, 28, 28), sums_of(72, 28, 28)]
    after = [sums_of(*first), sums_of(*second)]
    verdict = choose(before, {0.5: after, 1.0: after})
    assert verdict.keep == keep
    assert verdict.gain == pytest.approx(verdict.after - verdict.before)


def test_the_share_that_brings_most_is_kept() -> None:
    before = [sums_of(60, 40, 40, found=False)] * 2
    half, whole = [sums_of(80, 20, 20, found=False)] * 2, [sums_of(81, 19, 19, found=False)] * 2
    assert choose(before, {0.5: half, 1.0: whole}).keep == 1.0
    assert choose(before, {0.5: whole, 1.0: half}).keep == 0.5


def test_a_model_that_sees_well_already_must_gain_more() -> None:
    assert choose([sums_of(78, 22, 22)] * 2, {1.0: [sums_of(84, 16, 16)] * 2}).keep == 1.0
    assert choose([sums_of(84, 16, 16)] * 2, {1.0: [sums_of(90, 10, 10)] * 2}).keep == 0.0
    assert choose([sums_of(84, 16, 16, found=False)] * 2, {1.0: [sums_of(97, 3, 3)] * 2}).keep == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"areas": ()}, "mark an area"),
        ({"areas": (FinishedArea.rectangle(500, 500, 600, 600, (NUCLEI,)),)}, "No finished area lies inside"),
        ({"labels": {}}, "no layer of nuclei"),
        ({"labels": {NUCLEI: np.zeros((4, 4), int)}}, "different sizes"),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(image: np.ndarray, change: dict, words: str) -> None:
    lesson = replace(lesson_of(image, (0, 0, SIDE, 48)), **change)
    with pytest.raises(DataError, match=words):
        run_to_end(learn([lesson], tiny_model(), FAST))


def test_areas_that_contradict_each_other_teach_nothing_where_they_do(image: np.ndarray) -> None:
    lesson = lesson_of(image, (0, 0, SIDE, 48))
    other = replace(lesson, labels={NUCLEI: np.zeros((SIDE, SIDE), np.int32)}, name="the same")
    adapted = run_to_end(learn([lesson, other], spoiled(tiny_model()), FAST))
    assert any("contradict" in note for note in adapted.notes)
    assert not adapted.changed
    assert "holds none" in adapted.sentence


def test_a_second_round_goes_on_and_is_judged_by_what_is_new(image: np.ndarray) -> None:
    base = spoiled(tiny_model())
    first = run_to_end(learn([lesson_of(image, (0, 0, SIDE, 48))], base, replace(FAST, keep=(0.3,))))
    same_area = run_to_end(learn([lesson_of(image, (0, 0, SIDE, 48))], base, FAST, earlier=first))
    assert "no area was finished since" in same_area.sentence
    assert same_area.model is first.model
    assert same_area.tasks == (NUCLEI,)
    both = lesson_of(image, (0, 0, SIDE, 48))
    both = replace(both, areas=(*both.areas, FinishedArea.rectangle(0, 48, SIDE, 90, (NUCLEI,))))
    second = run_to_end(learn([both], base, FAST, earlier=first))
    assert second.base is base
    assert second.gains[0].before > first.gains[0].before
    assert len(second.rounds) == 1 + second.changed


def test_several_images_teach_together(image: np.ndarray) -> None:
    small = spotted((64, 80), seed=5, spots=16, radius_px=8)
    lessons = [lesson_of(image, (0, 0, SIDE, 48)), replace(lesson_of(small, (0, 0, 64, 80)), name="second")]
    adapted = run_to_end(learn(lessons, spoiled(tiny_model()), FAST))
    assert adapted.changed
    assert set(adapted.features) == {("field", 0.5), ("second", 0.5)}
    assert set(adapted.rounds[0].areas) == {"field", "second"}


def test_short_memory_reads_the_surroundings_only_and_says_so(image: np.ndarray) -> None:
    large = np.concatenate([image, np.full((SIDE, 900, 3), 240, np.uint8)], axis=1)
    settings = replace(FAST, memory_bytes=400_000)
    adapted = run_to_end(learn([lesson_of(large, (0, 0, SIDE, 48))], spoiled(tiny_model()), settings))
    assert any("too large to be kept" in note for note in adapted.notes)
    assert not adapted.features
    rest = run_to_end(annotate_rest(adapted, lesson_of(large, (0, 0, SIDE, 48)), SEEN))
    assert set(rest.labels) == set(adapted.tasks)


def test_what_is_said_of_short_memory_is_said_once(image: np.ndarray) -> None:
    large = np.concatenate([image, np.full((SIDE, 900, 3), 240, np.uint8)], axis=1)
    one = lesson_of(large, (0, 0, SIDE, 48))
    areas = (FinishedArea.rectangle(0, 0, SIDE, 48, (GLANDS, NUCLEI)),)
    lesson = replace(one, labels={NUCLEI: one.labels[NUCLEI], GLANDS: one.labels[NUCLEI]}, areas=areas)
    lessons = [lesson, replace(lesson, name="second")]
    notes = run_to_end(learn(lessons, two_scales(), replace(FAST, memory_bytes=400_000))).notes
    assert len(set(notes)) == len(notes)
    assert sum("too large to be kept" in note for note in notes) == 1


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB"), RuntimeError("can't allocate memory")],
)
@pytest.mark.parametrize("when", ["read_features", "fit"])
def test_memory_that_runs_out_is_one_sentence_and_changes_nothing(
    image: np.ndarray, monkeypatch: pytest.MonkeyPatch, when: str, error: Exception
) -> None:
    def short(*_: object, **__: object) -> None:
        raise error

    base = spoiled(tiny_model())
    before = weights_of(base)
    monkeypatch.setattr(f"napari_cerberus.adaptation.learn.{when}", short)
    with pytest.raises(DeviceError, match="not enough memory to learn from this image; finish a smaller area"):
        run_to_end(learn([lesson_of(image, (0, 0, SIDE, 48))], base, FAST))
    assert same(before, weights_of(base))


def test_memory_that_runs_out_for_the_rest_is_one_sentence(image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    lesson = lesson_of(image, (0, 0, SIDE, 48))
    adapted = run_to_end(learn([lesson], spoiled(tiny_model()), FAST))
    monkeypatch.setattr("napari_cerberus.adaptation.annotate_rest.objects_from", short)
    with pytest.raises(DeviceError, match="not enough memory for this image"):
        run_to_end(annotate_rest(adapted, lesson, SEEN))


def test_the_rest_is_annotated_and_finished_objects_stay(image: np.ndarray) -> None:
    lesson = lesson_of(image, (0, 0, SIDE, 48))
    adapted = run_to_end(learn([lesson], spoiled(tiny_model()), FAST))
    rest = run_to_end(annotate_rest(adapted, lesson, SEEN))
    fresh = run_to_end(annotate(image, adapted.model, SEEN)).labels[NUCLEI]
    agree = (rest.labels[NUCLEI] > 0) == (fresh > 0)
    assert agree.mean() > 0.99, "kept features give what reading the image again gives"
    inside = lesson.areas[0].mask((SIDE, SIDE))
    assert np.array_equal(rest.placed[NUCLEI][inside], lesson.labels[NUCLEI][inside])
    assert (rest.placed[NUCLEI][~inside] > 0).any()


def test_placed_keeps_whole_objects_and_cuts_or_drops_new_ones() -> None:
    finished = np.zeros((4, 12), bool)
    finished[:, :4] = True
    current = np.zeros((4, 12), int)
    current[0, 2:6] = 9  # crosses the area's edge: stays, whole
    new = np.zeros((4, 12), np.int32)
    new[0, 3:7] = 1  # the same object again
    new[2, 3:11] = 2  # an eighth inside: cut
    result = placed(new, current, finished)
    assert result[0].tolist() == [0, 0, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0]
    assert result[2].tolist() == [0, 0, 0, 0, *[10] * 7, 0]


def test_only_the_taught_decoder_gets_gradients(image: np.ndarray) -> None:
    model = tiny_model()
    runtime = choose_runtime(FAST.device)
    network = copy.deepcopy(model.network)
    view = run_to_end(read_features(image, network.to(runtime.dtype), runtime))
    network = copy.deepcopy(model.network)
    target, known = np.zeros((SIDE, SIDE), np.uint8), np.ones((SIDE, SIDE), np.float32)
    state = run_to_end(fit(network, NUCLEI, [Page(views=(view,), target=target, weights=known)], FAST, runtime, [0]))
    for name, value in network.state_dict().items():
        assert (name in state) != torch.equal(value, model.network.state_dict()[name])


def two_scales() -> Model:
    """A model that reads glands at 0.5 and nuclei at 0.25 µm/px, and is poor at both."""
    model = spoiled(tiny_model())
    model.network.heads[GLANDS].bias.data = torch.tensor([14.0, 0.0, 0.0])
    return replace(model, spec=replace(model.spec, task_pixel_size_um={NUCLEI: 0.25}))


def test_tasks_of_two_pixel_sizes_learn_each_on_its_own_grid(image: np.ndarray) -> None:
    base, one = two_scales(), lesson_of(image, (0, 0, SIDE, 48))
    drawn = one.labels[NUCLEI]
    both = (FinishedArea.rectangle(0, 0, SIDE, 48, (GLANDS, NUCLEI)),)
    lesson = replace(one, labels={NUCLEI: drawn, GLANDS: drawn}, areas=both)
    assert {size: part[0].areas[0].tasks for size, part in by_pixel_size([lesson], base.spec).items()} == {
        0.5: (GLANDS,),
        0.25: (NUCLEI,),
    }
    adapted = run_to_end(learn([lesson], base, FAST))
    assert set(adapted.features) == {("field", 0.5), ("field", 0.25)}
    assert [view.whole.shape for _, view in sorted(adapted.features.items())] == [(2 * SIDE, 2 * SIDE), (SIDE, SIDE)]
    assert {one.task for one in adapted.gains} == {GLANDS, NUCLEI}
    assert adapted.tasks, adapted.sentence
    rest = run_to_end(annotate_rest(adapted, lesson, SEEN))
    fresh = run_to_end(annotate(image, adapted.model, SEEN))
    for task in adapted.tasks:
        assert rest.labels[task].shape == (SIDE, SIDE)
        assert ((rest.labels[task] > 0) == (fresh.labels[task] > 0)).mean() > 0.98
    alone = replace(lesson, areas=(FinishedArea.rectangle(0, 0, SIDE, 48, (NUCLEI,)),))
    assert set(run_to_end(learn([alone], base, FAST)).features) <= {("field", 0.25)}


def test_seconds_are_told_beforehand_and_grow_with_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 0.25)  # a busy computer's own says nothing
    monkeypatch.setattr(learning_time.time, "perf_counter", lambda: next(clock))
    small, large = (learning_seconds((side, side), 0.5, (NUCLEI,), tiny_model(), FAST) for side in (200, 3000))
    assert 0 < small < large


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"crop_px": 50}, {"keep": ()}, {"seed": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(SettingsError):
        LearnSettings(**wrong)


def test_the_shipped_starter_is_taught_glands_and_nuclei_each_at_its_own_scale() -> None:
    spec, _sha256 = load_spec(shipped_folder() / STARTER)
    labels = np.zeros((200, 240), np.int32)
    labels[20:60, 20:60], labels[80:120, 30:90] = 1, 2
    lesson = Lesson(
        image=spotted((200, 240), seed=1),
        pixel_size_um=0.5,
        labels={GLANDS: labels, NUCLEI: labels},
        areas=(FinishedArea.rectangle(0, 0, 200, 120, (GLANDS, NUCLEI)),),
    )
    groups = by_pixel_size([lesson], spec)
    assert set(groups) == {spec.pixel_size_of(GLANDS), spec.pixel_size_of(NUCLEI)} == {1.0, 0.5}
    for size_um, (task, shape) in {1.0: (GLANDS, (100, 120)), 0.5: (NUCLEI, (200, 240))}.items():
        (sheet,) = prepare(groups[size_um], spec, {}, 10**6).sheets
        assert sheet.image.shape[:2] == shape
        assert list(sheet.grounds) == [task]
        assert sheet.grounds[task].counted.sum() == shape[0] * shape[1] // 2


def test_a_squeezed_image_is_learned_from_in_its_true_shape() -> None:
    labels = np.zeros((96, 48), np.int32)
    labels[20:60, 10:30] = 1
    lesson = Lesson(
        image=spotted((96, 48), seed=1),
        pixel_size_um=PixelSize(0.5, 1.0),
        labels={NUCLEI: labels},
        areas=(FinishedArea.rectangle(0, 0, 96, 24, (NUCLEI,)),),
    )
    (sheet,) = prepare([lesson], tiny_model().spec, {}, 10**6).sheets
    assert sheet.image.shape[:2] == (96, 96)
    drawn = sheet.grounds[NUCLEI].labels > 0
    assert drawn.sum() == 40 * 28
    assert drawn[20:60, 20:48].all(), "twice as many model pixels across as image pixels; what lies in the area"
