"""LCKD: who is elected and what the others learn, by hand."""

from dataclasses import replace

import pytest
import torch

from mckd.systems.lckd import LCKD, LCKDOptions, from_teacher
from tests.systems.toy import MODALITIES, MapParts, Parts, batch, mixed, moment, trainer

ALL = torch.ones(1, 3, dtype=torch.bool)
SECOND = torch.tensor([False, True, False])


def make(**options):
    torch.manual_seed(0)
    return LCKD(Parts(), LCKDOptions(**options), trainer())


def features(*values):
    return torch.tensor(values).view(1, 3, 1, 1).expand(1, 3, 2, 5).clone().requires_grad_()


def test_the_others_learn_the_teacher_s_feature():
    """1, 3 and 8 with the second as the teacher: |3 - 1| + |3 - 8| = 7."""
    f = features(1.0, 3.0, 8.0)
    loss = from_teacher(f, ALL, SECOND)
    assert loss.item() == pytest.approx(7)
    loss.backward()
    assert not f.grad[:, 1].any()  # the teacher does not learn
    assert torch.allclose(f.grad[0, 0], torch.full((2, 5), -0.1))
    assert torch.allclose(f.grad[0, 2], torch.full((2, 5), 0.1))


def test_samples_without_teacher_or_pupil_count_as_nothing():
    """Of four samples one has the teacher and another modality: 2 / 4."""
    f = features(1.0, 3.0, 8.0).expand(4, 3, 2, 5)
    present = torch.tensor([[1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1]]).bool()
    assert from_teacher(f, present, SECOND).item() == pytest.approx(0.5)
    nobody = torch.zeros(3, dtype=torch.bool)
    assert from_teacher(f, present, nobody).item() == 0


def test_what_is_absent_is_not_read():
    f = features(1.0, 3.0, 8.0).detach()
    f[:, 2] = torch.nan
    present = torch.tensor([[True, True, False]])
    assert from_teacher(f, present, SECOND).item() == pytest.approx(2)


def test_an_election_by_hand():
    """Logits that depend on `b` alone and are right by it: cross-entropy near 0 with b alone, that
    of equal logits, log 2, with a or c."""
    system = make()
    network = system.network

    def answer(inputs, present):
        sure = 20.0 * torch.nn.functional.one_hot(given.target, 2).float()
        return torch.where(present[:, 1:2], sure, torch.zeros_like(sure))

    given = batch(3)
    network.forward = answer
    scores = [system.alone([given], m).item() for m in range(3)]
    assert scores == pytest.approx([0.5, 1, 0.5], abs=1e-6)
    system.elect([given])
    assert system.extra["teacher"].tolist() == [0, 1, 0]


def test_an_election_for_two_regions_by_hand():
    """a finds the left half of the first region, b all of it; c alone finds the second, on one of
    two ballots: Dice 2/3 and 1, and 2/3. Their union teaches."""
    torch.manual_seed(0)
    system = LCKD(MapParts(), LCKDOptions(), trainer())
    nothing = torch.full((1, 2, 4, 4), -1.0)
    a, b, c = nothing.clone(), nothing.clone(), nothing.clone()
    a[:, 0, :, :2], b[:, 0], c[:, 1] = 1, 1, 1
    ballots = []
    for second in (1.0, 0.0):
        target = torch.stack([torch.ones(4, 4), torch.full((4, 4), second)])[None]
        ballots.append(replace(batch(count=1), target=target))
    system.network.forward = lambda inputs, present: (a, b, c)[present[0].nonzero().item()]
    scores = torch.stack([system.alone(ballots, m) for m in range(3)])
    assert torch.allclose(scores, torch.tensor([[2 / 3, 0], [1, 0], [0, 2 / 3]]))
    system.elect(ballots)
    assert system.extra["teacher"].tolist() == [0, 1, 1]
    system.network.forward = lambda inputs, present: nothing
    system.elect(ballots)
    assert system.extra["teacher"].tolist() == [0, 0, 0]


def test_several_teachers_teach_all_others():
    """1, 3 and 8 with the first and the last as teachers: 2 + 7 and 7 + 5."""
    system = make()
    system.network.encode = lambda inputs, present: (features(1.0, 3.0, 8.0).expand(6, 3, 2, 5),)
    system.network.answer = lambda features, present: torch.zeros(6, 2)
    system.extra["teacher"].copy_(torch.tensor([1.0, 0, 1]))
    weight, teaching = system.losses(batch())["distillation_loss"]
    assert (weight, teaching.item()) == (0.1, pytest.approx(21))


def test_a_modality_that_no_sample_has_is_not_elected():
    system = make()
    present = torch.tensor([[True, False, True]]).expand(6, 3)
    for seed in range(5):
        system.elect([batch(seed, present=present)])
        assert system.extra["teacher"][1] == 0
        assert system.extra["teacher"].sum() == 1


def test_elections_are_held_every_so_many_steps():
    system, teachers = make(elect_every=3), []
    for step in range(7):
        found = system.step(moment(step, present=mixed()))
        teachers.append(int(system.extra["teacher"].sum()))
        assert (found["distillation_loss"] > 0) == (step > 2)
    assert teachers == [0, 0, 1, 1, 1, 1, 1]
    assert len(system.network.modalities) == len(MODALITIES)
