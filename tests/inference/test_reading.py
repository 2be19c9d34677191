"""Image files: pixels as stored, the stated pixel size, and one sentence for each way a file can be bad."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import EpsImagePlugin, Image, ImageOps

from napari_cerberus.errors import DataError, ImageError
from napari_cerberus.inference.images.image_files import pixel_size_of_file, read_image
from napari_cerberus.inference.images.rgb import as_rgb8
from napari_cerberus.pairs.layout.tile_pixels import image_shape, read_rgb
from napari_cerberus.pixel_size import PixelSize, PixelSizeSource

RGB = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def write_tiff(path: Path, image: np.ndarray = RGB, **options: object) -> Path:
    tifffile.imwrite(path, image, **{"photometric": "rgb", **options})
    return path


def sides(size: PixelSize | None) -> tuple[float, float] | None:
    return None if size is None else size.yx_um


def pyramid(path: Path) -> Path:
    with tifffile.TiffWriter(path) as file:
        file.write(RGB, subifds=1, photometric="rgb", tile=(16, 16))
        file.write(RGB[::2, ::2], subfiletype=1, photometric="rgb", tile=(16, 16))
    return path


OME = {
    "axes": "YXS",
    "PhysicalSizeX": 250.0,
    "PhysicalSizeXUnit": "nm",
    "PhysicalSizeY": 250.0,
    "PhysicalSizeYUnit": "nm",
}
APERIO = "Aperio Image Library v11.2\r\n60x80 |AppMag = 40|MPP = 0.2520|Left = 1"

SIZES = {
    "ome.tif": (lambda path: write_tiff(path.with_suffix(".ome.tif"), metadata=OME), 0.25),
    "svs.tif": (lambda path: write_tiff(path, description=APERIO, metadata=None), 0.252),
    "imagej.tif": (
        lambda path: write_tiff(path, imagej=True, resolution=(4, 4), metadata={"unit": "um"}),
        0.25,
    ),
    "cm.tif": (lambda path: write_tiff(path, resolution=(2e4, 2e4), resolutionunit="CENTIMETER"), 0.5),
    "inch.tif": (lambda path: write_tiff(path, resolution=(25400, 25400), resolutionunit="INCH"), 1.0),
    "none.tif": (lambda path: write_tiff(path, resolution=(2e4, 2e4), resolutionunit="NONE"), None),
    "plain.tif": (lambda path: write_tiff(path), None),
    "screen.tif": (lambda path: write_tiff(path, resolution=(72, 72), resolutionunit="INCH"), None),
    "pyramid.tif": (pyramid, None),
    "planar.tif": (lambda path: write_tiff(path, np.moveaxis(RGB, -1, 0), planarconfig="separate"), None),
}


@pytest.mark.parametrize("name", SIZES)
def test_tiff(tmp_path: Path, name: str) -> None:
    write, size = SIZES[name]
    path = write(tmp_path / name) or tmp_path / name
    stored = read_image(path)
    np.testing.assert_array_equal(stored.pixels, RGB)
    assert sides(stored.pixel_size) == (None if size is None else pytest.approx((size, size)))
    assert pixel_size_of_file(path) == stored.pixel_size


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.bmp"])
def test_pictures(tmp_path: Path, name: str) -> None:
    Image.fromarray(RGB).save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    stored = read_image(tmp_path / name)
    np.testing.assert_array_equal(stored.pixels, RGB)
    assert stored.pixel_size is None
    assert pixel_size_of_file(tmp_path / name) is None


def test_dots_per_inch_of_a_scanner_count_and_those_of_a_screen_do_not(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "scan.png", dpi=(50800, 50800))
    Image.fromarray(RGB).save(tmp_path / "screen.png", dpi=(96, 96))
    assert sides(pixel_size_of_file(tmp_path / "scan.png")) == pytest.approx((0.5, 0.5), rel=1e-3)
    assert pixel_size_of_file(tmp_path / "screen.png") is None


def test_palettes_and_alpha(tmp_path: Path) -> None:
    Image.fromarray(RGB).quantize(256).save(tmp_path / "palette.png")
    assert as_rgb8(read_image(tmp_path / "palette.png").pixels).shape == RGB.shape
    clear = Image.fromarray(np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)]))
    clear.save(tmp_path / "clear.png")
    assert (as_rgb8(read_image(tmp_path / "clear.png").pixels) == 255).all()
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "press.jpg", quality=95)
    assert read_image(tmp_path / "press.jpg").pixels.shape == RGB.shape


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grey_files_are_left_for_the_sentence_about_grey(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB[..., 0]).convert("L")
    (image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)).save(tmp_path / "grey.png")
    with pytest.raises(ImageError, match=r"grey|mask"):
        as_rgb8(read_image(tmp_path / "grey.png").pixels)


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "flat.tif", resolution=(2e4, 4e4), resolutionunit="CENTIMETER")
    size = read_image(path).pixel_size
    assert size is not None
    assert size.yx_um == pytest.approx((0.25, 0.5))
    assert size.source is PixelSizeSource.FILE


def whole_files(folder: Path) -> list[Path]:
    Image.fromarray(RGB).save(folder / "a.png")
    Image.fromarray(RGB).save(folder / "a.jpg")
    Image.fromarray(RGB).save(folder / "a.webp", lossless=True)
    write_tiff(folder / "raw.tif")
    write_tiff(folder / "zip.tif", compression="zlib")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("share", [0.0, 0.0004, 0.01, 0.5])
def test_files_cut_short(tmp_path: Path, share: float) -> None:
    for path in whole_files(tmp_path):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ImageError) as caught:
            read_image(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_files_never_raise_anything_else(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for path in whole_files(tmp_path):
        content = bytearray(path.read_bytes())
        for place in rng.integers(0, len(content), 20):
            content[place] = int(rng.integers(256))
        path.write_bytes(content)
        with suppress(ImageError):
            read_image(path)


def test_missing_foreign_and_folders(tmp_path: Path) -> None:
    (tmp_path / "notes.tif").write_text("not a picture")
    for path, sentence in (
        (tmp_path / "gone.png", "does not exist"),
        (tmp_path, "cannot be opened"),
        (tmp_path / "notes.tif", "no image"),
    ):
        with pytest.raises(ImageError, match=sentence):
            read_image(path)


def test_pictures_that_pretend_to_be_huge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RGB).save(tmp_path / "bomb.png")
    write_tiff(tmp_path / "bomb.tif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr("napari_cerberus.inference.images.image_files.MAX_PIXELS", 100)
    for name in ("bomb.png", "bomb.tif"):
        with pytest.raises(ImageError, match=rf"{name}.*(too large|too many)"):
            read_image(tmp_path / name)


def test_postscript_that_is_called_png_never_starts_ghostscript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given: started.append(given))
    path = tmp_path / "tile.png"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n/Times findfont pop\n%%EOF\n")
    with Image.open(path) as picture:  # Pillow by itself takes it
        assert picture.format == "EPS"
    for read, error in ((read_image, ImageError), (read_rgb, DataError), (image_shape, DataError)):
        with pytest.raises(error, match=r"tile\.png"):
            read(path)
    assert not started


@pytest.mark.parametrize("code", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_a_picture_stands_upright_as_its_file_says(tmp_path: Path, name: str, code: int) -> None:
    path = tmp_path / name
    if name == "a.tif":
        tifffile.imwrite(path, RGB, photometric="rgb", extratags=[(0x0112, "H", 1, code, True)])
    else:
        exif = Image.Exif()
        exif[0x0112] = code
        Image.fromarray(RGB).save(path, exif=exif, **({"lossless": True} if name == "a.webp" else {}))
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    stored = read_image(path)
    np.testing.assert_array_equal(stored.pixels, expected)
    np.testing.assert_array_equal(read_image(path, upright=False).pixels, RGB)
    assert len(stored.notes) == (code != 1)


@pytest.mark.parametrize("writer", ["pillow", "tifffile"])
def test_of_several_pages_the_first_is_read_and_that_is_said(tmp_path: Path, writer: str) -> None:
    path, other = tmp_path / "pages.tif", np.zeros_like(RGB)
    if writer == "pillow":
        Image.fromarray(RGB).save(path, save_all=True, append_images=[Image.fromarray(other)] * 2)
    else:
        with tifffile.TiffWriter(path) as tiff:
            for page in (RGB, other, other):
                tiff.write(page, photometric="rgb")
    stored = read_image(path)
    np.testing.assert_array_equal(stored.pixels, RGB)
    assert stored.notes == ("The file holds 3 pages; only page 1 was read.",)
