"""Every kind of file that people hand on: valid ones, how they are damaged, and all that we do with them."""

from __future__ import annotations

import csv
import json
import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from annotated import annotated_image
from exporting.make_saved import save_corrected, save_result, write_image
from model.official_layout import TASKS
from napari_cerberus.annotation.journal import open_journal
from napari_cerberus.annotation.journal.journal_lock import lock_folder
from napari_cerberus.annotation.journal.journals import find_journals, read_journal_of
from napari_cerberus.annotation.journal.replay import read_journal
from napari_cerberus.annotation.store import is_annotation, load_annotation, save_annotation
from napari_cerberus.errors import CerberusError, OutputError
from napari_cerberus.exporting.image_index import read_index
from napari_cerberus.exporting.saved_annotations import find_saved
from napari_cerberus.finetune.comparison.comparison_record import ModelComparison, Row, read_comparison, write_record
from napari_cerberus.finetune.run_command import RunCommand, read_command, write_command
from napari_cerberus.finetune.run_state import Point, RunState, find_runs, read_state, write_state
from napari_cerberus.inference.grid.model_grid import Window
from napari_cerberus.inference.images.image_files import pixel_size_of_file, read_image
from napari_cerberus.inference.images.rgb import to_rgb8
from napari_cerberus.interop.coco import write_coco
from napari_cerberus.interop.coco_reading import read_coco
from napari_cerberus.interop.geojson import write_geojson
from napari_cerberus.interop.geojson_reading import read_geojson
from napari_cerberus.interop.ome_tiff import read_label_tiff
from napari_cerberus.model import published
from napari_cerberus.model.library import entries
from napari_cerberus.model.library.exchange import import_model
from napari_cerberus.model.library.lineage import side_by_side
from napari_cerberus.model.library.manage import read_record
from napari_cerberus.model.library.promotion import promoted_and_note, promotion_history
from napari_cerberus.model.spec import ModelSpec, load_spec
from napari_cerberus.pairs.check.data_check import check_data
from napari_cerberus.pairs.layout.dataset import open_dataset
from napari_cerberus.pairs.layout.tile_pixels import read_labels, read_mask, read_rgb
from napari_cerberus.pairs.split import read_split, split_by_patient, write_split
from napari_cerberus.pairs.write.export_plan import plan_export
from napari_cerberus.pairs.write.transaction import recover
from napari_cerberus.pairs.write.write_pairs import write_export
from napari_cerberus.progress import run_to_end
from napari_cerberus.slides.slide_files.open_slide import looks_like_slide, open_slide
from napari_cerberus.synthetic import TileSettings, make_tile
from napari_cerberus.synthetic.read_painted import index_painted, read_painted
from napari_cerberus.synthetic.write_tile import write_tile
from napari_cerberus.tasks import CERBERUS_TASKS, GLANDS, instances
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.data.tile_sources import collect
from napari_cerberus.training.evaluation.model_card import _TASK_COLUMNS, _TISSUE_ROWS, card, read_report
from napari_cerberus.training.evaluation.outcome import REPORT_FORMAT
from napari_cerberus.training.evaluation.score_store import _read_scores
from napari_cerberus.training.run_folder import CHECKPOINT_FILE, load_checkpoint, read_metrics
from napari_cerberus.training.run_settings import BatchSettings, SourceSettings
from pairs.make_labels import table_of
from pairs.make_source import make_settings, make_source
from slides.make_slides import write_pyramid, write_zarr
from tiny import tiny_model

from .folder_formats import FOLDER_FORMATS
from .harness import Format, tried
from .mutations import of_csv, of_journal, of_json, of_json_lines, of_toml, of_zip

_SHOWN = [key for key, _ in (*_TASK_COLUMNS, *_TISSUE_ROWS)]
_STARTER = Path(__file__).parents[2] / "configs" / "starter.toml"


def _annotation(folder: Path) -> None:
    save_corrected(folder / "a.cerberus", folder / "a.png", tissue={"Normal": 0.5})


def _read_annotation(folder: Path) -> None:
    saved = folder / "a.cerberus"
    is_annotation(saved)
    loaded = load_annotation(saved)
    tried(
        lambda: run_to_end(find_saved(folder)),
        lambda: read_journal_of(saved / "journal.jsonl", loaded.frame),
        lambda: save_annotation(folder / "again.cerberus", loaded, journal=saved / "journal.jsonl"),
        lambda: load_annotation(folder / "again.cerberus"),
    )


def _journal(folder: Path) -> None:
    annotation = save_corrected(folder / "a.cerberus", folder / "a.png")
    journal, _ = open_journal(folder / "journals", annotation.frame, resume=False)
    journal.begin_with(read_journal(folder / "a.cerberus" / "journal.jsonl"))
    journal.close()
    (folder / "key").write_text(annotation.frame.image_key)
    lock_folder(folder / "locked").release() if (folder / "locked").mkdir() else None


def _read_journals(folder: Path) -> None:
    for path in sorted(folder.glob("journals/*/journal.jsonl")):
        replay = read_journal(path)
        journal, _ = open_journal(folder / "journals", replay.frame, resume=True, folder=path.parent)
        journal.close()
    find_journals(folder / "journals", (folder / "key").read_text())


def _result(folder: Path) -> None:
    save_result(folder / "a", folder / "a.png")


def _read_result(folder: Path) -> None:
    is_annotation(folder / "a")
    tried(lambda: load_annotation(folder / "a"), lambda: run_to_end(find_saved(folder)))


def _pairs(folder: Path) -> None:
    settings = make_settings(checked=("glands", "nuclei"))
    run_to_end(write_export(run_to_end(plan_export(folder / "pairs", make_source(), settings))))


def _pairs_config(folder: Path) -> TrainConfig:
    keys = tuple(task.key for task in CERBERUS_TASKS)
    source = SourceSettings(name="p", kind="pairs", path="pairs", tasks=keys, pixel_size_um=0.5)
    batch = BatchSettings(tasks=keys)
    return TrainConfig(
        name="p", seed=0, sources=(source,), batches=(batch,), tasks=CERBERUS_TASKS, pixel_size_um=0.5, steps=1
    )


def _read_pairs(folder: Path) -> None:
    config = _pairs_config(folder)
    tried(
        lambda: recover(folder / "pairs"),
        lambda: open_dataset(folder / "pairs").survey(),
        lambda: run_to_end(check_data(folder / "pairs")),
        lambda: [tile.load() for tile in collect(config.sources, config.tasks, folder)],
        lambda: run_to_end(
            write_export(
                run_to_end(
                    plan_export(
                        folder / "pairs",
                        make_source(seed=1),
                        make_settings(checked=("glands",), when_changed="replace"),
                    )
                )
            )
        ),
    )


def _cut_off_export(folder: Path) -> None:
    """A sealed export that nobody has put in place, with one pair that takes another's."""
    _pairs(folder)
    plan = run_to_end(plan_export(folder / "pairs", make_source(seed=2), make_settings(when_changed="replace")))
    from napari_cerberus.pairs.write import write_pairs

    def killed(*_: object) -> None:
        raise OutputError("killed")

    kept, write_pairs.commit = write_pairs.commit, killed
    try:
        run_to_end(write_export(plan))
    except OutputError:
        pass
    finally:
        write_pairs.commit = kept
    assert (folder / "pairs" / ".pairs-export" / "plan.json").is_file()


def _instances(folder: Path) -> None:
    for part in ("images", "labels"):
        (folder / part).mkdir()
    for number in range(2):
        write_image(folder / "images" / f"{number}.png", number)
        labels = np.zeros((32, 32), np.uint16)
        labels[3:9, 4:12] = 7
        tifffile.imwrite(folder / "labels" / f"{number}.tif", labels)
    Image.fromarray(labels).save(folder / "labels" / "1.png")
    (folder / "labels" / "1.tif").unlink()
    (folder / "index.csv").write_text("id,patient\n0,A\n1,B\n")


def _read_instances(folder: Path) -> None:
    source = SourceSettings(name="i", kind="instances", path=".", tasks=("nuclei",), pixel_size_um=0.5)
    config = replace(_pairs_config(folder), sources=(source,), batches=(BatchSettings(tasks=("nuclei",)),))
    tried(
        lambda: run_to_end(check_data(folder)),
        lambda: [tile.load() for tile in collect(config.sources, config.tasks, folder)],
    )


def _put_model(folder: Path, name: str) -> None:
    path = folder / name
    path.mkdir(parents=True)
    save_file({"x": torch.zeros(2)}, path / "weights.safetensors")
    from napari_cerberus.files import sha256_of

    spec = ModelSpec(
        name=name,
        tasks=(instances(GLANDS), CERBERUS_TASKS[-1]),
        pixel_size_um=0.5,
        thresholds={"glands": 0.5},
        temperatures={"tissue": 1.2},
        provenance={"train_patients": ["a:1"], "sources": [{"name": "a"}], "finetune": {"parent": {"name": "p"}}},
    )
    record = {**spec.to_json(), "weights_sha256": sha256_of(path / "weights.safetensors")}
    (path / "model.json").write_text(json.dumps(record))
    (path / "MODEL_CARD.md").write_text("# A card\n")


def _library(folder: Path) -> None:
    _put_model(folder / "shipped", "starter")
    _put_model(folder / "library", "mine")
    record = {"notes": "good", "verdict": "better", "sentence": "Better: glands."}
    (folder / "library" / "mine" / "library.json").write_text(json.dumps(record))
    lines = [
        {"at": "2026-01-01T00:00:00+00:00", "action": what, "name": "mine", "sha256": "ab" * 32, "reason": "better"}
        for what in ("promote", "roll back", "promote")
    ]
    (folder / "library" / "promotions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _read_library(folder: Path) -> None:
    os.environ["NAPARI_CERBERUS_MODELS"] = str(folder / "library")
    kept, entries.shipped_folder = entries.shipped_folder, lambda: folder / "shipped"
    try:
        models = entries.list_models()
        promotion_history()
        for entry in models:
            read_record(entry)
            side_by_side(entry, models[0])
        tried(promoted_and_note, lambda: load_spec(folder / "library" / "mine"))
    finally:
        entries.shipped_folder = kept


def _model_file(folder: Path) -> None:
    from napari_cerberus.model.checkpoint import save_model
    from napari_cerberus.model.library.exchange import export_model
    from napari_cerberus.model.network import Cerberus

    os.environ["NAPARI_CERBERUS_MODELS"] = str(folder / "own")
    spec = ModelSpec(name="m", tasks=(instances(GLANDS),), pixel_size_um=0.5)
    save_model(folder / "own" / "m", Cerberus(spec.tasks, 9), spec, half_precision=True)
    export_model("m", folder / "m.zip")


def _read_model_file(folder: Path) -> None:
    os.environ["NAPARI_CERBERUS_MODELS"] = str(folder / "new")
    import_model(folder / "m.zip")


def _published(folder: Path) -> None:
    torch.save({"desc": {"decoder_head.Gland.x": torch.zeros(2), "backbone.y": torch.ones(3)}}, folder / "weights.tar")
    settings = {"model_kwargs": {"encoder_backbone_name": "resnet34", "considered_tasks": TASKS}}
    (folder / "settings.yml").write_text(yaml.safe_dump(settings))
    torch.save({"step": 3, "state": [torch.zeros(2)]}, folder / CHECKPOINT_FILE)


def _read_published(folder: Path) -> None:
    tried(
        lambda: published.our_names(published._read_pickle(folder / "weights.tar")),
        lambda: published._published_tasks(folder / "settings.yml", {}),
        lambda: load_checkpoint(folder),
    )


def _configs(folder: Path) -> None:
    (folder / "starter.toml").write_bytes(_STARTER.read_bytes())
    (folder / "small.toml").write_text(
        'name = "a"\nseed = 1\nsteps = 10\npixel_size_um = 0.5\nstart = "starter"\nsplit_file = "split.json"\n'
        'tasks = ["glands"]\n'
        '[[source]]\nname = "p"\nkind = "pairs"\npath = "pairs"\ntasks = ["glands"]\npixel_size_um = 0.5\n'
        '[[batch]]\ntasks = ["glands"]\nsize = 2\ncrop_px = 64\n[optimiser]\nlearning_rate = 0.001\n'
        "[augment]\nstain = 0.1\n[early_stopping]\npatience = 3\n"
    )


def _read_configs(folder: Path) -> None:
    tried(*(partial(_follow_config, path) for path in sorted(folder.glob("*.toml"))))


def _follow_config(path: Path) -> None:
    config = read_config(path)
    with suppress(CerberusError):  # no data are here: what it says of its paths is looked at
        collect(config.sources, config.tasks, config.root(path.parent))


def _split(folder: Path) -> None:
    from napari_cerberus.pairs.layout.ebhi import index_tree

    for patient in "1234":
        source = make_source(seed=int(patient))
        run_to_end(write_export(run_to_end(plan_export(folder / "pairs", source, make_settings(patient_id=patient)))))
    write_split(folder / "split.json", split_by_patient(index_tree(folder / "pairs")[0], (0.5, 0.25, 0.25), 1))


def _read_split(folder: Path) -> None:
    split = read_split(folder / "split.json")
    run_to_end(check_data(folder / "pairs", split=split, split_path=folder / "split.json"))


def _labels() -> dict[str, np.ndarray]:
    labels = np.zeros((32, 32), np.int32)
    labels[2:12, 3:15], labels[16:30, 5:20], labels[20:24, 9:12] = 1, 2, 0
    return {"glands": labels}


def _shapes(folder: Path) -> None:
    labels = _labels()
    run_to_end(write_geojson(folder / "a.geojson", labels, table_of(labels)))
    image = annotated_image(labels, table_of(labels), image_path="a.png")
    run_to_end(write_coco(folder / "rle.json", [image]))
    run_to_end(write_coco(folder / "polygons.json", [image], "polygons"))


def _read_shapes(folder: Path) -> None:
    tried(
        lambda: run_to_end(read_geojson(folder / "a.geojson", (32, 32))),
        lambda: run_to_end(read_coco(folder / "rle.json")),
        lambda: run_to_end(read_coco(folder / "polygons.json")),
    )


def _images(folder: Path) -> None:
    pixels = write_image(folder / "a.png")
    Image.fromarray(pixels).save(folder / "a.jpg", dpi=(50_000, 50_000))
    Image.fromarray(pixels).save(folder / "a.webp")
    Image.fromarray(pixels).save(folder / "a.bmp")
    tifffile.imwrite(folder / "a.tif", pixels, photometric="rgb", resolution=(2e4, 2e4), resolutionunit="CENTIMETER")
    tifffile.imwrite(folder / "ome.ome.tif", pixels, metadata={"axes": "YXS", "PhysicalSizeX": 0.5}, compression="zlib")
    tifffile.imwrite(folder / "pages.tif", np.stack([pixels] * 3), photometric="rgb", tile=(16, 16))
    tifffile.imwrite(folder / "deep.tif", pixels.astype(np.uint16) * 200, photometric="rgb", compression="deflate")
    tifffile.imwrite(folder / "labels.tif", _labels()["glands"].astype(np.uint32), compression="zlib")


def _read_images(folder: Path) -> None:
    steps = []
    for path in sorted(folder.iterdir()):
        steps += [partial(_as_rgb, path), partial(pixel_size_of_file, path), partial(read_rgb, path)]
        steps += [partial(read_mask, path), partial(read_labels, path), partial(read_label_tiff, path)]
    with suppress(CerberusError):  # not every picture can be everything
        tried(*steps)


def _as_rgb(path: Path) -> None:
    to_rgb8(read_image(path).pixels)


def _slides(folder: Path) -> None:
    pixels = np.random.default_rng(1).integers(100, 255, (200, 160, 3)).astype(np.uint8)
    write_zarr(folder / "a.zarr", pixels)
    write_zarr(folder / "b.zarr", pixels, version="0.5")
    write_pyramid(folder / "c.tif", pixels, um=0.5)
    write_pyramid(folder / "d.ome.tif", pixels, um=0.5, ome=True)


def _read_slides(folder: Path) -> None:
    tried(*(partial(_read_slide, path) for path in sorted(folder.iterdir())))


def _read_slide(path: Path) -> None:
    looks_like_slide(path)
    slide = open_slide(path)
    for number, level in enumerate(slide.levels):
        height, width = level.shape[:2]
        slide.read(Window(0, 0, min(height, 64), min(width, 64)), number)


def _runs(folder: Path) -> None:
    run = folder / "run"
    run.mkdir()
    point = Point(step=3, losses={"glands": 0.5}, metrics={"glands": 0.7}, by_category={"a": {"glands": 0.1}})
    state = RunState(folder=run, name="a", base_name="starter", status="finished", steps=9, history=(point,))
    write_state(replace(state, overlays=(run / "a.png",)))
    write_command(run, RunCommand(what="pause"))
    row = Row(task="glands", figure="dice", tiles=3, patients=3, base=0.5, candidate=0.6, difference=0.1, primary=True)
    comparison = ModelComparison(
        verdict="better", sentence="Better.", rows=(row,), held_out=("1", "2"), gained={"g": 1}
    )
    (run / "comparison").mkdir()
    write_record(run / "comparison", comparison)
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": {"glands": 0.5}}\n{"step": 2}\n')


def _read_runs(folder: Path) -> None:
    os.environ["NAPARI_CERBERUS_RUNS"] = str(folder)
    read_command(folder / "run")
    read_metrics(folder / "run")
    find_runs()
    tried(lambda: read_state(folder / "run"), lambda: read_comparison(folder / "run"))


def _reports(folder: Path) -> None:
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    metrics = dict.fromkeys(("dice", "f1", "pq", "aji", "object_dice", "sq", *_SHOWN), estimate)
    group = {"name": "all", "tiles": 3, "patients": 3, "metrics": metrics}
    classed = {"name": "a", "cases": 3, **dict.fromkeys(("recall", "precision", "f1"), estimate)}
    report = {
        "format": REPORT_FORMAT,
        "leakage_status": {"kind": "held out", "sentence": "s"},
        "split": {"side": "test"},
        "tasks": [{"task": "glands", "weak": False, "groups": [group]}],
        "tissue": {"metrics": metrics, "classes": [classed]},
    }
    (folder / "report.json").write_text(json.dumps(report))
    line = {"id": "a/b", "patient": "a:1", "stratum": "a", "tissue_truth": -1, "tissue": [], "tasks": {}, "types": {}}
    (folder / "scores.jsonl").write_text(json.dumps(line) + "\n")
    with (folder / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["image", "patient", "category", "block"], ["a.png", "17", "Polyp", "1"]])


def _read_reports(folder: Path) -> None:
    _read_scores(folder / "scores.jsonl")
    tried(
        lambda: card(tiny_model(), "about", read_report(folder / "report.json")),
        lambda: read_index(folder / "index.csv"),
    )


def _painted(folder: Path) -> None:
    settings = TileSettings(height_px=96, width_px=96, pixel_size_um=1.0, seed=1)
    write_tile(folder / "0", make_tile(settings), settings)


def _read_painted(folder: Path) -> None:
    for path in index_painted(folder):
        read_painted(path)


FORMATS = (
    Format(
        name="annotation",
        make=_annotation,
        files={
            "*/annotation.json": (of_json,),
            "*/journal.jsonl": (of_journal,),
            "*/objects.csv": (of_csv,),
            "*/*.tif": (),
            "a.png": (),
        },
        read=_read_annotation,
    ),
    Format(
        name="journal",
        make=_journal,
        files={"journals/*/journal.jsonl": (of_journal, of_journal), "journals/*/*lock*": (of_json,)},
        read=_read_journals,
    ),
    Format(
        name="result",
        make=_result,
        files={"a/annotation.json": (of_json,), "a/objects.csv": (of_csv,), "a/*.tif": (), "a.png": ()},
        read=_read_result,
    ),
    Format(
        name="pairs",
        make=_pairs,
        files={
            "pairs/*/sidecar/*.json": (of_json,),
            "pairs/pairs.jsonl": (of_json_lines,),
            "pairs/*/sidecar/*.tif": (),
            "pairs/*/*/*.png": (),
        },
        read=_read_pairs,
        share=8,
    ),
    Format(
        name="cut-off export",
        make=_cut_off_export,
        files={"pairs/.pairs-export/plan.json": (of_json,), "pairs/pairs.jsonl": (of_json_lines,)},
        read=_read_pairs,
        share=8,
    ),
    Format(
        name="instance folder",
        make=_instances,
        files={"index.csv": (of_csv,), "labels/*": (), "images/*": ()},
        read=_read_instances,
    ),
    Format(
        name="library",
        make=_library,
        files={
            "library/mine/library.json": (of_json,),
            "library/promotions.jsonl": (of_json_lines,),
            "library/mine/model.json": (of_json,),
            "shipped/starter/model.json": (of_json,),
            "library/mine/MODEL_CARD.md": (),
        },
        read=_read_library,
    ),
    Format(name="model file", make=_model_file, files={"m.zip": (of_zip,)}, read=_read_model_file, share=1),
    Format(
        name="published weights",
        make=_published,
        files={"settings.yml": (), "weights.tar": (of_zip,), CHECKPOINT_FILE: (of_zip,)},
        read=_read_published,
    ),
    Format(name="config", make=_configs, files={"*.toml": (of_toml,)}, read=_read_configs),
    Format(name="split", make=_split, files={"split.json": (of_json,)}, read=_read_split, share=4),
    Format(
        name="shapes",
        make=_shapes,
        files={"a.geojson": (of_json,), "rle.json": (of_json,), "polygons.json": (of_json,)},
        read=_read_shapes,
    ),
    Format(name="images", make=_images, files={"*": ()}, read=_read_images),
    Format(
        name="slides",
        make=_slides,
        files={"*.zarr/**/.z*": (of_json,), "*.zarr/**/zarr.json": (of_json,), "*.tif": (), "*.zarr/**/[0-9]*": ()},
        read=_read_slides,
        share=6,
    ),
    Format(
        name="run",
        make=_runs,
        files={
            "run/state.json": (of_json,),
            "run/control.json": (of_json,),
            "run/comparison/comparison.json": (of_json,),
            "run/metrics.jsonl": (of_json_lines,),
        },
        read=_read_runs,
        share=5,
    ),
    Format(
        name="report",
        make=_reports,
        files={"report.json": (of_json,), "scores.jsonl": (of_json_lines,), "index.csv": (of_csv,)},
        read=_read_reports,
        share=5,
    ),
    Format(
        name="drawn tile", make=_painted, files={"0/truth.json": (of_json,), "0/*": ()}, read=_read_painted, share=4
    ),
    *FOLDER_FORMATS,
)
