"""The app's task: what is changed, what is left out, what must not leak."""

import random
import shutil

import numpy as np
import pytest
import torch

from mckd.digits.data import read_pictures, read_recordings
from train.digits import augment_picture, augment_voice
from train.digits.commands import BUNDLED
from train.digits.protocol import PaperTask
from train.digits.settings import PRESETS
from train.digits.studio import StudioTask
from train.digits.synthetic import SPEAKERS, draw_digit, make_synthetic
from train.settings import override
from train.task import generator


@pytest.fixture(scope="module")
def task():
    settings = override(PRESETS["studio"](), {"batch_size": 40})
    return StudioTask(settings, BUNDLED, BUNDLED)


def test_batches_are_functions_of_the_step(task):
    a, b, other = (task.training_batch(step, 0, 1) for step in (3, 3, 4))
    for x, y, z in zip(a.inputs, b.inputs, other.inputs, strict=True):
        assert torch.equal(x, y)
        assert not torch.equal(x, z)
        assert torch.isfinite(x).all()
    assert [x.shape[1:] for x in a.inputs] == [(1, 28, 28), (1, 40, 80)]


def test_processes_draw_different_samples(task):
    a, b = (task.training_batch(0, rank, 2) for rank in range(2))
    assert len(a.target) == len(b.target) == 20
    assert not torch.equal(a.inputs[0], b.inputs[0])


def test_a_speaker_left_out_is_tested_and_nothing_else():
    settings = override(PRESETS["studio"](), {"leave_out": SPEAKERS[0]})
    task = StudioTask(settings, BUNDLED, None)
    assert task.provenance["speakers"] == [SPEAKERS[1]]
    assert sum(task.provenance["recordings"].values()) == 100
    assert set(task.test(task.parts.network())) == {
        "visual", "audio", "both", "audio_snr_10dB", "left_out",
    }  # fmt: skip


def test_an_unknown_speaker_is_refused():
    settings = override(PRESETS["studio"](), {"leave_out": "nobody"})
    with pytest.raises(ValueError, match="nobody"):
        StudioTask(settings, BUNDLED, None)


def test_test_recordings_are_never_trained_on(task):
    trained = torch.cat(task._voices[0])
    for wave in torch.cat(task._voices[2]):
        assert not (trained == wave).all(1).any()


def test_changed_pictures_stay_pictures():
    rng = random.Random(0)
    drawn = np.stack([draw_digit(d, rng) for d in range(10)])
    pictures = torch.from_numpy(drawn).float()[:, None] / 255
    hand = augment_picture.sample_hand(10, generator(1))
    pen = augment_picture.sample_pen(10, generator(2))
    changed = augment_picture.apply_pen(augment_picture.apply_hand(pictures, hand), pen)
    assert changed.shape == pictures.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    # No stroke is lost: each picture keeps at least a third of its ink.
    assert (changed.sum((1, 2, 3)) > pictures.sum((1, 2, 3)) / 3).all()


def test_no_change_is_the_identity():
    pictures = torch.rand(2, 1, 28, 28)
    hand = augment_picture.Hand(torch.eye(2, 3).repeat(2, 1, 1), torch.zeros(2, 2, 5, 5))
    assert torch.allclose(augment_picture.apply_hand(pictures, hand), pictures, atol=1e-5)
    wave = torch.randn(2, 8000)
    still = augment_voice.Timing(torch.ones(2), torch.zeros(2, 2), torch.zeros(2))
    assert torch.allclose(augment_voice.apply_timing(wave, still), wave, atol=1e-4)


def test_the_signal_to_noise_ratio_is_the_one_drawn():
    wave = torch.zeros(1, 8000)
    wave[:, 2000:6000] = torch.sin(torch.arange(4000) * 0.3)
    noise = torch.randn(1, 8000, generator=generator(0))
    noise /= noise.square().mean().sqrt()
    background = augment_voice.Background(
        noise, torch.tensor([10.0]), torch.full((1, 2), float("inf"))
    )
    added = augment_voice.apply_background(wave, background) - wave
    snr_db = 10 * torch.log10(wave[:, 2000:6000].square().mean() / added.square().mean())
    assert snr_db.item() == pytest.approx(10.0, abs=0.2)


def test_faster_is_shorter():
    wave = torch.zeros(1, 8000)
    wave[:, 3000:5000] = 1.0
    fast = augment_voice.Timing(torch.tensor([2.0]), torch.zeros(1, 2), torch.zeros(1))
    assert (augment_voice.apply_timing(wave, fast) > 0.5).sum().item() == pytest.approx(1000, abs=2)


def test_a_model_of_the_bundled_set_says_that_it_is_synthetic(task, avmnist):
    assert "synthetic pictures" in task.header["data"]
    assert "MNIST" not in task.header["data"]
    paper = PaperTask(PRESETS["paper"](), BUNDLED).provenance["data"]
    assert paper.startswith("synthetic")
    real = PaperTask(PRESETS["paper"](), avmnist).provenance["data"]
    assert "synthetic" not in real


def test_the_bundled_set_is_whole():
    recordings = read_recordings(BUNDLED)
    assert len(recordings) == 200
    assert {r.speaker for r in recordings} == set(SPEAKERS)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_the_bundled_pictures_are_what_the_command_makes(tmp_path):
    make_synthetic(tmp_path, seed=0)
    made, bundled = read_pictures(tmp_path)[0], read_pictures(BUNDLED)[0]
    assert np.array_equal(made.labels, bundled.labels)
    # Another version of Pillow may draw an edge a little differently.
    assert np.abs(made.images.astype(int) - bundled.images).mean() < 2
    assert len(read_recordings(tmp_path)) == len(read_recordings(BUNDLED))
