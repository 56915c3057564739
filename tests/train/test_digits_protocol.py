import numpy as np
import pytest
import torch

from train.digits.protocol import PaperTask, accuracy
from train.digits.settings import DigitSettings
from train.settings import override


def task_of(folder, **changes):
    return PaperTask(override(DigitSettings(), changes), folder)


def test_the_rate_hides_sound_in_training_only(avmnist):
    task = task_of(avmnist, audio_rate=0.1)
    assert task._train.present.sum(0).tolist() == [900, 90]
    assert task._validation.present.all()
    assert task._test.present.all()


def test_the_lower_bounds_have_one_modality(avmnist):
    visual, audio = task_of(avmnist, only="visual"), task_of(avmnist, only="audio")
    assert visual.training_batch(0, 0, 1).inputs[0].shape == (32, 1, 28, 28)
    assert audio.training_batch(0, 0, 1).inputs[0].shape == (32, 1, 20, 20)
    assert (visual.parts.modalities, audio.parts.modalities) == (("visual",), ("audio",))


def test_an_epoch_deals_every_sample(bundled):
    task = task_of(bundled, batch_size=16)
    seen = torch.cat([task.training_batch(s, 0, 1).inputs[0] for s in range(task.steps_per_epoch)])
    unique = np.unique(seen.flatten(1).numpy(), axis=0)
    assert len(unique) == len(np.unique(task._train.inputs[0].flatten(1).numpy(), axis=0))


def test_batches_depend_on_the_step_alone(bundled):
    task = task_of(bundled, batch_size=16)
    first = task.training_batch(5, 0, 1)
    task.training_batch(0, 0, 1)
    assert torch.equal(task.training_batch(5, 0, 1).inputs[0], first.inputs[0])
    assert not torch.equal(task.training_batch(6, 0, 1).inputs[0], first.inputs[0])


def test_processes_share_the_batch(bundled):
    task = task_of(bundled, batch_size=16)
    whole = task.training_batch(3, 0, 1)
    halves = [task.training_batch(3, rank, 2) for rank in range(2)]
    together = torch.stack([h.target for h in halves], 1).flatten()
    assert torch.equal(together, whole.target)


def test_alone_hides_the_other_modality(bundled):
    task = PaperTask(DigitSettings(), bundled, alone="audio")
    assert task._train.present.unique(dim=0).tolist() == [[False, True]]


def test_accuracy_by_hand(bundled):
    task = task_of(bundled)

    class Oracle(torch.nn.Module):
        """Knows the answer, but says it only if it hears."""

        modalities = ("visual", "audio")

        def __init__(self):
            super().__init__()
            self.dummy = torch.nn.Parameter(torch.zeros(1))

        def forward(self, inputs, present):
            right = torch.nn.functional.one_hot(task._test.labels, 10).float()
            wrong = right.roll(1, dims=1)
            return torch.where(present[:, 1:], right, wrong)

    assert accuracy(Oracle(), task._test) == pytest.approx({"visual": 0, "audio": 1, "both": 1})
