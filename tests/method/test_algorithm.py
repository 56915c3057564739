"""Which numbers each step may change, and what the hypergradient is."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mckd.method import (
    Batch,
    Learner,
    MethodOptions,
    MissingModalityNetwork,
    NonFiniteLossError,
    encode_available,
    importance,
    inner_loss,
    meta_step,
    one_scale,
    predict,
    training_step,
)


class Toy(MissingModalityNetwork):
    modalities = ("a", "b")

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 3)) for _ in self.modalities
        )
        self.head = nn.Linear(6, 2)

    def encode(self, inputs, present):
        return encode_available([one_scale(e) for e in self.encoders], inputs, present)

    def decode(self, features):
        return self.head(features[0].flatten(1))


class TwoScales(MissingModalityNetwork):
    """Scales x and 3 x of its inputs (B, 4); the decoder keeps what it is given."""

    modalities = ("a", "b")

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def encode(self, inputs, present):
        encoder = lambda x: (x * self.scale, 3 * x * self.scale)  # noqa: E731
        return encode_available([encoder] * 2, inputs, present)

    def decode(self, features):
        self.decoded = [f.detach() for f in features]
        return features[0].sum(1) + features[1].sum(1)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Toy()


def batch(seed: int = 1, present: torch.Tensor | None = None) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    x = tuple(torch.randn(6, 2, generator=generator) for _ in range(2))
    y = torch.randint(2, (6,), generator=generator)
    everything = torch.ones(6, 2, dtype=torch.bool)
    return Batch(x, everything if present is None else present, y)


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in network.state_dict().items()}


def raw_vector() -> torch.Tensor:
    return torch.tensor([0.3, 0.1], requires_grad=True)


def learner(network, v=None, *, optimizer=None, iwv_optimizer=None, **options) -> Learner:
    v = raw_vector() if v is None else v
    optimizer = optimizer or torch.optim.SGD(network.parameters(), lr=0.1)
    iwv_optimizer = iwv_optimizer or torch.optim.Adam([v], lr=0.01)
    options = MethodOptions(**options)
    return Learner(network, v, optimizer, iwv_optimizer, F.cross_entropy, options)


def test_training_step_changes_the_network_only(network):
    v, before = raw_vector(), state(network)
    training_step(learner(network, v), batch(), step=0)
    assert v.grad is None
    assert v.tolist() == pytest.approx([0.3, 0.1])
    for name, p in network.named_parameters():
        assert not torch.equal(p, before[name]), name


@pytest.mark.parametrize("accumulate", [2, 3, 50])
def test_a_batch_worked_off_in_parts_gives_the_same_step(network, accumulate):
    network.eval()  # a batch norm sees parts otherwise than the whole
    whole, parts = copy.deepcopy(network), copy.deepcopy(network)
    losses = []
    for net, count in ((whole, 1), (parts, accumulate)):
        losses.append(training_step(learner(net), batch(), step=0, accumulate=count))
    assert losses[0].total == pytest.approx(losses[1].total, rel=1e-5)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_training_step_reports_the_terms_of_eq_4(network):
    losses = training_step(learner(network, alpha=0.5), batch(), step=0)
    assert losses.total == pytest.approx(losses.task + 0.5 * losses.distillation)
    assert losses.distillation > 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # The mean of |a - b| is 4, at the second scale 12; two pairs with a ratio of 1.
        ({}, 8.0),
        ({"distil_scales": "all"}, (8 + 24) / 2),
        # Normalised a is 1, -1, 1, -1 and b the opposite, at both scales.
        ({"distil_norm": "instance"}, 4.0),
        ({"distil_norm": "instance", "distil_scales": "all"}, 4.0),
    ],
    ids=str,
)
def test_features_that_are_distilled(options, expected):
    a, b = torch.tensor([[7.0, 5, 7, 5]]), torch.tensor([[1.0, 3, 1, 3]])
    data = Batch((a, b), torch.ones(1, 2, dtype=torch.bool), torch.tensor([0]))
    mine = learner(TwoScales(), **options)
    _, terms = inner_loss(mine, torch.tensor([0.5, 0.5]), data)
    assert terms["distillation"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("gate", "skip"), [("all", [0.75, 0.25]), ("bottleneck", [1.0, 1.0])])
def test_features_that_are_gated(gate, skip):
    network, data = TwoScales(), batch()
    v = torch.tensor([math.log(3.0), 0.0], requires_grad=True)  # w = .75, .25
    meta_step(learner(network, v, gate=gate), data, step=0, inner_batch=data, inner_lr=0.1)
    deepest, finest = network.decoded
    for m, x in enumerate(data.inputs):
        assert torch.allclose(deepest[:, m], [0.75, 0.25][m] * x)
        assert torch.allclose(finest[:, m], skip[m] * 3 * x)


@pytest.mark.parametrize("meta_gradient", ["gating", "unrolled"])
def test_meta_step_changes_v_only(network, meta_gradient):
    v, before = raw_vector(), state(network)
    mine = learner(network, v, meta_gradient=meta_gradient)
    meta_step(mine, batch(), step=0, inner_batch=batch(2), inner_lr=0.1)
    assert v.tolist() != pytest.approx([0.3, 0.1])
    for name, t in network.state_dict().items():  # running statistics included
        assert torch.equal(t, before[name]), name
    assert all(p.grad is None for p in network.parameters())
    assert network.training


def test_unrolled_gradient_equals_finite_differences(network):
    network = network.double()
    as_double = [Batch(tuple(x.double() for x in b.inputs), b.present, b.target)
                 for b in (batch(1), batch(2))]  # fmt: skip
    outer, inner = as_double
    options, lr = {"alpha": 1.0, "meta_gradient": "unrolled", "p": 2}, 0.3

    def outer_loss(v: torch.Tensor) -> float:
        """Eq. 3 by brute force: really take the inner step on a copy, then evaluate it."""
        copy = Toy().double()
        copy.load_state_dict(network.state_dict())
        copy.eval()
        total, _ = inner_loss(learner(copy, **options), importance(v), inner)
        total.backward()
        with torch.no_grad():
            for p in copy.parameters():
                p -= lr * p.grad
        return F.cross_entropy(predict(copy, outer.inputs, outer.present), outer.target).item()

    v = torch.tensor([0.3, 0.1], dtype=torch.double, requires_grad=True)
    mine = learner(network, v, iwv_optimizer=torch.optim.SGD([v], lr=1.0), **options)
    meta_step(mine, outer, step=0, inner_batch=inner, inner_lr=lr)
    moved = torch.tensor([0.3, 0.1], dtype=torch.double) - v.detach()
    eps = 1e-5
    for m in range(2):
        d = torch.zeros(2, dtype=torch.double)
        d[m] = eps
        start = torch.tensor([0.3, 0.1], dtype=torch.double)
        numeric = (outer_loss(start + d) - outer_loss(start - d)) / (2 * eps)
        assert moved[m].item() == pytest.approx(numeric, rel=1e-4, abs=1e-9)


def test_gating_prefers_the_modality_that_carries_the_label(network):
    """Modality a decides the label, b is noise: after some meta steps a weighs more."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(2, (256,), generator=generator)
    a = torch.stack([y * 2.0 - 1, 1 - y * 2.0], 1) + 0.1 * torch.randn(256, 2, generator=generator)
    b = torch.randn(256, 2, generator=generator)
    data = Batch((a, b), torch.ones(256, 2, dtype=torch.bool), y)
    v = torch.zeros(2, requires_grad=True)
    mine = learner(
        network,
        v,
        optimizer=torch.optim.Adam(network.parameters(), lr=0.02),
        iwv_optimizer=torch.optim.Adam([v], lr=0.05),
    )
    for step in range(60):
        training_step(mine, data, step=step)
        meta_step(mine, data, step=step, inner_batch=data, inner_lr=0.02)
    assert importance(v)[0].item() > 0.7


@pytest.mark.parametrize("meta_gradient", ["gating", "unrolled"])
def test_nan_in_an_absent_slot_changes_no_bit(meta_gradient):
    present = torch.tensor([[1, 0], [0, 1], [1, 1], [1, 0], [1, 1], [0, 1]]).bool()

    def after(filler: float) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        network, v, data = Toy(), raw_vector(), batch(present=present)
        for m, x in enumerate(data.inputs):
            x[~present[:, m]] = filler
        adam = torch.optim.Adam(network.parameters())
        mine = learner(network, v, optimizer=adam, meta_gradient=meta_gradient)
        training_step(mine, data, step=0)
        meta_step(mine, data, step=0, inner_batch=data, inner_lr=0.1)
        return {**state(network), "v": v.detach(), "y": predict(network, data.inputs, present)}

    clean, dirty = after(0.0), after(float("nan"))
    for name in clean:
        assert torch.equal(clean[name], dirty[name]), name


def test_a_modality_nobody_has_leaves_its_encoder_alone(network):
    before = state(network)
    only_a = torch.tensor([[True, False]] * 6)
    training_step(learner(network), batch(present=only_a), step=0)
    for name, t in network.state_dict().items():
        assert torch.equal(t, before[name]) == name.startswith("encoders.1."), name


@pytest.mark.parametrize("step_name", ["training_step", "meta_step"])
def test_non_finite_loss_stops_and_names_the_step(network, step_name):
    data, v, before = batch(), raw_vector(), state(network)
    data.inputs[0][0] = float("inf")
    network.eval()  # so that even running statistics could not move
    mine = learner(network, v)
    step = {
        "training_step": lambda: training_step(mine, data, step=41),
        "meta_step": lambda: meta_step(mine, data, step=41, inner_batch=data, inner_lr=0.1),
    }[step_name]
    with pytest.raises(NonFiniteLossError, match="at step 41"):
        step()
    for name, t in network.state_dict().items():
        assert torch.equal(t, before[name]), name
    assert v.tolist() == pytest.approx([0.3, 0.1])


@pytest.mark.parametrize(
    "wrong", [{"p": 3}, {"normalisation": "x"}, {"meta_gradient": "x"}, {"gating_scale": "x"},
              {"fill": "x"}, {"gate": "x"}, {"distil_norm": "x"}, {"distil_scales": "x"}],
)  # fmt: skip
def test_options_name_their_choices(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be one of"):
        MethodOptions(**wrong)


@pytest.mark.parametrize("wrong", [{"clamp": 0.5}, {"clamp": -1.0}, {"meta_steps": 0}], ids=str)
def test_options_that_make_no_sense_say_what_would(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        MethodOptions(**wrong)
