import dataclasses
import shutil

import numpy as np
import pytest
import torch

from mckd.digits.parts import parts_of
from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunFolder
from mckd.systems import fitting, system_class
from train.digits.protocol import PaperTask, Part, accuracy
from train.digits.settings import DigitSettings
from train.digits.studio import StudioTask
from train.loop import train
from train.settings import SettingsError, override
from train.workers import join_workers

pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_the_header_names_the_parts_and_old_ones_are_as_they_were(bundled):
    """A checkpoint without the name of its image encoder is of the time when it was `channels`."""
    task = task_of(bundled)
    header = task.header | {"modalities": ["visual", "audio"]}
    of_today = parts_of(header).network()
    assert isinstance(of_today.encoders["visual"][0][4], torch.nn.Dropout)
    del header["image_encoder"]
    of_before = parts_of(header).network()
    assert isinstance(of_before.encoders["visual"][0][4], torch.nn.Dropout2d)
    of_today.load_state_dict(of_before.state_dict())


def test_a_draw_takes_other_pictures_with_the_same_sounds(bundled):
    first, second = task_of(bundled), task_of(bundled, draw=1)
    assert torch.equal(first._test.inputs[1], second._test.inputs[1])
    assert torch.equal(first._test.labels, second._test.labels)
    assert not torch.equal(first._test.inputs[0], second._test.inputs[0])
    assert first.provenance["image_index"] != second.provenance["image_index"]


@pytest.mark.parametrize("kind", [PaperTask, lambda *given: StudioTask(*given, voices=None)])
def test_other_recordings_under_the_same_names_are_other_data(kind, bundled, tmp_path):
    shutil.copytree(bundled, tmp_path / "copy")
    settings = DigitSettings()
    here, there = (kind(settings, at).provenance for at in (bundled, tmp_path / "copy"))
    assert here == there
    one, other, *_ = sorted((tmp_path / "copy/recordings").glob("1_*.wav"))
    shutil.copy(other, one)
    shutil.copytree(tmp_path / "copy", tmp_path / "changed")  # what was read of a folder is kept
    changed = kind(settings, tmp_path / "changed").provenance
    assert [key for key in changed if changed[key] != here[key]] == ["content"]


@pytest.mark.parametrize("system", [s for s in fitting("vectors") if s != "lower-bound"])
def test_the_test_part_changes_no_weight(system, bundled, tmp_path):
    """Two runs whose test parts differ in every picture and sound end in the same bits."""
    ends = []
    early = {"encoder_steps": 1, "teacher_steps": 1, "imputer_steps": 2}
    known = {field.name for field in dataclasses.fields(system_class(system).Options)}
    changes = {"system": system, "epochs": 1, "audio_rate": 0.5}
    changes |= {name: value for name, value in early.items() if name in known}
    for scale in (1.0, -3.0):
        settings = override(DigitSettings(), changes)
        task = PaperTask(settings, bundled)
        test = task._test
        task._test = Part(tuple(scale * x for x in test.inputs), test.present, test.labels)
        run = RunFolder(tmp_path / str(scale))
        with join_workers() as workers:
            train(
                task, settings, run, workers,
                name="digits", preset="", command="", say=lambda line: None,
            )  # fmt: skip
        ends.append(load_checkpoint(run.checkpoints / MODEL).tensors)
    assert all(torch.equal(ends[1][name], tensor) for name, tensor in ends[0].items())


def test_alone_hides_the_other_modality(bundled):
    task = PaperTask(DigitSettings(), bundled, alone="audio")
    assert task._train.present.unique(dim=0).tolist() == [[False, True]]


@pytest.mark.parametrize("changes", [{"only": "visual"}, {"network": "studio"}])
def test_what_cannot_be_trained_alone_first(changes):
    with pytest.raises(SettingsError, match="--pretrain goes with"):
        override(DigitSettings(), {"pretrain": True, **changes})


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
