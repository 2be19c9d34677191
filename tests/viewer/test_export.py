"""Export from open images: what can be exported, what the preview promises, and how an export ends."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_builtins.io import imread
from pytestqt.qtbot import QtBot

from exporting.make_saved import save_corrected, save_result, sidecars, write_image
from fake_jobs import FakeAnnotate, he_like, no_pixel_size, square_labels, two_models
from napari_cerberus.annotation.object_table import mark
from napari_cerberus.exporting.export_jobs import Preview
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.tile_pixels import read_mask
from napari_cerberus.pairs.write.export_source import ExportSettings
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE
from napari_cerberus.viewer.export import exporter as export_module
from napari_cerberus.viewer.export.exporter import ExportForm, ImageDetails, categories_in
from napari_cerberus.viewer.export.open_images import ExportCandidate
from napari_cerberus.viewer.io.annotation_folder import save
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState, JobStatus

ENDS = (JobState.RETURNED, JobState.CANCELLED, JobState.FAILED)
CHOICES: dict[str, Any] = {"patient_id": None, "category": "any", "tile_px": 32, "min_tissue_share": 0.0}


class Bench:
    """A viewer model with annotated images, and the exporter of its controller."""

    def __init__(self, qtbot: QtBot, folder: Path, memory: Memory | None = None) -> None:
        self.qtbot, self.folder = qtbot, folder
        self.viewer = ViewerModel()
        self.controller = Controller(
            self.viewer,
            memory or Memory(),
            annotate=FakeAnnotate(),
            list_models=two_models,
            read_pixel_size=no_pixel_size,
        )
        self.exporter = self.controller.export
        self.previews: list[Preview] = []
        self.exporter.preview_changed.connect(self._keep)

    def _keep(self, preview: Preview) -> None:
        self.previews.append(preview)

    def add(self, name: str = "tile", seed: int = 0, *, annotate: bool = True) -> Any:
        place = {"scale": (0.5, 0.5), "units": ("um", "um")}
        image = self.viewer.add_image(he_like(32, 32, seed), rgb=True, name=name, **place)
        if annotate:
            self.controller.annotate()
            self.qtbot.waitUntil(lambda: self.controller.session.job.state in ENDS, timeout=10_000)
        return image

    def answer(self, candidate: ExportCandidate, **changes: Any) -> ImageDetails:
        known = {"patient_id": "17", "patient_unknown": False, "category": "Polyp", **changes}
        return ImageDetails(candidate=candidate, **known)

    def form(self, **choices: Any) -> ExportForm:
        images = tuple(self.answer(candidate) for candidate in self.exporter.candidates())
        return ExportForm(folder=str(self.folder), images=images, choices=ExportSettings(**{**CHOICES, **choices}))

    def preview(self, form: ExportForm) -> Preview:
        self.previews.clear()
        self.exporter.preview(form)
        self.qtbot.waitUntil(lambda: bool(self.previews), timeout=10_000)
        return self.previews[-1]

    def export(self, form: ExportForm) -> JobStatus:
        self.exporter.export(form)
        self.qtbot.waitUntil(lambda: self.controller.session.export.state in ENDS, timeout=10_000)
        return self.controller.session.export


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(qtbot, tmp_path / "ds")
    yield bench
    bench.controller.close()


def test_an_annotated_image_with_what_is_known_of_it(bench: Bench) -> None:
    assert bench.exporter.candidates() == ()
    bench.add("plain", annotate=False)
    bench.add("GT2012149-2-400-005", seed=1)
    (candidate,) = bench.exporter.candidates()
    assert (candidate.name, candidate.tasks) == ("GT2012149-2-400-005", ("nuclei", "glands", "lumina"))
    assert (candidate.size_px, candidate.pixel_size_um) == ((32, 32), 0.5)
    assert (candidate.suggestion, candidate.readout) == ("Normal", "Normal 62%, Adenocarcinoma 21%")
    assert candidate.file_name is not None
    assert (candidate.file_name.patient, candidate.file_name.block) == ("2012149", 2)


def test_labels_drawn_by_the_user_count_by_their_name(bench: Bench) -> None:
    bench.add("tile", annotate=False)
    bench.viewer.add_labels(square_labels(32, 32)["glands"], name="tile glands")
    bench.viewer.add_labels(square_labels(32, 30)["nuclei"], name="tile nuclei")
    (candidate,) = bench.exporter.candidates()
    assert candidate.tasks == ("glands",), "labels of another size do not belong to the image"
    assert candidate.suggestion == ""


def test_the_preview_is_what_is_written(bench: Bench) -> None:
    bench.add()
    form = bench.form()
    preview = bench.preview(form)
    (pair,) = preview.pairs
    assert (pair.status, pair.objects) == ("new", 1)
    assert re.fullmatch("NC9[0-9]{8}-1-400-001", pair.name), "a number stands for the patient"
    assert preview.pairs[0].thumbnail is not None
    assert "“Polyp” is new" in preview.notes[0]
    assert not bench.folder.exists(), "a preview writes nothing"

    status = bench.export(form)
    assert (status.state, status.message) == (JobState.RETURNED, f"1 pair written into {bench.folder}.")
    (record,), _ = index_tree(bench.folder)
    assert record.id == f"Polyp/{pair.name}"
    np.testing.assert_array_equal(read_mask(record.label_path), square_labels(32, 32)["glands"] > 0)
    sidecar = json.loads((bench.folder / "Polyp" / "sidecar" / f"{record.name}.json").read_text(encoding="utf-8"))
    assert (sidecar["model_name"], sidecar["tissue"]["Normal"], sidecar["source"]["name"]) == ("starter", 0.62, "tile")
    assert bench.preview(form).count("same") == 1
    assert bench.exporter.written_folder == bench.folder
    assert categories_in(str(bench.folder)) == ["Polyp"]


def test_two_images_of_one_patient_are_numbered_in_the_preview_as_on_disk(bench: Bench) -> None:
    bench.add("a", seed=1)
    bench.add("b", seed=2)
    preview = bench.preview(bench.form())
    assert [pair.name.partition("-")[2] for pair in preview.pairs] == ["1-400-001", "1-400-002"]
    assert len({pair.name.partition("-")[0] for pair in preview.pairs}) == 1
    assert bench.export(bench.form()).state is JobState.RETURNED
    assert [record.name for record in index_tree(bench.folder)[0]] == [pair.name for pair in preview.pairs]


def test_a_corrected_mask_is_never_replaced_silently(bench: Bench) -> None:
    bench.add()
    bench.export(bench.form())
    glands = bench.viewer.layers["tile glands"]
    glands.data_setitem((np.array([2, 3]), np.array([20, 20])), 1)
    assert bench.preview(bench.form()).count("changed") == 1
    status = bench.export(bench.form())
    assert status.state is JobState.FAILED
    assert "exported before with other content" in status.message
    assert bench.export(bench.form(when_changed="new_number")).state is JobState.RETURNED
    first, second = (read_mask(record.label_path) for record in index_tree(bench.folder)[0])
    assert (int(first.sum()), int(second.sum())) == (100, 102)


def test_only_accepted_objects(bench: Bench) -> None:
    bench.add()
    nuclei = bench.viewer.layers["tile nuclei"]
    nuclei.features = nuclei.features.assign(state=["accepted", "rejected"])
    (every,) = bench.preview(bench.form(task="nuclei")).pairs
    (accepted,) = bench.preview(bench.form(task="nuclei", objects="accepted")).pairs
    assert (every.objects, accepted.objects) == (1, 1), "a rejected object enters neither"
    nuclei.features = nuclei.features.assign(state=["accepted", "unreviewed"])
    (every,) = bench.preview(bench.form(task="nuclei")).pairs
    (accepted,) = bench.preview(bench.form(task="nuclei", objects="accepted")).pairs
    assert (every.objects, accepted.objects) == (2, 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"patient_id": "  "}, "Give the patient id of “tile”"),
        ({"category": ""}, "Choose the category of “tile”"),
        ({"category": "a/b"}, "must not contain /"),
    ],
)
def test_what_is_missing_or_wrong_is_one_sentence(bench: Bench, changes: dict[str, Any], says: str) -> None:
    bench.add()
    (candidate,) = bench.exporter.candidates()
    form = ExportForm(
        folder=str(bench.folder),
        images=(bench.answer(candidate, **changes),),
        choices=ExportSettings(**CHOICES),
    )
    status = bench.export(form)
    assert status.state is JobState.FAILED
    assert says in status.message
    assert not bench.folder.exists()


def test_one_image_that_fails_does_not_stop_the_others(bench: Bench) -> None:
    bench.add("a", seed=1)
    bench.add("b", seed=2)
    b, a = bench.exporter.candidates()
    images = (bench.answer(a, patient_id="GT17"), bench.answer(b, patient_id="17"))
    form = ExportForm(folder=str(bench.folder), images=images, choices=ExportSettings(**CHOICES, keep_patient_id=True))
    status = bench.export(form)
    assert status.state is JobState.FAILED
    assert "would both be called 17" in status.message
    assert "1 pair written" in status.message
    assert len(index_tree(bench.folder)[0]) == 1


def test_a_target_that_cannot_be_written_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.add()
    bench.folder.write_text("a file")
    status = bench.export(bench.form())
    assert (status.state, "is a file; choose a folder" in status.message) == (JobState.FAILED, True)
    assert [path.name for path in tmp_path.iterdir()] == ["ds"]
    assert bench.exporter.written_folder is None


def test_cancel_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.add()
    started, gate = threading.Event(), threading.Event()
    real: Callable[..., Any] = export_module.export_job

    def held(*arguments: Any) -> Any:
        for step in real(*arguments):
            started.set()
            gate.wait(20)
            yield step

    monkeypatch.setattr(export_module, "export_job", held)
    bench.exporter.export(bench.form())
    bench.qtbot.waitUntil(started.is_set, timeout=10_000)
    bench.exporter.cancel()
    assert bench.controller.session.export.state is JobState.CANCELLING
    gate.set()
    bench.qtbot.waitUntil(lambda: bench.controller.session.export.state in ENDS, timeout=10_000)
    assert bench.controller.session.export.message == "Cancelled. Nothing was written."
    assert not bench.folder.exists()


def test_an_image_that_was_closed_meanwhile(bench: Bench) -> None:
    bench.add()
    form = bench.form()
    bench.viewer.layers.clear()
    assert "was changed or closed" in bench.preview(form).problems[0]
    assert "was changed or closed" in bench.export(form).message


# -- who did it, and saved annotations ------------------------------------------------------------------------------


@pytest.fixture
def lasting(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench whose corrections are kept in journals."""
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path / "journals"))
    bench = Bench(qtbot, tmp_path / "ds", Memory(tmp_path / "memory.json"))
    yield bench
    bench.controller.close()


def test_the_sidecar_says_who_corrected_it_and_what_that_took(lasting: Bench) -> None:
    lasting.controller.choose.reviewer("Dr. Müller")
    lasting.add()
    lasting.export(lasting.form(when_changed="new_number"))
    (untouched,) = sidecars(lasting.folder)
    assert (untouched["annotator"], untouched["effort"]) == ("Dr. Müller", {}), "she stands for it, nothing was done"

    correct = lasting.controller.correct
    lasting.viewer.layers.selection.active = lasting.viewer.layers["tile glands"]
    correct.corrections.choose(correct.corrections.need_active(), 1)
    for tool in ("shrink", "grow"):
        correct.tools.use(tool)
        correct.sync()
    lasting.controller.choose.reviewer("Ada")
    correct.review.accept()
    lasting.viewer.layers["tile glands"].data_setitem((np.array([20]), np.array([20])), 1)
    assert lasting.export(lasting.form(when_changed="new_number")).state is JobState.RETURNED
    _, corrected = sidecars(lasting.folder)
    assert corrected["annotator"] == "Dr. Müller, Ada", "who exports counts only where nobody else is known"
    assert corrected["effort"]["edits"] == 3, "the brush counts too, though nothing had followed it yet"
    assert corrected["effort"]["decisions"] == 1
    assert corrected["effort"]["changed_px"] > 0
    assert corrected["effort"]["active_seconds"] > 0
    (gland,) = [one for one in corrected["objects"] if one["task"] == "glands"]
    assert gland["review"] == "edited"


def test_without_a_journal_the_table_tells_who(bench: Bench) -> None:
    bench.controller.choose.reviewer("Ada")
    bench.add()
    bench.viewer.layers.selection.active = bench.viewer.layers["tile nuclei"]
    corrections = bench.controller.correct.corrections
    one = corrections.need_active()
    corrections.apply(one, mark(one.tracked.objects, [1], "accepted", by="Grace"), "accept")
    bench.export(bench.form())
    (sidecar,) = sidecars(bench.folder)
    assert (sidecar["annotator"], sidecar["effort"]) == ("Grace", {})


def look(bench: Bench, folder: Path) -> str:
    said: list[str] = []
    bench.exporter.looked.connect(said.append)
    bench.exporter.add_saved(str(folder))
    bench.qtbot.waitUntil(lambda: bool(said), timeout=10_000)
    bench.exporter.looked.disconnect(said.append)
    return said[0]


def test_saved_annotations_stand_beside_the_open_images(bench: Bench, tmp_path: Path) -> None:
    bench.add("open", seed=5)
    work = tmp_path / "work"
    save_corrected(work / "a.cerberus", work / "GT2012149-2-400-005.png", seed=1)
    save_result(work / "b", work / "b.png", seed=2, tissue={"Polyp": 0.9, "Normal": 0.1})
    (work / "index.csv").write_text("image,patient,category,block\nb.png,not known,Normal,7\n", encoding="utf-8")
    assert look(bench, work) == "2 saved annotations added."
    opened, a, b = bench.exporter.candidates()
    assert (opened.name, a.name, b.name) == ("open", "GT2012149-2-400-005.png", "b.png")
    assert (a.tasks, a.size_px, a.pixel_size_um) == (("nuclei", "glands"), (32, 32), 0.5)
    assert a.file_name is not None
    assert (a.file_name.patient, a.stated, b.suggestion) == ("2012149", None, "Polyp")
    assert b.stated is not None
    assert (b.stated.patient_unknown, b.stated.category, b.stated.block) == (True, "Normal", 7)
    assert look(bench, work) == "0 saved annotations added.", "each once"

    bench.controller.choose.reviewer("Ada Exporter")
    preview = bench.preview(bench.form())
    assert preview.headline == "3 new pairs"
    status = bench.export(bench.form())
    assert (status.state, status.message) == (JobState.RETURNED, f"3 pairs written into {bench.folder}.")
    annotators = {one["source"]["name"]: one["annotator"] for one in sidecars(bench.folder)}
    assert annotators == {"open": "Ada Exporter", "GT2012149-2-400-005.png": "Grace, Ada", "b.png": "Ada Exporter"}


def test_a_saved_annotation_of_an_open_image_is_known_to_be_the_same(bench: Bench, tmp_path: Path) -> None:
    """The dock and the folder know an image by the same key and cut the same tiles from it."""
    write_image(tmp_path / "tile.png")
    pixels = imread(str(tmp_path / "tile.png"))
    bench.viewer.add_image(pixels, rgb=True, name="tile", scale=(0.5, 0.5), units=("um", "um"))
    bench.controller.annotate()
    bench.qtbot.waitUntil(lambda: bench.controller.session.job.state in ENDS, timeout=10_000)
    save(str(tmp_path / "tile"), [layer.as_layer_data_tuple() for layer in bench.viewer.layers])
    bench.export(bench.form())
    bench.viewer.layers.clear()
    assert look(bench, tmp_path / "tile.cerberus") == "1 saved annotation added."
    assert bench.preview(bench.form()).headline == "0 new pairs, 1 there already"


def test_what_cannot_be_read_is_said(bench: Bench, tmp_path: Path) -> None:
    assert "not a folder" in look(bench, tmp_path / "nothing")
    work = tmp_path / "work"
    save_result(work / "b", work / "b.png")
    save_corrected(work / "c.cerberus", work / "c.png")
    (work / "c.png").unlink()
    (work / "index.csv").write_text("image;patient\n", encoding="utf-8")
    said = look(bench, work)
    assert "2 saved annotations added." in said
    assert "The image of 1 was not found" in said
    assert "index.csv has no column 'image'" in said
    assert [candidate.missing for candidate in bench.exporter.candidates()] == [False, True]
    (problem,) = bench.preview(bench.form()).problems
    assert "was not found; put it beside" in problem
