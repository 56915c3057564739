import shutil

import numpy as np
import pytest

from mckd.digits.data import DataError, paper_mfcc, read_recordings
from mckd.digits.wave import read_wave
from train.digits import mfcc
from train.digits.mfcc import keep_mfcc, mfcc_of


@pytest.fixture
def folder(tmp_path, bundled):
    """Three recordings."""
    (tmp_path / "recordings").mkdir()
    for recording in read_recordings(bundled)[:3]:
        shutil.copy(recording.path, tmp_path / "recordings")
    return tmp_path


def test_kept_ones_are_those_that_would_be_computed(folder, monkeypatch):
    recordings = read_recordings(folder)
    expected = np.stack([paper_mfcc(read_wave(r.path)[0]) for r in recordings])
    assert np.array_equal(mfcc_of(recordings, "paper", folder), expected)
    mfcc._kept.cache_clear()
    assert keep_mfcc(folder) == 3
    monkeypatch.setattr(mfcc, "VARIANTS", {})  # nothing can be computed now
    assert np.array_equal(mfcc_of(recordings[::-1], "paper", folder), expected[::-1])


def test_a_recording_that_changed_is_computed_anew(folder):
    keep_mfcc(folder)
    first, second, _ = read_recordings(folder)
    shutil.copy(second.path, first.path)
    found = mfcc_of([first], "paper", folder)
    assert np.array_equal(found[0], paper_mfcc(read_wave(second.path)[0]))


def test_a_damaged_file_is_one_sentence(folder):
    (folder / "mfcc-paper.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"mfcc-paper\.npz is damaged.*train data mfcc"):
        mfcc_of(read_recordings(folder), "paper", folder)
