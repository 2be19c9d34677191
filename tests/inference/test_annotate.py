"""The whole job."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from napari_cerberus.annotation.object_columns import COLUMNS
from napari_cerberus.errors import CerberusError, DeviceError, ImageError, SettingsError
from napari_cerberus.inference.annotate import Annotation, annotate
from napari_cerberus.inference.annotate_settings import NO_REPAIR, AnnotateSettings
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.published import PUBLISHED_ORIGIN
from napari_cerberus.progress import Progress, run_to_end
from napari_cerberus.tasks import instances
from tiny import EXACT, TINY_TASKS, TinyNetwork, spotted, tiny_model

IMAGE = spotted((120, 150), spots=25)


def run(image: np.ndarray = IMAGE, model: Model | None = None, **settings: object) -> Annotation:
    chosen = AnnotateSettings(**{"pixel_size_um": 0.5, "device": "cpu", **settings})  # type: ignore[arg-type]
    return run_to_end(annotate(image, model or tiny_model(), chosen))


def test_one_image_end_to_end() -> None:
    result = run()
    assert list(result.labels) == ["lumina", "glands", "nuclei"]
    for task, labels in result.labels.items():
        assert labels.shape == IMAGE.shape[:2]
        assert labels.dtype == np.int32
        rows = result.objects[result.objects["task"] == task]
        assert rows["index"].tolist() == list(range(1, result.counts[task] + 1))
        assert rows["area_um2"].sum() == pytest.approx((labels > 0).sum() * 0.25)
    assert result.counts["nuclei"] > 5
    assert list(result.objects.columns) == list(COLUMNS)
    nuclei = result.objects[result.objects["task"] == "nuclei"]
    assert set(nuclei["class"]) <= {"background", "round", "long"}
    assert nuclei["class_probability"].between(0, 1).all()
    assert sum(result.tissue.values()) == pytest.approx(1.0)
    assert (result.run.model_name, result.run.device, result.pixel_size_um) == ("tiny", "cpu", 0.5)
    assert result.run.precision in ("float32", "bfloat16")
    assert result.run.device_reason.startswith("CPU")
    assert result.run.seconds > 0


@pytest.mark.parametrize("factor", [2, 3])
def test_a_finer_image_gives_the_same_objects_in_the_same_places(factor: int) -> None:
    plain = run(rule="published")
    fine = run(IMAGE.repeat(factor, 0).repeat(factor, 1), pixel_size_um=0.5 / factor, rule="published")
    assert fine.counts["nuclei"] == plain.counts["nuclei"]
    place = ["centroid_y_px", "centroid_x_px"]
    ours = (fine.objects.query("task == 'nuclei'")[place].to_numpy() + 0.5) / factor - 0.5
    theirs = plain.objects.query("task == 'nuclei'")[place].to_numpy()
    apart = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    assert apart.min(axis=1).max() < 0.6
    np.testing.assert_array_equal(np.sort(apart.argmin(axis=1)), np.arange(len(theirs)))
    assert fine.objects["area_um2"].sum() == pytest.approx(plain.objects["area_um2"].sum(), rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (33, 1), (16, 16), (17, 31)])
@pytest.mark.parametrize("pixel_size_um", [0.1, 0.5, 3.0])
def test_any_shape(shape: tuple[int, int], pixel_size_um: float) -> None:
    result = run(spotted(shape), pixel_size_um=pixel_size_um)
    assert all(labels.shape == shape for labels in result.labels.values())
    assert np.isfinite(list(result.tissue.values())).all()


def test_the_callers_image_and_model_are_left_alone() -> None:
    model = tiny_model()
    image, weights = IMAGE.copy(), {name: value.clone() for name, value in model.network.state_dict().items()}
    run(image, model)
    np.testing.assert_array_equal(image, IMAGE)
    assert all((value == weights[name]).all() for name, value in model.network.state_dict().items())


def test_the_same_question_gives_the_same_answer() -> None:
    first, second = run(pixel_size_um=0.37), run(pixel_size_um=0.37)
    for task, labels in first.labels.items():
        np.testing.assert_array_equal(labels, second.labels[task])
    assert first.objects.equals(second.objects)
    assert first.tissue == second.tissue


def test_sensitivity_moves_the_outline() -> None:
    low, high = (run(sensitivity=value, repair=NO_REPAIR) for value in (-1.0, 1.0))
    assert (high.labels["nuclei"] > 0).sum() > 1.2 * (low.labels["nuclei"] > 0).sum()


def test_a_models_own_threshold_counts() -> None:
    model = tiny_model()
    strict = dataclasses.replace(model, spec=dataclasses.replace(model.spec, thresholds={"nuclei": 0.95}))
    assert (run(model=strict).labels["nuclei"] > 0).sum() < (run(model=model).labels["nuclei"] > 0).sum()


def test_models_in_the_authors_layout_are_cut_as_published() -> None:
    ours = tiny_model()
    theirs = dataclasses.replace(ours, spec=dataclasses.replace(ours.spec, provenance={"origin": PUBLISHED_ORIGIN}))
    labels = {
        (name, rule): run(model=model, rule=rule).labels["nuclei"]
        for name, model in (("ours", ours), ("theirs", theirs))
        for rule in ("auto", "published", "ours")
    }
    np.testing.assert_array_equal(labels["theirs", "auto"], labels["ours", "published"])
    np.testing.assert_array_equal(labels["ours", "auto"], labels["theirs", "ours"])
    assert (labels["ours", "auto"] != labels["theirs", "auto"]).any()


def test_lumina_lie_inside_glands() -> None:
    # Dark discs with a pale middle would do; here the gland task sees all that the lumen task sees.
    result = run(spotted((200, 200), spots=6, radius_px=30.0))
    assert result.counts["lumina"] > 0
    assert (result.labels["glands"][result.labels["lumina"] > 0] > 0).all()


def test_lumina_without_glands_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    image = spotted((120, 120), spots=4, radius_px=12.0)  # too small for a gland
    for repair in ({}, {"repair": NO_REPAIR}):
        result = run(image, **repair)
        assert result.counts["glands"] == result.counts["lumina"] == 0
    alone = run(image, tiny_model((instances("lumina"),)))
    assert alone.counts["lumina"] > 0


def test_a_model_without_tissue_or_types() -> None:
    result = run(model=tiny_model(TINY_TASKS[1:3]))
    assert list(result.labels) == ["glands", "nuclei"]
    assert result.tissue == {}
    assert result.tissue_map is None
    assert set(result.objects["class"]) <= {""}


def test_a_tissue_map_for_large_images_only() -> None:
    assert run(IMAGE[:64, :64]).tissue_map is None
    large = run(spotted((100, 300)), pixel_size_um=0.5)
    tissue_map = large.tissue_map
    assert tissue_map is not None
    assert tissue_map.probabilities.shape == (2, 7, 19)
    assert tissue_map.holds_tissue.shape == (7, 19)
    assert tissue_map.spacing_px == 16
    assert tissue_map.classes == ("calm", "wild")


def test_white_glass_is_said() -> None:
    result = run(np.full((60, 60, 3), 245, np.uint8))
    assert any("No tissue" in note for note in result.notes)
    assert sum(result.counts.values()) == 0
    assert result.objects.empty


def test_a_coarse_image_is_said() -> None:
    assert any("miss small objects" in note for note in run(pixel_size_um=2.0).notes)
    assert run(pixel_size_um=0.8).notes == ()


def test_progress_names_its_stages_and_can_be_cancelled_anywhere() -> None:
    steps: list[Progress] = []
    settings = AnnotateSettings(pixel_size_um=0.4, device="cpu")
    run_to_end(annotate(IMAGE, tiny_model(), settings), steps.append)
    assert len({step.stage for step in steps}) >= 5
    for stop in range(len(steps)):
        job = annotate(IMAGE, tiny_model(), settings)
        for _ in range(stop + 1):
            next(job)
        job.close()


@pytest.mark.parametrize(
    ("error", "expected"), [(RuntimeError("shapes differ"), CerberusError), (MemoryError(), DeviceError)]
)
def test_failures_after_the_network_are_ours_too(
    monkeypatch: pytest.MonkeyPatch, error: Exception, expected: type[Exception]
) -> None:
    def failing(*_args: object) -> None:
        raise error

    monkeypatch.setattr("napari_cerberus.inference.cut_objects.find_objects", failing)
    with pytest.raises(expected) as caught:
        run()
    assert not isinstance(caught.value, RuntimeError)


def test_an_image_too_large_for_its_pixel_size() -> None:
    with pytest.raises(ImageError, match="check the pixel size"):
        run(np.zeros((3000, 3000, 3), np.uint8), tiny_model(pixel_size_um=0.05), pixel_size_um=20.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pixel_size_um", 0.0),
        ("pixel_size_um", -1.0),
        ("pixel_size_um", float("nan")),
        ("pixel_size_um", 1e9),
        ("device", "tpu"),
        ("tile_size_px", 0),
        ("rule", "mine"),
        ("sensitivity", 1.5),
        ("sensitivity", float("nan")),
    ],
)
def test_settings_are_checked_when_made(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=field):
        AnnotateSettings(**{"pixel_size_um": 0.5, field: value})  # type: ignore[arg-type]


def test_bfloat16_finds_the_objects_of_exact_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = run(repair=NO_REPAIR)
    monkeypatch.setattr("napari_cerberus.inference.device.choose_runtime", lambda *_choice, **_size: EXACT)
    exact = run(repair=NO_REPAIR)
    both = (quick.labels["nuclei"] > 0) & (exact.labels["nuclei"] > 0)
    either = (quick.labels["nuclei"] > 0) | (exact.labels["nuclei"] > 0)
    assert both.sum() > 0.97 * either.sum()


def test_the_encoder_sees_the_model_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    encode = TinyNetwork.encode
    monkeypatch.setattr(
        TinyNetwork, "encode", lambda self, image: shapes.append(tuple(image.shape)) or encode(self, image)
    )
    run(pixel_size_um=0.25)
    assert shapes == [(1, 3, 64, 80)]  # 120 × 150 px at 0.25 µm → 60 × 75 at 0.5, padded to multiples of 16


def test_importing_the_job_loads_no_torch() -> None:
    code = "import sys, napari_cerberus.inference.annotate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
