"""Fillers: what they leave alone, what they learn, and their losses by hand."""

import dataclasses

import pytest
import torch

from mckd.files.checkpoint import Checkpoint
from mckd.method import Batch, MethodOptions, predict, presence_mask, subsets
from mckd.systems import rebuild, system_class
from mckd.systems.filling import Filler, VariationalFiller, enlarged, pooled, unexplained
from mckd.systems.gaussian import divergence
from mckd.systems.system import named
from tests.systems.toy import MODALITIES, Parts, VectorParts, batch, mixed, moment, trainer

FILLERS = ("learned", "vae")
WIDTH = 16

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclasses.dataclass(frozen=True)
class Maps(Parts):
    """The toy's network of two scales, with their widths."""

    widths: tuple = (4, 3)
    grid: tuple = (2, 2)
    inputs: int = 2
    outputs: int = 2

    def pyramid(self, modality, widths):
        raise NotImplementedError

    def decoder(self, widths=None, outputs=None):
        raise NotImplementedError


def make(fill, parts=None, seed=0, **changes):
    torch.manual_seed(seed)
    kind = system_class("mckd")
    return kind(parts or Maps(), MethodOptions(fill=fill, meta_every=2), trainer(**changes))


def dropped(step=0):
    """A moment whose batch had everything before some of it was dropped."""
    now = moment(step, present=mixed())
    everything = torch.ones_like(now.batch.present)
    return dataclasses.replace(now, batch=dataclasses.replace(now.batch, available=everything))


def train(system, numbers):
    for step in numbers:
        torch.manual_seed(step)
        found = system.step(dropped(step))
    return found


@pytest.mark.parametrize("fill", FILLERS)
class TestAFilledNetwork:
    def test_is_that_of_the_mean_to_the_bit_where_nothing_is_missing(self, fill):
        mine, mean = make(fill).network, make("mean").network
        with torch.no_grad():
            for weight in mine.filler.parameters():
                weight.normal_()
        everything = torch.ones(6, 3, dtype=torch.bool)
        inputs = batch(3).inputs
        assert torch.equal(predict(mine, inputs, everything), predict(mean, inputs, everything))
        features = {m: mean.encode_one(inputs[m], m) for m in range(3)}
        for a, b in zip(mine.of_subset(features), mean.of_subset(features), strict=True):
            assert all(torch.equal(a[m], b[m]) for m in range(3))

    def test_begins_as_that_of_the_mean(self, fill):
        mine, mean = make(fill).network, make("mean").network
        inputs = batch(3).inputs
        assert torch.allclose(predict(mine, inputs, mixed()), predict(mean, inputs, mixed()))

    def test_changes_what_is_missing_and_nothing_else(self, fill):
        network = make(fill).network.eval()
        with torch.no_grad():
            for weight in network.filler.parameters():
                weight.normal_()
            features = network.encode(batch(3).inputs, mixed())
            filled = network.complete(features, mixed())
        mean = make("mean").network.complete(features, mixed())
        for before, after, of_mean in zip(features, filled, mean, strict=True):
            assert torch.equal(before[mixed()], after[mixed()])
            assert not torch.isclose(after[~mixed()], of_mean[~mixed()]).any(1).all()

    def test_decodes_a_subset_of_kept_features_as_the_whole(self, fill):
        system = make(fill)
        train(system, range(5))
        network, inputs = system.network.eval(), batch(3).inputs
        with torch.no_grad():
            for subset in subsets(MODALITIES):
                present = presence_mask(subset, MODALITIES, 6, "cpu")
                here = present[0].nonzero().flatten().tolist()
                whole = network.complete(network.encode(inputs, present), present)
                scales = network.of_subset({m: network.encode_one(inputs[m], m) for m in here})
                for f, scale in zip(whole, scales, strict=True):
                    for m in range(3):
                        assert torch.allclose(f[:, m], scale[m], atol=1e-6)

    def test_learns_from_features_that_are_vectors_too(self, fill):
        system = make(fill, VectorParts())
        found = train(system, range(10))
        assert found["reconstruction_loss"] > 0
        assert all(p.grad is not None for p in system.network.filler.parameters())

    def test_gradient_reaches_every_part_of_the_filler(self, fill):
        system = make(fill)
        train(system, range(2))  # the last layers are 0 before the first step
        for name, weight in system.network.filler.named_parameters():
            assert weight.grad.abs().sum() > 0, name

    def test_true_features_are_not_taught(self, fill):
        """Only c was dropped, so only c's encoder has no part in what is decoded."""
        system = make(fill)
        given = batch(0)
        present = torch.tensor([[True, True, False]]).expand(6, 3)
        everything = torch.ones(6, 3, dtype=torch.bool)
        now = dataclasses.replace(
            moment(0), batch=Batch(given.inputs, present, given.target, everything)
        )
        system.step(now)
        a, _, c = system.network.own.encoders
        assert all(p.grad.abs().sum() > 0 for p in a.parameters())
        assert all(not p.grad.any() for p in c.parameters())

    def test_a_run_that_is_taken_up_again_ends_in_the_same_bits(self, fill):
        whole, first, second = make(fill), make(fill), make(fill, seed=9)
        train(whole, range(8))
        train(first, range(4))
        second.load({n: t.clone() for n, t in first.tensors().items()})
        train(second, range(4, 8))
        for name, expected in whole.tensors().items():
            assert torch.equal(second.tensors()[name], expected), name

    def test_is_rebuilt_from_a_checkpoint(self, fill):
        system = make(fill)
        train(system, range(3))
        saved = {"settings": {"method": dataclasses.asdict(system.options)}, "system": "mckd"}
        tensors = named("network", system.network.state_dict()) | system.extra
        network, _ = rebuild(Checkpoint(tensors, saved, ""), Maps())
        inputs = batch(5).inputs
        expected = predict(system.network, inputs, mixed())
        assert torch.equal(predict(network, inputs, mixed()), expected)

    def test_nan_in_an_absent_slot_changes_no_bit(self, fill):
        ends = []
        for nothing in (0.0, float("nan")):
            system, now = make(fill), moment(0, present=mixed())
            for m, x in enumerate(now.batch.inputs):
                x[~now.batch.present[:, m]] = nothing
            torch.manual_seed(0)
            system.step(now)
            ends.append({n: t.clone() for n, t in system.tensors().items()})
        assert all(torch.equal(ends[1][n], t) for n, t in ends[0].items())

    def test_its_losses_are_0_where_nothing_was_dropped(self, fill):
        found = make(fill).step(moment(0))
        assert found["reconstruction_loss"] == 0
        assert found.get("kl_loss", 0) == 0

    def test_weights_of_its_losses(self, fill):
        found = train(make(fill), range(2))
        expected = found["task_loss"] + 0.1 * found["distillation_loss"]
        expected += 0.1 * found["reconstruction_loss"] + 0.1 * found.get("kl_loss", 0)
        assert found["loss"] == pytest.approx(expected, rel=1e-5)

    def test_the_unrolled_meta_gradient_goes_through_it(self, fill):
        kind = system_class("mckd")
        options = MethodOptions(fill=fill, meta_gradient="unrolled", meta_every=1)
        system = kind(Maps(), options, trainer())
        before = system.weights()
        train(system, range(1))
        assert system.weights() != before


def test_what_is_known_of_nothing_dropped_leaves_the_prior():
    """q is p told more: told nothing it is p, and KL(q || p) is 0."""
    torch.manual_seed(0)
    filler = VariationalFiller((4, 3), 2)
    truth = torch.randn(2, 2, 4, 2, 2), torch.randn(2, 2, 3, 4, 4)
    present = torch.tensor([[True, False], [True, True]])
    known = filler.known([[f[:, 0], f[:, 1]] for f in truth], present)
    p, q = filler.prior(known), filler.posterior(known, truth, ~present)
    same = filler.posterior(known, truth, torch.zeros_like(present))
    assert torch.equal(q.mean[1], p.mean[1])
    assert not torch.equal(q.mean[0], p.mean[0])
    assert divergence(same, p).item() == 0
    assert divergence(q, p).item() > 0


def test_unexplained_by_hand():
    """Of 1, 3 (variance 1) found as 2, 3: squared errors 1 and 0, mean .5. Of 0, 4 (variance 4)
    found as 0, 0: errors 0 and 16, mean 8. (.5 / 1 + 8 / 4) / 2."""
    nothing = torch.full((1, 2), torch.nan)
    columns = [[nothing, torch.tensor([[2.0, 3.0]])], [nothing, torch.tensor([[0.0, 0.0]])]]
    truth = tuple(
        torch.stack([nothing, torch.tensor([true])], 1) for true in ([1.0, 3.0], [0.0, 4.0])
    )
    dropped = torch.tensor([[False, True]])
    assert unexplained(columns, truth, dropped).item() == pytest.approx((0.5 + 2) / 2)


def test_places_between_two_scales():
    fine = torch.arange(16.0).view(1, 1, 4, 4)
    coarse = pooled(fine, torch.zeros(1, 5, 2, 2))
    assert coarse.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]  # (0 + 1 + 4 + 5) / 4 is the first
    rows = enlarged(coarse, fine)[0, 0].tolist()
    assert rows == [[2.5, 2.5, 4.5, 4.5]] * 2 + [[10.5, 10.5, 12.5, 12.5]] * 2


def bimodal(count, g):
    """a = x, and b = 2 + x or -(2 + x), one as likely as the other."""
    x = 2 * torch.rand(count, generator=g) - 1
    side = 2 * torch.randint(2, (count,), generator=g) - 1
    return at(x), at(side * (2 + x))


def at(values):
    """A feature (B, WIDTH) whose first channel is this, the others 0."""
    feature = torch.zeros(len(values), WIDTH)
    feature[:, 0] = values
    return feature


def fitted(kind):
    """A filler that was shown pairs of a and b, with the weights that are the default."""
    torch.manual_seed(0)
    filler, g = kind((WIDTH,), 2), torch.Generator().manual_seed(0)
    optimizer, options = torch.optim.Adam(filler.parameters(), 0.01), MethodOptions()
    present = torch.tensor([[True, False]]).expand(128, 2)
    for _ in range(500):
        a, b = bimodal(128, g)
        truth = (torch.stack([torch.zeros_like(b), b], 1),)
        _, losses = filler.taught([[a, a]], present, truth, ~present)
        loss = options.fill_reconstruction * losses["reconstruction_loss"]
        if "kl_loss" in losses:
            loss = loss + options.fill_kl * losses["kl_loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return filler.eval()


@torch.no_grad()
def test_samples_find_both_modes_where_one_answer_is_of_neither():
    """Of x = .5 b is 2.5 or -2.5: the mean of Eq. 2 says .5, the best single answer is 0."""
    a, present = at(torch.full((1000,), 0.5)), torch.tensor([[True, False]]).expand(1000, 2)
    with torch.enable_grad():
        one, several = fitted(Filler), fitted(VariationalFiller)
    single = one([[a, a]], present)[0][1][:, 0]
    assert single.abs().max() < 1
    known = several.known([[a, a]], present)
    latent = several.prior(known).sample()
    drawn = several.of_latent([[a, a]], present, known, latent)[0][1][:, 0]
    for mode in (2.5, -2.5):
        assert ((drawn - mode).abs() < 0.7).float().mean() > 0.3, mode
    assert (drawn.abs() < 1).float().mean() < 0.2
