"""What is unlike any digit: by hand, and by the bundled model on what is none."""

import math

import numpy as np
import pytest
import torch

from mckd.digits import DigitClassifier
from mckd.digits.data import read_pictures, read_recordings
from mckd.digits.likeness import Likeness, kept, likenesses, unlikeness
from mckd.digits.wave import read_wave
from mckd.files.checkpoint import Checkpoint
from tests.conftest import ROOT

DIRECTIONS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


@pytest.fixture(scope="module")
def classifier():
    return DigitClassifier.load(ROOT / "checkpoints" / "digits.safetensors")


def test_the_angle_to_the_nearest_direction():
    """Along one, halfway between two, away from both; length does not count."""
    features = torch.tensor([[3.0, 0.0], [0.2, 0.2], [-5.0, -5.0]])
    half = math.sqrt(0.5)
    assert unlikeness(features, DIRECTIONS).tolist() == pytest.approx([0, 1 - half, 1 + half])
    assert Likeness(DIRECTIONS, 0.25).unlike(features).tolist() == [False, True, True]
    assert Likeness(DIRECTIONS, 0.30).unlike(features).tolist() == [False, False, True]


def test_what_a_checkpoint_keeps():
    tensors, limits = kept({"visual": Likeness(DIRECTIONS, 0.25)})
    found = likenesses(Checkpoint(tensors, {"unlike_above": limits}, ""))
    assert found.keys() == {"visual"}
    assert torch.equal(found["visual"].directions, DIRECTIONS)
    assert found["visual"].limit == 0.25
    assert likenesses(Checkpoint({}, {}, "")) == {}


def test_noise_is_no_digit_however_sure_the_network_is(classifier):
    rng = np.random.default_rng(5)
    for _ in range(5):
        found = classifier.predict(image=rng.integers(0, 256, (160, 160)).astype(np.uint8))
        assert found.unlike == {"visual"}


def test_digits_of_another_hand_and_voice_are_digits(classifier, bundled):
    """Drawn and spoken by machines; training saw neither."""
    images = read_pictures(bundled)[0].images
    strange = [bool(classifier.predict(image=x).unlike) for x in images]
    assert np.mean(strange) <= 0.02
    spoken = [read_wave(r.path) for r in read_recordings(bundled)[::4]]
    assert not any(classifier.predict(audio=x).unlike for x in spoken)


def test_each_input_is_judged_by_itself(classifier, bundled):
    noise = np.random.default_rng(5).integers(0, 256, (160, 160)).astype(np.uint8)
    word = read_wave(read_recordings(bundled)[0].path)
    assert classifier.predict(noise, word).unlike == {"visual"}
    assert classifier.predict(audio=word).unlike == frozenset()
