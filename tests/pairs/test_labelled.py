"""Exported pairs read back with every task's instances, as training takes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.errors import DataError
from napari_cerberus.pairs.layout.ebhi import PairRecord, index_tree
from napari_cerberus.pairs.layout.labelled import read_pair
from napari_cerberus.pairs.layout.sidecar import sidecar_paths
from napari_cerberus.pairs.layout.tile_pixels import read_rgb
from napari_cerberus.pairs.write.export_plan import plan_export
from napari_cerberus.pairs.write.write_pairs import write_export
from napari_cerberus.progress import run_to_end
from pairs.make_source import make_settings, make_source, with_annotation


@pytest.fixture
def record(tmp_path: Path) -> PairRecord:
    """The first of the four tiles of a picture of 64 px."""
    run_to_end(write_export(run_to_end(plan_export(tmp_path, make_source(), make_settings(patient_id="S23 / Ä")))))
    return index_tree(tmp_path)[0][0]


def test_a_pair_brings_image_mask_and_the_labels_of_every_task(record: PairRecord) -> None:
    pair = read_pair(record)
    source = make_source()
    assert pair is not None
    np.testing.assert_array_equal(pair.image, source.image[:32, :32])
    assert pair.labels.keys() == pair.objects.keys() == {"glands", "nuclei"}
    for task, labels in pair.labels.items():
        assert labels.dtype == np.int32
        ids = {id_: one.source_id for id_, one in pair.objects[task].items()}
        kept = np.isin(source.annotated.labels[task][:32, :32], list(ids.values()))
        np.testing.assert_array_equal(labels > 0, kept)
        np.testing.assert_array_equal(
            np.vectorize({0: 0, **ids}.get)(labels), np.where(kept, source.annotated.labels[task][:32, :32], 0)
        )
    assert set(pair.class_names("nuclei").values()) == {"epithelial"}
    assert (pair.category, pair.patient, pair.patient_id) == ("Polyp", record.patient, "S23 / Ä")
    assert pair.pixel_size_um == 0.5
    assert pair.mask_agrees


def test_rejected_objects_are_not_learned_and_stay_in_the_sidecar(tmp_path: Path) -> None:
    source = make_source()
    nuclei = source.annotated.objects["task"] == "nuclei"
    table = source.annotated.objects.assign(state=source.annotated.objects["state"].where(~nuclei, "rejected"))
    run_to_end(write_export(run_to_end(plan_export(tmp_path, with_annotation(source, cells=table), make_settings()))))
    for record in index_tree(tmp_path)[0]:
        pair = read_pair(record)
        assert pair is not None
        assert not pair.labels["nuclei"].any()
        assert not pair.objects["nuclei"]
        assert {one.review for one in pair.sidecar.objects if one.task == "nuclei"} == {"rejected"}
        assert {one.review for one in pair.objects["glands"].values()} <= {"accepted", "unreviewed"}
        np.testing.assert_array_equal(pair.labels["glands"] > 0, pair.mask)


def test_a_published_pair_has_nothing_to_bring(record: PairRecord) -> None:
    sidecar_paths(record.image_path.parent.parent, record.name)[0].unlink()
    assert read_pair(record) is None


def test_a_mask_edited_by_hand_is_told(record: PairRecord) -> None:
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(record.label_path)
    pair = read_pair(record)
    assert pair is not None
    assert not pair.mask_agrees


def test_another_pairs_sidecar_and_an_image_of_another_size_are_refused(record: PairRecord) -> None:
    path, _ = sidecar_paths(record.image_path.parent.parent, record.name)
    whole = path.read_text(encoding="utf-8")
    path.write_text(json.dumps(json.loads(whole) | {"category": "Normal"}), encoding="utf-8")
    with pytest.raises(DataError, match="belongs to Normal/"):
        read_pair(record)
    path.write_text(whole, encoding="utf-8")
    Image.fromarray(read_rgb(record.image_path)[:20]).save(record.image_path)
    with pytest.raises(DataError, match="different sizes"):
        read_pair(record)
