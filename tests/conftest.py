"""Data that tests may use: the bundled synthetic set always, the real sets where they are."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def bundled() -> Path:
    return ROOT / "assets" / "digits"


@pytest.fixture(scope="session")
def avmnist() -> Path:
    """Real Audiovision-MNIST: MCKD_DATA, data/ of the project, or a folder shared beside it."""
    places = [ROOT / "data", ROOT.parent / "shared" / "data"]
    if "MCKD_DATA" in os.environ:
        places.insert(0, Path(os.environ["MCKD_DATA"]))
    for place in places:
        if (place / "avmnist" / "recordings").is_dir():
            return place / "avmnist"
    pytest.skip("Audiovision-MNIST is not here; fetch it with: python -m train data avmnist")


@pytest.fixture(scope="session")
def brats() -> Path:
    """Real cases of BraTS 2021: MCKD_DATA, data/ of the project, or a folder shared beside it."""
    places = [ROOT / "data", ROOT.parent / "shared" / "data"]
    if "MCKD_DATA" in os.environ:
        places.insert(0, Path(os.environ["MCKD_DATA"]))
    for place in places:
        if any((place / "brats2021").glob("*/*_flair.nii.gz")):
            return place / "brats2021"
    pytest.skip("There is no folder data/brats2021 with cases of BraTS 2021 here")
