"""The public API, on a fresh network and on the bundled checkpoint."""

import threading

import numpy as np
import pytest
import torch

from mckd.digits import DigitClassifier
from mckd.digits.data import MODALITIES, read_pictures, read_recordings
from mckd.digits.network import PaperNetwork, StudioNetwork
from mckd.digits.wave import read_wave
from mckd.files.checkpoint import CheckpointError, save_checkpoint
from mckd.method import predict
from tests.conftest import ROOT
from tests.sounds import written

CHECKPOINT = ROOT / "checkpoints" / "digits.safetensors"
HEADER = {"network": "studio", "modalities": list(MODALITIES), "normalisation": "softmax"}


@pytest.fixture(scope="module")
def classifier():
    return DigitClassifier.load(CHECKPOINT)


@pytest.fixture(scope="module")
def drawn(bundled):
    """Pictures (digit 0..9) as a pad would send them: 280 x 280, dark on white."""
    pictures = read_pictures(bundled)[0]
    first = [int(np.flatnonzero(pictures.labels == d)[0]) for d in range(10)]
    return [255 - np.kron(pictures.images[i], np.ones((10, 10), np.uint8)) for i in first]


@pytest.fixture(scope="module")
def spoken(bundled):
    recordings = read_recordings(bundled)
    return [read_wave(next(r.path for r in recordings if r.digit == d)) for d in range(10)]


class TestResult:
    def test_of_a_picture(self, classifier, drawn):
        result = classifier.predict(image=drawn[3])
        assert result.label == 3
        assert result.probabilities.shape == (10,)
        assert result.probabilities.sum() == pytest.approx(1.0)
        assert result.present == frozenset({"visual"})

    def test_of_a_sound(self, classifier, spoken):
        result = classifier.predict(audio=spoken[7])
        assert (result.label, result.present) == (7, frozenset({"audio"}))

    def test_of_both(self, classifier, drawn, spoken):
        result = classifier.predict(drawn[5], spoken[5])
        assert (result.label, result.present) == (5, frozenset(MODALITIES))

    def test_of_one_recording_however_it_was_written(self, classifier, spoken, tmp_path):
        for digit, (samples, rate) in enumerate(spoken):
            plain = classifier.predict(audio=(samples, rate))
            for odd, path in written(tmp_path, samples, rate).items():
                heard, same_rate = read_wave(path)
                assert same_rate == rate
                coarse = 0.03 if odd == "mu-law" else 1e-4
                loudest = np.abs(samples).max() * coarse + 1e-4
                assert min(np.abs(heard - s * samples).max() for s in (1, -1)) < loudest, odd
                result = classifier.predict(audio=(heard, rate))
                assert result.label == plain.label == digit, odd
                apart = np.abs(result.probabilities - plain.probabilities).max()
                assert apart < (0.1 if odd == "mu-law" else 0.01), odd

    def test_kept_features_give_the_same_answer(self, classifier, drawn, spoken):
        kept = classifier.decide(classifier.see(drawn[2]), classifier.hear(spoken[2]))
        anew = classifier.predict(drawn[2], spoken[2])
        assert np.array_equal(kept.probabilities, anew.probabilities)

    def test_equals_the_network_s_own_forward_pass(self, classifier, drawn, spoken):
        seen, heard = classifier.see(drawn[4]), classifier.hear(spoken[4])
        inputs = [
            torch.from_numpy(seen.picture)[None, None],
            torch.from_numpy(heard.log_mel)[None, None],
        ]
        temperatures = classifier.about["temperatures"]
        cases = {"visual": [True, False], "audio": [False, True], "both": [True, True]}
        for subset, present in cases.items():
            given = seen if present[0] else None, heard if present[1] else None
            logits = predict(classifier._network, inputs, torch.tensor([present]))
            expected = (logits.double() / temperatures[subset]).softmax(1)[0].numpy()
            assert classifier.decide(*given).probabilities == pytest.approx(expected, abs=1e-5)

    def test_most_of_the_synthetic_set(self, classifier, drawn, spoken):
        """Not a benchmark: neither these strokes nor these voices were trained on."""
        right = [classifier.predict(image=x).label == d for d, x in enumerate(drawn)]
        right += [classifier.predict(audio=x).label == d for d, x in enumerate(spoken)]
        assert sum(right) >= 18

    def test_many_threads_at_once(self, classifier, drawn):
        expected = [classifier.predict(image=x).label for x in drawn]
        results = [None] * 10

        def work(digit):
            results[digit] = classifier.predict(image=drawn[digit]).label

        threads = [threading.Thread(target=work, args=(d,)) for d in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == expected


class TestRefusals:
    def test_neither(self, classifier):
        with pytest.raises(ValueError, match="at least one of the two"):
            classifier.predict()

    def test_blank(self, classifier):
        with pytest.raises(ValueError, match=r"(?i)nothing is drawn|blank"):
            classifier.predict(image=np.full((280, 280), 255, np.uint8))

    def test_silence(self, classifier):
        with pytest.raises(ValueError, match="silent"):
            classifier.predict(audio=(np.zeros(16_000, np.int16), 16_000))


class TestBundledCheckpoint:
    def test_it_says_what_it_saw(self, classifier):
        assert "MNIST" in classifier.about["data"]
        assert len(classifier.about["sha256"]) == 64
        assert sum(classifier.importance.values()) == pytest.approx(1.0)

    def test_it_is_small(self):
        assert CHECKPOINT.stat().st_size <= 2_000_000

    def test_the_scores_in_its_header_are_above_the_bar(self, classifier):
        test = classifier.about["metrics"]["test"]
        assert test["visual"] >= 0.985
        assert test["audio"] >= 0.97
        assert test["both"] >= 0.995
        assert test["audio"] - test["audio_snr_10dB"] < 0.05
        left_out = classifier.about["left_out"]
        assert set(left_out) == {"george", "jackson", "nicolas", "theo"}
        assert min(scores["left_out"] for scores in left_out.values()) >= 0.85

    def test_the_scores_in_its_header_can_be_measured_again(self, classifier, avmnist):
        """Recordings 0-14 were never trained on; every fifth of them is enough here."""
        unseen = [r for r in read_recordings(avmnist) if r.index < 15][::5]
        right = [classifier.predict(audio=read_wave(r.path)).label == r.digit for r in unseen]
        assert np.mean(right) == pytest.approx(
            classifier.about["metrics"]["test"]["audio"], abs=0.04
        )


class TestLoading:
    def save(self, folder, network, header):
        tensors = {f"network/{k}": v for k, v in network.state_dict().items()}
        path = folder / "x.safetensors"
        save_checkpoint(path, {**tensors, "iwv": torch.zeros(2)}, header)
        return path

    def test_a_fresh_network(self, tmp_path):
        classifier = DigitClassifier.load(self.save(tmp_path, StudioNetwork(), HEADER))
        assert classifier.importance == {"visual": 0.5, "audio": 0.5}

    def test_another_kind_of_network(self, tmp_path):
        path = self.save(tmp_path, PaperNetwork(), HEADER | {"network": "paper"})
        with pytest.raises(CheckpointError, match="network that the app can use"):
            DigitClassifier.load(path)

    def test_weights_that_do_not_fit(self, tmp_path):
        path = self.save(tmp_path, PaperNetwork(), HEADER)
        with pytest.raises(CheckpointError, match="does not fit"):
            DigitClassifier.load(path)
