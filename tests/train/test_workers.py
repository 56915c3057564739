"""Which device a process of a run takes."""

import pytest
import torch

from train.workers import WorkersError, device_of


def test_each_process_has_a_gpu_of_its_own():
    assert device_of(0, 0) == device_of(3, 0) == torch.device("cpu")
    assert [device_of(rank, 2) for rank in range(2)] == [
        torch.device("cuda", 0),
        torch.device("cuda", 1),
    ]
    with pytest.raises(WorkersError, match=r"has 1 GPU, .* --nproc-per-node=1\."):
        device_of(1, 1)
    with pytest.raises(WorkersError, match=r"has 2 GPUs, .* --nproc-per-node=2\."):
        device_of(2, 2)
