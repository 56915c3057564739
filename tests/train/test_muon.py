"""The Muon optimiser: what its steps are, and that a run with it can be kept and resumed."""

import pytest
import torch
from torch import nn

from mckd.files.checkpoint import load_checkpoint
from mckd.tumour.network import DESIGNS, TumourNetwork
from train.muon import SIZE, Muon, orthogonal
from train.settings import TrainSettings
from train.state import TrainingState


@pytest.mark.parametrize("shape", [(16, 216), (512, 96), (24, 60), (1, 8)])
def test_singular_values_come_near_one_whatever_they_were(shape):
    torch.manual_seed(0)
    u, s, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    stretched = u * (s * torch.logspace(0, -1.5, len(s))) @ v
    found = u.T @ orthogonal(stretched) @ v.T  # diagonal, if the directions stay
    values = found.diagonal()
    assert values.min() > 0.5
    assert values.max() < 1.3
    assert torch.allclose(found, torch.diag(values), atol=1e-3)


def test_no_gradient_is_no_step():
    assert torch.equal(orthogonal(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_steps_of_kernels_have_the_size_of_adamw_and_do_not_depend_on_the_gradient_s():
    steps = []
    for factor in (1.0, 1e4):
        torch.manual_seed(1)
        layer = nn.Conv3d(16, 32, 3, bias=False)
        before = layer.weight.detach().clone()
        layer.weight.grad = torch.randn_like(layer.weight) * factor
        Muon(layer, lr=1e-3, weight_decay=0.0).step()
        steps.append(layer.weight.detach() - before)
    assert torch.allclose(steps[0], steps[1], rtol=1e-3, atol=1e-7)
    assert steps[0].square().mean().sqrt() == pytest.approx(1e-3 * SIZE, rel=0.25)


def test_everything_else_takes_adamw_s_steps():
    def stepped(make):
        torch.manual_seed(2)
        network = TumourNetwork(DESIGNS["smoke"])
        optimizer = make(network)
        for _ in range(3):
            generator = torch.Generator().manual_seed(3)
            for p in network.parameters():
                p.grad = torch.randn(p.shape, generator=generator)
            optimizer.step()
        return dict(network.named_parameters())

    ours = stepped(lambda network: Muon(network, 1e-2, 0.02))
    adamw = stepped(lambda n: torch.optim.AdamW(n.parameters(), 1e-2, weight_decay=0.02))
    same = {name for name, p in ours.items() if torch.equal(p, adamw[name])}
    assert same == {name for name, p in ours.items() if p.ndim < 3 or "head" in name}
    assert 0 < len(same) < len(ours)


def test_is_kept_with_the_run(tmp_path):
    """Two steps, or one, a checkpoint and another: the same weights to the bit."""
    settings = TrainSettings(optimizer="muon", lr=1e-2)

    def fresh():
        torch.manual_seed(4)
        return TrainingState(TumourNetwork(DESIGNS["smoke"]), settings, torch.device("cpu"))

    def step(state, seed):
        generator = torch.Generator().manual_seed(seed)
        for p in state.network.parameters():
            p.grad = torch.randn(p.shape, generator=generator)
        state.optimizer.step()

    whole, first, second = fresh(), fresh(), fresh()
    step(whole, 0)
    step(whole, 1)
    step(first, 0)
    first.save(tmp_path / "state.safetensors", {})
    assert any("mean" in name for name in load_checkpoint(tmp_path / "state.safetensors").tensors)
    second.load(tmp_path / "state.safetensors")
    step(second, 1)
    for a, b in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)
