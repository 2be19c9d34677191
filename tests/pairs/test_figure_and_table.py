"""Figures and tables: colours, legend and scale bar are right; CSV is harmless and comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_cerberus.errors import DataError, OutputError, SettingsError
from napari_cerberus.interop.figure import FigureSettings, draw_figure, scale_bar_um, write_figure
from napari_cerberus.interop.geojson import rgb
from napari_cerberus.pairs.object_rows import read_table, write_table
from napari_cerberus.tasks import CLASS_COLOURS, TASK_COLOURS
from pairs.make_source import make_source

IMAGE = np.full((100, 500, 3), 200, np.uint8)
LABELS = np.zeros((100, 500), np.int32)
LABELS[20:60, 20:60] = 1
LABELS[20:60, 60:99] = 2


def drawn(labels: dict[str, np.ndarray], objects: pd.DataFrame | None = None, **settings: float) -> np.ndarray:
    table = pd.DataFrame() if objects is None else objects
    return np.asarray(draw_figure(IMAGE, labels, table, 0.5, FigureSettings(**settings)))


def test_outlines_lie_inside_and_keep_neighbours_apart() -> None:
    figure = drawn({"glands": LABELS}, line_px=1)[:100, :500]
    ink = (figure == rgb(TASK_COLOURS["glands"])).all(axis=2)
    assert ink[20, 20:99].all()
    assert ink[40, [20, 59, 60, 98]].all(), "both neighbours have their own line"
    assert not ink[40, 21:59].any()
    assert not ink[LABELS == 0].any()
    np.testing.assert_array_equal(figure[~ink], IMAGE[~ink])


def test_classes_choose_the_colour_and_fill_the_opacity() -> None:
    table = pd.DataFrame([{"task": "nuclei", "index": 1, "class": "lymphocyte"}])
    figure = drawn({"nuclei": LABELS}, table, fill=0.5, line_px=1)
    assert figure[20, 20].tolist() == rgb(CLASS_COLOURS["lymphocyte"])
    assert figure[20, 90].tolist() == rgb(TASK_COLOURS["nuclei"])
    expected = (np.array(rgb(CLASS_COLOURS["lymphocyte"])) + 200) / 2
    np.testing.assert_allclose(figure[40, 40], expected, atol=1)


def test_the_legend_names_what_is_shown_and_nothing_else() -> None:
    def swatches(figure: np.ndarray) -> set[tuple[int, ...]]:
        return {tuple(pixel) for pixel in figure[100:, 12:24].reshape(-1, 3).tolist()}

    both = swatches(drawn({"glands": LABELS, "nuclei": LABELS}))
    assert {tuple(rgb(TASK_COLOURS[task])) for task in ("glands", "nuclei")} <= both
    assert tuple(rgb(TASK_COLOURS["nuclei"])) not in swatches(drawn({"glands": LABELS}))


def test_the_scale_bar_has_the_length_it_says() -> None:
    strip = drawn({})[100:]
    dark = (strip < 60).all(axis=2)
    bar_px = max(int(row.sum()) for row in dark)
    assert bar_px == pytest.approx(scale_bar_um(250) / 0.5, abs=1.5)


@given(st.floats(1e-3, 1e6))
def test_the_scale_bar_is_round_and_fits(width_um: float) -> None:
    length = scale_bar_um(width_um)
    assert 0.07 * width_um < length <= 0.2001 * width_um
    assert float(f"{length:e}".split("e")[0]) in (1, 2, 5)


def test_png_and_pdf_are_written(tmp_path: Path) -> None:
    source = make_source()
    for name in ("figure.png", "figure.PDF"):
        write_figure(
            tmp_path / name,
            source.image,
            source.annotated.labels,
            source.annotated.objects,
            source.annotated.pixel_size_um,
        )
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.width >= 480
        assert picture.info["dpi"] == pytest.approx((300, 300), rel=0.01)
    assert (tmp_path / "figure.PDF").read_bytes().startswith(b"%PDF")


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    source = make_source()
    arguments = (source.image, source.annotated.labels, source.annotated.objects)
    with pytest.raises(SettingsError, match="svg"):
        write_figure(tmp_path / "f.svg", *arguments, 0.5)
    with pytest.raises(SettingsError, match="pixel_size_um"):
        write_figure(tmp_path / "f.png", *arguments, 0)
    with pytest.raises(SettingsError, match="fill"):
        FigureSettings(fill=2)
    with pytest.raises(DataError, match="glands"):
        write_figure(tmp_path / "f.png", source.image[1:], source.annotated.labels, source.annotated.objects, 0.5)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_figure(tmp_path / "file" / "f.png", *arguments, 0.5)
    assert {entry.name for entry in tmp_path.iterdir()} == {"file"}


def test_a_table_comes_back(tmp_path: Path) -> None:
    objects = make_source().annotated.objects
    write_table(tmp_path / "objects.csv", objects)
    back = read_table(tmp_path / "objects.csv")
    written = objects.replace("", np.nan).infer_objects()  # an empty cell of a CSV is missing
    pd.testing.assert_frame_equal(back, written, check_dtype=False)


def test_texts_that_would_run_as_formulas_are_made_harmless(tmp_path: Path) -> None:
    table = pd.DataFrame({"task": ["glands"], "index": [1], "class": ["=HYPERLINK(1)"], "area_um2": [-3.5]})
    write_table(tmp_path / "t.csv", table)
    text = (tmp_path / "t.csv").read_text(encoding="utf-8-sig")
    assert "'=HYPERLINK" in text
    assert ",-3.5" in text


def test_umlauts_open_right_in_a_spreadsheet(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", pd.DataFrame({"task": ["Drüsen"], "index": [1]}))
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert read_table(tmp_path / "t.csv").task[0] == "Drüsen"


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"task,index\nglands,x\n", b'"', b"\xff\xfe\x00", b"a\n1,2,3\n4,5\n"]
)
def test_files_that_are_no_object_table_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.csv"):
        read_table(tmp_path / "t.csv")


def test_an_empty_table_is_a_table_without_rows(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", pd.DataFrame())
    assert read_table(tmp_path / "t.csv").empty
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "no.csv")
