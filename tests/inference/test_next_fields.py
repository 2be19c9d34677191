"""Which images to label next: unsure, unlike what is known, unlike each other."""

import numpy as np
import pytest
from PIL import Image

from finetune import tiny_net
from napari_cerberus.cli.main import main
from napari_cerberus.errors import ImageError, SettingsError
from napari_cerberus.inference.doubts.next_fields import FieldImage, SeenField, propose, see, unsure_of
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end


def field(name, unsure, *vector):
    return SeenField(name=name, unsure=unsure, vector=np.array(vector, np.float32) if vector else None)


def names(*given, **about):
    return [one.name for one in propose(*given, **about)]


def test_the_most_unsure_comes_first_and_its_twin_after_what_is_different():
    seen = [field("a", 0.9, 1, 0), field("twin of a", 0.8, 1, 0.01), field("other", 0.3, 0, 1)]
    assert names(seen, 3) == ["a", "other", "twin of a"]


def test_what_is_like_labelled_images_waits():
    seen = [field("like", 0.9, 1, 0), field("unlike", 0.2, 0, 1)]
    assert names(seen, 1, [np.array([1, 0], np.float32)]) == ["unlike"]


def test_without_tissue_nothing_is_proposed_and_none_twice():
    seen = [field("glass", 1.0), field("a", 0.5, 1, 0)]
    assert names(seen, 5) == ["a"]
    with pytest.raises(SettingsError, match="not 0"):
        propose(seen, 0)


def test_each_has_a_reason_in_words():
    seen = [field("a", 0.9, 1, 0), field("twin of a", 0.8, 1, 0.01), field("other", 0.3, 0, 1)]
    assert [one.sentence for one in propose(seen, 3)] == [
        "a: The model is least sure of this one.",
        "other: The model is surest of this one, and it looks unlike those above.",
        "twin of a: The model is less sure of it than of 1 of the 2 others, but it looks like one of those above.",
    ]
    (only,) = propose([field("a", 0.9, 1, 0)], 3, [np.array([0, 1], np.float32)])
    assert only.reason == "It is the only image with tissue, and it looks unlike the labelled images."


def test_pixels_near_a_half_are_unsure_and_plain_background_says_nothing():
    sure, torn = np.zeros((2, 2, 8, 8), np.float32)
    sure[0, :4], torn[0, :4] = 1.0, 0.5
    assert unsure_of([sure]) == pytest.approx(0, abs=1e-6)
    assert unsure_of([torn]) == pytest.approx(1)
    assert unsure_of([np.zeros((2, 8, 8), np.float32)]) == 0


def test_a_damaged_image_is_told_and_the_others_are_looked_at(tmp_path, monkeypatch):
    tiny_net.shrink(monkeypatch.setattr)
    tiny_net.save_base(tmp_path / "base")
    pixels = np.random.default_rng(0).integers(60, 200, (64, 64, 3), dtype=np.uint8)

    def broken():
        raise ImageError("b.png is damaged.")

    images = [
        FieldImage(name="a", load=lambda: (pixels, PixelSize.square(1.0))),
        FieldImage(name="b", load=broken),
    ]
    seen, problems = run_to_end(see(images, load_model(tmp_path / "base")))
    assert [one.name for one in seen] == ["a"]
    assert 0 <= seen[0].unsure <= 1
    assert problems == ("b.png is damaged.",)


def test_doubt_is_of_the_kind_that_is_corrected(tmp_path, monkeypatch):
    tiny_net.shrink(monkeypatch.setattr)
    tiny_net.save_base(tmp_path / "base")
    model = load_model(tmp_path / "base")
    pixels = np.random.default_rng(0).integers(60, 200, (64, 64, 3), dtype=np.uint8)
    images = [FieldImage(name="a", load=lambda: (pixels, PixelSize.square(1.0)))]
    kinds = [one.key for one in model.spec.tasks if one.kind == "instances"]
    unsure = [run_to_end(see(images, model, task=task))[0][0].unsure for task in (*kinds, "")]
    assert unsure[-1] == pytest.approx(np.mean(unsure[:-1]), abs=1e-6)
    assert len(set(unsure[:-1])) == len(kinds) > 1


def test_the_command_lists_the_images_best_first(tmp_path, monkeypatch, capsys):
    tiny_net.shrink(monkeypatch.setattr)
    tiny_net.save_base(tmp_path / "base")
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(60, 200, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "3.png").write_bytes(b"no picture")
    words = ["propose", str(folder), "--model", str(tmp_path / "base"), "--count", "2", "--pixel-size-um", "1"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert [line.partition(".")[0] for line in out.splitlines()] == ["1", "2"]
    assert "3.png" in err
    assert main(["propose", str(tmp_path / "nowhere")]) == 1
