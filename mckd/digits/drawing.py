"""From anything a person draws or uploads to the 28x28 picture the network sees.

The aim is the look of MNIST: a white digit on black, 20 pixels on its longer side, strokes two to
four pixels wide, centre of mass in the middle. Only numpy and Pillow; about a millisecond.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 28  # pixels of the picture the network sees
DIGIT_SIDE = 20  # pixels of the digit's longer side inside it
OVERSAMPLING = 4  # strokes are measured and corrected on a grid this much finer

LARGEST_SIDE = 4096
SMALLEST_SIDE = 8
COMFORTABLE_SIDE = 1024  # larger pictures are averaged down first: same answer, less time
FAINTEST_CONTRAST = 0.08  # of full black to white; below it the picture counts as blank

# Stroke widths in pixels of the 28x28 picture. MNIST: median 2.3, nine images in ten 1.5 to 3.6.
THINNEST_STROKE = 1.8
THICKEST_STROKE = 4.0


def prepare_picture(image: np.ndarray) -> np.ndarray:
    """Return the (28, 28) float32 picture in 0..1, white digit on black.

    image: (H, W), (H, W, 3) or (H, W, 4) uint8, any polarity, any size up to 4096 pixels a side.
    An MNIST image comes back as it is. ValueError, in words meant for the person who drew, when
    there is no digit to look at.
    """
    ink = _ink(_checked(image))
    height, width = ink.shape
    top, left, bottom, right = _extent(ink)
    if _is_dot(ink[top:bottom, left:right] > 0.5, max(height, width)):
        raise ValueError("Only a dot so far. Draw the whole digit.")
    if (height, width) == (SIDE, SIDE) and _looks_like_mnist(ink, top, left, bottom, right):
        return ink
    fine = _placed(ink, top, left, bottom, right)
    fine = _with_usual_stroke_width(fine)
    coarse = fine.reshape(SIDE, OVERSAMPLING, SIDE, OVERSAMPLING).mean(axis=(1, 3))
    return np.asarray(coarse / max(float(coarse.max()), 1e-6), dtype=np.float32)


def _checked(image: np.ndarray) -> np.ndarray:
    shape = getattr(image, "shape", None)
    if shape is None or getattr(image, "dtype", None) != np.uint8:
        raise ValueError("A picture must be an array of whole numbers from 0 to 255 (uint8).")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (3, 4)):
        raise ValueError(
            f"A picture must be (height, width), or that with 3 or 4 colour channels; got {shape}."
        )
    if min(shape[:2]) < SMALLEST_SIDE:
        raise ValueError(f"The picture is too small to hold a digit: {shape[1]} x {shape[0]}.")
    if max(shape[:2]) > LARGEST_SIDE:
        raise ValueError(
            f"The picture is too large: {shape[1]} x {shape[0]} pixels. "
            f"At most {LARGEST_SIDE} a side, please."
        )
    shrink = -(-max(shape[:2]) // COMFORTABLE_SIDE)
    return image if shrink == 1 else np.asarray(Image.fromarray(image).reduce(shrink))


def _grey(image: np.ndarray) -> np.ndarray:
    """Brightness in 0..1; transparent parts become paper of the colour the ink is not."""
    if image.ndim == 2:
        return image.astype(np.float32) / 255
    grey = image[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    if image.shape[2] == 4 and image[..., 3].min() < 255:
        alpha = image[..., 3].astype(np.float32) / 255
        if alpha.max() < FAINTEST_CONTRAST:
            return np.zeros_like(grey)
        paper = 1.0 if float((grey * alpha).sum() / alpha.sum()) < 0.5 else 0.0
        grey = grey * alpha + paper * (1 - alpha)
    return grey


def _ink(image: np.ndarray) -> np.ndarray:
    """How much ink lies on each pixel, 0..1, whatever the colours of paper and pen were."""
    grey = _grey(image)
    rim = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    paper = float(np.median(rim))
    difference = grey - paper
    if -difference[difference < 0].sum() > difference[difference > 0].sum():
        difference = -difference
    ink = np.clip(difference, 0, None)
    strongest = float(ink.max())
    if strongest < FAINTEST_CONTRAST:
        raise ValueError("Nothing is drawn yet. Draw a digit from 0 to 9.")
    ink /= strongest
    grain = min(0.4, 2 * float(np.quantile(np.abs(rim - paper), 0.75)) / strongest)
    if grain > 0.01:  # a photographed or noisy page: what the paper does anyway is not ink
        ink = np.clip((ink - grain) / (1 - grain), 0, 1)
    return np.asarray(ink, dtype=np.float32)


def _extent(ink: np.ndarray) -> tuple[int, int, int, int]:
    rows = np.flatnonzero((ink > 0.2).any(axis=1))
    columns = np.flatnonzero((ink > 0.2).any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _is_dot(crop: np.ndarray, picture_side: int) -> bool:
    """A small, round, filled spot: the pen touched the pad and left again."""
    height = int(crop.any(axis=1).sum())
    width = int(crop.any(axis=0).sum())
    small = max(height, width) < max(0.15 * picture_side, 5)
    return small and 0.6 < height / width < 1.7 and int(crop.sum()) > 0.68 * height * width


def _looks_like_mnist(ink: np.ndarray, top: int, left: int, bottom: int, right: int) -> bool:
    row, column = _centre_of_mass(ink)
    centred = max(abs(row - SIDE / 2), abs(column - SIDE / 2)) < 1.5
    return centred and DIGIT_SIDE - 2 <= max(bottom - top, right - left) <= DIGIT_SIDE + 1


def _centre_of_mass(ink: np.ndarray) -> tuple[float, float]:
    """Row and column of the centre of mass, in pixel edges: a full picture has it at H/2, W/2."""
    total = float(ink.sum())
    row = float(ink.sum(axis=1) @ (np.arange(ink.shape[0]) + 0.5)) / total
    column = float(ink.sum(axis=0) @ (np.arange(ink.shape[1]) + 0.5)) / total
    return row, column


def _placed(ink: np.ndarray, top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """The digit at its final size and place on the fine grid: (112, 112), 0..1."""
    crop = ink[top:bottom, left:right]
    frame = SIDE / DIGIT_SIDE * max(crop.shape)  # side of the 28x28 frame in source pixels
    margin = int(np.ceil(frame)) + 1
    row, column = (
        _centred_start(middle, length, frame)
        for middle, length in zip(_centre_of_mass(crop), crop.shape, strict=True)
    )
    sheet = Image.fromarray(np.pad(crop, margin))
    box = (column + margin, row + margin, column + margin + frame, row + margin + frame)
    side = SIDE * OVERSAMPLING
    resample = Image.Resampling.BOX if frame > side else Image.Resampling.BILINEAR
    fine = np.asarray(sheet.resize((side, side), resample, box=box), dtype=np.float32)
    usual = float(np.quantile(fine[fine > 0.02], 0.75))  # a hair-thin stroke averages to a grey one
    return np.asarray(np.clip(fine / max(usual, 1e-3), 0, 1))


def _centred_start(middle: float, length: int, frame: float) -> float:
    """Where the frame starts so that `middle` is its centre and no ink leaves it."""
    return float(np.clip(middle - frame / 2, length - frame, 0))


def _with_usual_stroke_width(fine: np.ndarray) -> np.ndarray:
    width = stroke_width(fine) / OVERSAMPLING
    if width < THINNEST_STROKE:
        return _widened(fine, round((THINNEST_STROKE - width) / 2 * OVERSAMPLING))
    if width > THICKEST_STROKE:
        return 1 - _widened(1 - fine, round((width - THICKEST_STROKE) / 2 * OVERSAMPLING))
    return fine


def stroke_width(ink: np.ndarray) -> float:
    """Mean stroke width in pixels: twice the area over the length of the outline."""
    inside = np.pad(ink > 0.5, 1)
    area = int(inside.sum())
    outline = int((inside[1:] != inside[:-1]).sum() + (inside[:, 1:] != inside[:, :-1]).sum())
    return (
        2.0 * area / max(outline * 0.79, 1)
    )  # 0.79: a staircase is longer than the slope it draws


def _widened(fine: np.ndarray, radius: int) -> np.ndarray:
    """Grow bright strokes by `radius` pixels on each side, corners kept round."""
    for step in range(radius):
        padded = np.pad(fine, 1, mode="edge")
        grown = np.maximum.reduce(
            [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:], fine]
        )
        if step % 2:  # every second step also reaches the diagonal neighbours: nearly a disc
            grown = np.maximum.reduce(
                [grown, padded[:-2, :-2], padded[:-2, 2:], padded[2:, :-2], padded[2:, 2:]]
            )
        fine = grown
    return fine
