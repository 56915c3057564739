"""Full2miss: who moves when, and what the student is told."""

import pytest
import torch

from mckd.systems.full2miss import Full2miss, Full2missOptions
from tests.systems.toy import VectorParts, batch, mixed, moment, trainer


def make(average=lambda tensors: None, **options):
    torch.manual_seed(0)
    return Full2miss(VectorParts(), Full2missOptions(**options), trainer(average=average))


def copy_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(module, before):
    return all(torch.equal(t, before[n]) for n, t in module.state_dict().items())


def test_the_teacher_learns_first_and_is_then_unchanged_to_the_bit():
    system, moved = make(teacher_steps=3), []
    for step in range(6):
        before = {name: copy_of(module) for name, module in system.modules.items()}
        found = system.step(moment(step, present=mixed()))
        moved.append([not same(system.modules[name], kept) for name, kept in before.items()])
        assert ("teacher_loss" in found) == (step < 3) == ("discriminator_loss" not in found)
    assert moved == [[True, False]] * 3 + [[False, True]] * 3


def test_what_the_teacher_s_layers_keep_is_alike_in_all_processes():
    """As those of the student: without it each process would distil from a teacher of its own."""
    averaged = []
    system = make(averaged.extend)
    for network in (system.teacher, system.network):
        network.register_buffer("running_mean", torch.zeros(3))
    system.step(moment(0))
    for network in (system.teacher, system.network):
        assert any(tensor is network.running_mean for tensor in averaged)


def test_the_student_moves_neither():
    """By its own losses alone: what `step` does before the discriminator's turn."""
    system = make()
    before = {name: copy_of(module) for name, module in system.modules.items()}
    losses = system.losses(batch(1, present=mixed()))
    sum(weight * loss for weight, loss in losses.values()).backward()
    system.optimizers["optimizer"].step()
    assert all(same(system.modules[name], kept) for name, kept in before.items())


def test_the_teacher_s_features_have_no_gradient_and_are_of_everything():
    system = make()
    samples = system.complete
    assert system.taught.shape == (12, 3 * 4)
    assert not system.taught.requires_grad
    (expected,) = system.teacher.eval().encode(samples.inputs, samples.present)
    assert torch.equal(system.taught, expected.flatten(1))
    assert system.features(samples).requires_grad


def test_matching_draws_the_student_to_the_teacher():
    """Nothing but the squared distance is descended: it falls to less than half."""
    system, apart = make(), []
    for step in range(200):
        torch.manual_seed(step)
        _, loss = system.losses(batch(1))["feature_loss"]
        system.optimizers["optimizer"].zero_grad()
        loss.backward()
        system.optimizers["optimizer"].step()
        apart.append(loss.item())
    assert sum(apart[-20:]) < 0.5 * sum(apart[:20])


def test_the_adversarial_loss_by_hand():
    """A discriminator that says 0 of everything costs log 2, on either side."""
    system = make()
    for p in system.discriminator.parameters():
        torch.nn.init.zeros_(p)
    _, loss = system.losses(batch(1))["adversarial_loss"]
    assert loss.item() == pytest.approx(0.6931472)
    assert system.discriminate() == pytest.approx(2 * 0.6931472)


def test_a_run_of_no_teacher_is_refused():
    with pytest.raises(ValueError, match="teacher_steps must be at least 1"):
        Full2missOptions(teacher_steps=0)
