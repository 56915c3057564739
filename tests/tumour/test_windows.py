"""Windows over a volume: where they lie, and that joining undoes cutting."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from mckd.tumour.designs import Design
from mckd.tumour.windows import sliding_windows

TINY = Design(2, (4, 8), (0, 1))
WINDOWED = Design(1, (4, 8), (0, 1), window=(8, 12, 4))


def test_a_worked_example():
    design = Design(1, (4,), (0,), window=(80, 80, 80))
    windows = sliding_windows((200, 80, 50), design)
    assert windows.padded == (200, 80, 80)
    assert windows.inner.start == (0, 0, 15)
    assert [box.start for box in windows.boxes] == [(x, 0, 0) for x in (0, 40, 80, 120)]


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 9, 10), (17, 40, 23), (9, 8, 3)])
@pytest.mark.parametrize("design", [TINY, WINDOWED])
def test_padding_and_windows_are_undone_exactly(shape, design):
    windows = sliding_windows(shape, design)
    assert all(n % design.multiple == 0 for n in windows.boxes[0].shape)
    volume = torch.arange(1.0, 1 + np.prod(shape)).reshape(1, 1, *shape)
    parts = [windows.cut(volume, k) for k in range(len(windows.boxes))]
    assert torch.equal(windows.join(parts), volume)
    for a, n, padded in zip(windows.inner.start, shape, windows.padded, strict=True):
        assert abs(padded - n - 2 * a) <= 1


def test_neighbours_share_a_third():
    design = Design(1, (4,), (0,), window=(9, 9, 9))
    for size in range(9, 40):
        starts = sorted({box.start[0] for box in sliding_windows((size, 9, 9), design).boxes})
        assert starts[0] == 0
        assert starts[-1] == size - 9
        assert all(0 < b - a <= 6 for a, b in pairwise(starts))


def test_overlaps_are_averaged():
    windows = sliding_windows((12, 12, 4), WINDOWED)
    assert [box.start[0] for box in windows.boxes] == [0, 4]
    parts = [torch.full((1, 3, 8, 12, 4), v) for v in (1.0, 4.0)]
    line = windows.join(parts)[0, 0, :, 0, 0]
    assert line.tolist() == [1.0] * 4 + [2.5] * 4 + [4.0] * 4
