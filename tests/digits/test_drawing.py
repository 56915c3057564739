"""From a drawing to the 28x28 picture: whatever the pen, paper, place and size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mckd.digits.drawing import SIDE, prepare_picture, stroke_width

SEVEN = [(0.30, 0.25), (0.72, 0.25), (0.45, 0.82)]


def drawn(
    size: tuple[int, int] = (280, 280),
    pen: int = 19,
    ink: int = 0,
    paper: int = 255,
    points: list[tuple[float, float]] = SEVEN,
    box: tuple[float, float, float, float] = (0, 0, 1, 1),
) -> np.ndarray:
    """A polyline on a (height, width) sheet; points are fractions of `box`, itself in fractions."""
    height, width = size
    image = Image.new("L", (width, height), paper)
    x0, y0, x1, y1 = box
    path = [((x0 + x * (x1 - x0)) * width, (y0 + y * (y1 - y0)) * height) for x, y in points]
    pencil = ImageDraw.Draw(image)
    pencil.line(path, fill=ink, width=pen, joint="curve")
    for x, y in path:
        pencil.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=ink)
    return np.asarray(image)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two pictures: 1 for the same, about 0 for unrelated ones."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


REFERENCE = prepare_picture(drawn())


def test_the_result_looks_like_mnist() -> None:
    assert REFERENCE.shape == (SIDE, SIDE)
    assert REFERENCE.dtype == np.float32
    assert REFERENCE.min() == 0
    assert REFERENCE.max() == 1
    rows = np.flatnonzero((REFERENCE > 0.2).any(axis=1))
    assert 18 <= rows[-1] - rows[0] + 1 <= 21
    grid = np.arange(SIDE) + 0.5
    assert abs(REFERENCE.sum(axis=1) @ grid / REFERENCE.sum() - SIDE / 2) < 0.7
    assert abs(REFERENCE.sum(axis=0) @ grid / REFERENCE.sum() - SIDE / 2) < 0.7


@pytest.mark.parametrize(
    ("image", "least"),
    [
        pytest.param(drawn(ink=255, paper=0), 0.99, id="inverted"),
        pytest.param(drawn(ink=90, paper=140), 0.97, id="faint"),
        pytest.param(drawn(box=(0.0, 0.0, 0.35, 0.35), pen=7), 0.93, id="small-in-a-corner"),
        pytest.param(drawn(box=(0.6, 0.55, 1.0, 0.95), pen=8), 0.93, id="off-centre"),
        pytest.param(drawn(size=(1100, 1100), pen=75), 0.97, id="huge"),
        pytest.param(drawn(size=(60, 60), pen=4), 0.93, id="tiny"),
        pytest.param(drawn(size=(280, 560), box=(0.2, 0, 0.7, 1)), 0.95, id="wide-sheet"),
        pytest.param(drawn(pen=3), 0.75, id="hair-thin"),
        pytest.param(drawn(size=(1000, 1000), pen=2), 0.75, id="hair-thin-and-large"),
        pytest.param(drawn(pen=44), 0.75, id="thick"),
    ],
)
def test_pen_paper_place_and_size_matter_little(image: np.ndarray, least: float) -> None:
    assert likeness(prepare_picture(image), REFERENCE) > least


@pytest.mark.parametrize("pen", [1, 2, 4, 8, 12, 19, 26, 34, 44])
def test_strokes_end_up_as_wide_as_in_mnist(pen: int) -> None:
    picture = prepare_picture(drawn(pen=pen))
    width = stroke_width(np.kron(picture, np.ones((4, 4)))) / 4
    assert 1.2 < width < 4.6
    assert 0.05 < picture.mean() < 0.25  # MNIST: 0.13 on average


def test_an_mnist_image_comes_back_as_it_is() -> None:
    image = (REFERENCE * 255).round().astype(np.uint8)
    np.testing.assert_allclose(prepare_picture(image), image / 255, atol=1e-6)


def test_colour_and_transparency() -> None:
    grey = drawn()
    colour = np.stack([grey, grey, np.full_like(grey, 255)], axis=2)  # blue ink on white
    assert likeness(prepare_picture(colour), REFERENCE) > 0.99
    for ink in (0, 255):
        layer = np.full((*grey.shape, 4), ink, np.uint8)
        layer[..., 3] = 255 - grey  # ink where the sheet was dark, nothing elsewhere
        assert likeness(prepare_picture(layer), REFERENCE) > 0.99
        layer[layer[..., 3] == 0] = 0  # the usual PNG: transparent black around the ink
        assert likeness(prepare_picture(layer), REFERENCE) > 0.99


def test_a_grainy_photo_of_paper_still_shows_the_digit() -> None:
    noise = np.random.default_rng(0).normal(0, 6, (280, 280))
    image = np.clip(drawn(ink=40, paper=200) + noise, 0, 255).astype(np.uint8)
    assert likeness(prepare_picture(image), REFERENCE) > 0.95


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_a_blank_sheet_is_refused(level: int, channels: int | None) -> None:
    shape = (280, 280) if channels is None else (280, 280, channels)
    with pytest.raises(ValueError, match="Nothing is drawn"):
        prepare_picture(np.full(shape, level, np.uint8))


def test_a_transparent_sheet_is_blank() -> None:
    with pytest.raises(ValueError, match="Nothing is drawn"):
        prepare_picture(np.zeros((200, 200, 4), np.uint8))


@pytest.mark.parametrize("pen", [5, 11, 19])
def test_one_dot_is_not_a_digit(pen: int) -> None:
    sheet = Image.fromarray(drawn(size=(640, 640), points=[(0.5, 0.5)] * 2, pen=4 * pen))
    with pytest.raises(ValueError, match="Only a dot"):
        prepare_picture(np.asarray(sheet.resize((160, 160), Image.Resampling.BOX)))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((28,), np.uint8), "height, width"),
        (np.zeros((28, 28, 2), np.uint8), "colour channels"),
        (np.zeros((28, 28, 28, 3), np.uint8), "height, width"),
        (np.zeros((0, 28), np.uint8), "too small"),
        (np.zeros((5, 400), np.uint8), "too small"),
        (np.zeros((8, 4097), np.uint8), "too large"),
        (np.broadcast_to(np.uint8(0), (30_000, 30_000, 4)), "too large"),
        (np.zeros((28, 28), np.float32), "uint8"),
        ([[0] * 28] * 28, "uint8"),
        (None, "uint8"),
    ],
)
def test_what_is_no_picture_is_refused_in_plain_words(image: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        prepare_picture(image)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_any_scribble_gives_finite_numbers_in_range(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in random.uniform(0.02, 0.98, (6, 2))]
    picture = prepare_picture(drawn(pen=int(random.integers(1, 40)), points=points))
    assert np.isfinite(picture).all()
    assert picture.min() >= 0
    assert picture.max() == 1
