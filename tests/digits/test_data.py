import gzip
import struct

import numpy as np
import pytest

from mckd.digits.data import (
    DataError,
    keep_rate,
    paper_mfcc,
    picture_order,
    read_pictures,
    read_recordings,
    split_pairs,
    whole_clip_mfcc,
)
from mckd.digits.wave import read_wave


class TestProtocol:
    """The paper's protocol on the real data."""

    @pytest.fixture(scope="class")
    @staticmethod
    def split(avmnist):
        return split_pairs(avmnist)

    def test_sizes(self, split):
        assert [len(p) for p in (split.train, split.validation, split.test)] == [900, 150, 450]

    def test_pairs_agree_on_the_digit(self, split):
        for part in (split.train, split.validation, split.test):
            assert [r.digit for r in part.recordings] == part.labels.tolist()

    def test_the_recording_number_decides_the_part(self, split):
        numbers = [{r.index for r in p.recordings} for p in (split.test, split.validation)]
        assert numbers == [set(range(15)), set(range(15, 20))]
        assert {r.index for r in split.train.recordings} == set(range(20, 50))

    def test_three_speakers_evenly(self, split):
        speakers = [r.speaker for r in split.train.recordings]
        assert {s: speakers.count(s) for s in set(speakers)} == {
            "jackson": 300,
            "nicolas": 300,
            "theo": 300,
        }

    def test_no_picture_is_in_two_parts(self, split):
        parts = [set(p.image_index) for p in (split.train, split.validation, split.test)]
        assert sum(len(p) for p in parts) == len(set.union(*parts)) == 1500

    def test_first_pictures_train_last_ones_test(self, split, avmnist):
        labels = read_pictures(avmnist)[0].labels
        of_seven = np.flatnonzero(labels == 7)
        test = split.test.image_index[split.test.labels == 7]
        assert sorted(test) == of_seven[-45:].tolist()
        trained = np.concatenate([split.train.image_index, split.validation.image_index])
        assert set(of_seven[:105]) <= set(trained)

    @pytest.mark.parametrize(("rate", "count"), [(0.05, 5), (0.1, 9), (0.15, 14), (0.2, 18)])
    def test_rates_per_digit_and_speaker(self, split, rate, count):
        kept = keep_rate(split.train, rate, seed=0)
        assert np.bincount(split.train.labels[kept]).tolist() == [count] * 10
        for digit in range(10):
            rows = np.flatnonzero(kept & (split.train.labels == digit))
            speakers = [split.train.recordings[r].speaker for r in rows]
            counts = [speakers.count(s) for s in ("jackson", "nicolas", "theo")]
            assert max(counts) - min(counts) <= 1

    def test_the_seed_chooses_who_keeps_it(self, split):
        draws = [keep_rate(split.train, 0.1, seed) for seed in (0, 0, 1)]
        assert (draws[0] == draws[1]).all()
        assert (draws[0] != draws[2]).any()

    def test_a_rate_that_keeps_nothing_is_refused_and_the_smallest_that_does_is_named(
        self, bundled
    ):
        """Of the 12 of a digit one is kept from half of a twelfth on, .0417."""
        train = split_pairs(bundled).train
        with pytest.raises(DataError, match=r"keeps none of the 120 .* has 12\. .* is 0\.042\."):
            keep_rate(train, 0.041, seed=0)
        assert np.bincount(train.labels[keep_rate(train, 0.042, seed=0)]).tolist() == [1] * 10


class TestPictureOrder:
    def test_file_names_sorted_as_text(self):
        assert picture_order(12, "smil").tolist() == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
        assert picture_order(12).tolist() == list(range(12))

    def test_a_draw_is_an_order_of_its_own(self):
        draws = [picture_order(100, draw=d) for d in (1, 1, 2)]
        assert draws[0].tolist() == draws[1].tolist() != draws[2].tolist()
        assert sorted(draws[0]) == list(range(100))

    def test_unknown(self):
        with pytest.raises(DataError, match="'file' or 'smil', not 'size'"):
            picture_order(3, "size")

    @pytest.mark.parametrize(("order", "draw"), [("smil", 0), ("file", 3)])
    def test_the_split_takes_the_first_and_the_last_of_a_digit(self, bundled, order, draw):
        split = split_pairs(bundled, order, draw)
        labels = read_pictures(bundled)[0].labels
        ranked = [i for i in picture_order(len(labels), order, draw).tolist() if labels[i] == 7]
        test = split.test.image_index[split.test.labels == 7]
        assert test.tolist() == ranked[-6:]
        others = [split.train, split.validation]
        assert {i for p in others for i in p.image_index[p.labels == 7]} == set(ranked[:14])


def test_the_paper_mfcc_is_mostly_padding(avmnist):
    samples, rate = read_wave(read_recordings(avmnist)[0].path)
    assert rate == 8000
    mfcc = paper_mfcc(samples)
    assert mfcc.shape == (20, 20)
    filled = (mfcc != -1.0).any(0)  # (0 - 0.5) / 0.5 is what padding becomes
    assert filled.sum() == 1 + len(samples[::3]) // 512
    assert not filled[filled.sum() :].any()


def test_the_whole_clip_mfcc_is_standardised(bundled):
    mfcc = whole_clip_mfcc(read_wave(read_recordings(bundled)[0].path)[0])
    assert mfcc.shape == (20, 20)
    assert mfcc.mean() == pytest.approx(0, abs=1e-4)
    assert mfcc.std() == pytest.approx(1, abs=1e-3)


def test_the_bundled_set_follows_the_same_rule(bundled):
    split = split_pairs(bundled)
    assert [len(p) for p in (split.train, split.validation, split.test)] == [120, 20, 60]


def write_idx(path, values, header=None):
    header = header or bytes([0, 0, 8, values.ndim]) + struct.pack(
        f">{values.ndim}I", *values.shape
    )
    path.write_bytes(gzip.compress(header + values.tobytes()))


class TestBadFiles:
    @pytest.fixture
    def folder(self, tmp_path):
        write_idx(tmp_path / "images-idx3-ubyte.gz", np.zeros((2, 28, 28), np.uint8))
        write_idx(tmp_path / "labels-idx1-ubyte.gz", np.zeros(2, np.uint8))
        return tmp_path

    def test_good_ones_are_read(self, folder):
        assert read_pictures(folder)[0].images.shape == (2, 28, 28)

    def test_missing(self, tmp_path):
        with pytest.raises(DataError, match=r"images-idx3-ubyte.gz is missing.*train data"):
            read_pictures(tmp_path)

    def test_truncated(self, folder):
        path = folder / "images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(DataError, match=r"images-idx3-ubyte.gz is damaged"):
            read_pictures(folder)

    def test_not_an_idx_file(self, folder):
        (folder / "images-idx3-ubyte.gz").write_bytes(gzip.compress(b"<html>"))
        with pytest.raises(DataError, match="not an idx file"):
            read_pictures(folder)

    def test_header_and_content_disagree(self, folder):
        header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 9, 28, 28)
        write_idx(folder / "images-idx3-ubyte.gz", np.zeros(5, np.uint8), header)
        with pytest.raises(DataError, match="holds 5 values"):
            read_pictures(folder)

    def test_labels_of_another_set(self, folder):
        write_idx(folder / "labels-idx1-ubyte.gz", np.zeros(3, np.uint8))
        with pytest.raises(DataError, match="2 pictures but labels 3 labels"):
            read_pictures(folder)

    def test_no_recordings(self, folder):
        (folder / "recordings").mkdir()
        (folder / "recordings" / "hello.wav").touch()
        with pytest.raises(DataError, match="no recordings named"):
            read_recordings(folder)
