"""Data that tests may use: the bundled synthetic set always, the real sets where they are.

Generated examples are the same at every run, so that what CI finds can be found again, and take
the time that they take.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

settings.register_profile(
    "mckd",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("mckd")


@pytest.fixture(scope="session")
def bundled() -> Path:
    return ROOT / "assets" / "digits"


def real_data(folder: str, pattern: str) -> Path | None:
    """`folder` of MCKD_DATA, of the project's data/ or of one shared beside it, if it has files."""
    places = [ROOT / "data", ROOT.parent / "shared" / "data"]
    if "MCKD_DATA" in os.environ:
        places.insert(0, Path(os.environ["MCKD_DATA"]))
    return next((p / folder for p in places if any((p / folder).glob(pattern))), None)


@pytest.fixture(scope="session")
def avmnist() -> Path:
    """Real Audiovision-MNIST."""
    found = real_data("avmnist", "recordings/*.wav")
    if found is None:
        pytest.skip("Audiovision-MNIST is not here; fetch it with: python -m train data avmnist")
    return found


@pytest.fixture(scope="session")
def brats() -> Path:
    """Real cases of BraTS 2021."""
    found = real_data("brats2021", "*/*_flair.nii.gz")
    if found is None:
        pytest.skip("There is no folder data/brats2021 with cases of BraTS 2021 here")
    return found


@pytest.fixture(scope="session")
def dicom() -> Path:
    """Archives of real DICOM series of several vendors."""
    found = real_data("dicom", "*.zip")
    if found is None:
        pytest.skip("There is no folder data/dicom with archives of DICOM series here")
    return found


@pytest.fixture(scope="session")
def clinical() -> Path:
    """Heads as a hospital has them: with skull, thick slices, each series on its own grid."""
    found = real_data("clinical", "*/*.nii.gz")
    if found is None:
        pytest.skip("There is no folder data/clinical with heads as hospitals have them here")
    return found


@pytest.fixture
def full_disk() -> Callable[[], AbstractContextManager[None]]:
    """`with full_disk():` no file of this process can grow beyond 4 kB; the system refuses it."""
    resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")

    @contextmanager
    def limited() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def one_thread() -> Iterator[None]:
    """On inputs as small as those of tests more of them only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
