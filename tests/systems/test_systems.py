"""What every system owes the trainer and the predictors, whichever it is."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from mckd.files.checkpoint import Checkpoint, CheckpointError
from mckd.method import NonFiniteLossError, predict, presence_mask, subsets
from mckd.systems import SYSTEMS, rebuild, system_class
from mckd.systems.system import named
from tests.systems.toy import (
    CLASSES,
    MODALITIES,
    MapParts,
    Parts,
    VectorParts,
    batch,
    mixed,
    moment,
    trainer,
)

OF_ONE = [name for name, entry in SYSTEMS.items() if entry.of_one]
OF_MAPS = [name for name, entry in SYSTEMS.items() if entry.needs == "maps"]
OF_VECTORS = [name for name, entry in SYSTEMS.items() if entry.needs == "vectors"]
EARLY = {"encoder_steps": 2, "teacher_steps": 2, "imputer_steps": 20}
"""What a system begins after some steps, it begins early here."""


pytestmark = pytest.mark.usefixtures("one_thread")


def parts_of(name):
    kind = {"maps": MapParts, "vectors": VectorParts, "": Parts}[SYSTEMS[name].needs]
    return kind(MODALITIES[:1] if name in OF_ONE else MODALITIES)


def make(name, seed=0, options=None, **changes):
    kind = system_class(name)
    if options is None:
        known = {field.name for field in dataclasses.fields(kind.Options)}
        options = kind.Options(**{n: value for n, value in EARLY.items() if n in known})
    torch.manual_seed(seed)
    return kind(parts_of(name), options, trainer(**changes))


def steps(system, numbers):
    for step in numbers:
        torch.manual_seed(step)
        yield system.step(of_system(system, moment(step, present=mixed())))


def of_system(system, now):
    """The moment with the columns of a system of one modality, or with a target at each place."""
    if type(system) in map(system_class, OF_MAPS):
        at_places = lambda b: dataclasses.replace(b, target=everywhere(b.target))  # noqa: E731
        meta = lambda n: at_places(now.meta_batch(n))  # noqa: E731
        return dataclasses.replace(now, batch=at_places(now.batch), meta_batch=meta)
    if len(system.network.modalities) == len(MODALITIES):
        return now
    given = now.batch
    alone = dataclasses.replace(given, inputs=given.inputs[:1], present=given.present[:, :1])
    rows = alone.present[:, 0]
    x, present, target = alone.inputs[0][rows], alone.present[rows], alone.target[rows]
    return dataclasses.replace(
        now, batch=dataclasses.replace(alone, inputs=(x,), present=present, target=target)
    )


def everywhere(target):
    """Classes (B,) as regions (B, CLASSES, 4, 4) of 0 and 1."""
    return F.one_hot(target, CLASSES).float()[..., None, None].expand(-1, -1, 4, 4)


@pytest.mark.parametrize("name", SYSTEMS)
class TestEverySystem:
    def test_learns(self, name):
        """The same batch again and again: its task loss falls to less than half."""
        system = make(name)
        now = of_system(system, moment(0))
        losses = [system.step(dataclasses.replace(now, step=step)) for step in range(150)]
        assert losses[-1]["task_loss"] < 0.5 * losses[0]["task_loss"]

    def test_a_run_that_is_taken_up_again_ends_in_the_same_bits(self, name):
        whole, first = make(name), make(name)
        list(steps(whole, range(8)))
        list(steps(first, range(4)))
        second = make(name, seed=9)
        second.load({n: t.clone() for n, t in first.tensors().items()})
        list(steps(second, range(4, 8)))
        for tensor, expected in whole.tensors().items():
            assert torch.equal(second.tensors()[tensor], expected), tensor

    def test_nan_in_an_absent_slot_changes_no_bit(self, name):
        ends = []
        for filler in (0.0, float("nan")):
            system = make(name)
            now = of_system(system, moment(0, present=mixed()))
            for m, x in enumerate(now.batch.inputs):
                x[~now.batch.present[:, m]] = filler
            torch.manual_seed(0)
            system.step(now)
            ends.append({n: t.clone() for n, t in system.tensors().items()})
        for tensor, expected in ends[0].items():
            assert torch.equal(ends[1][tensor], expected), tensor

    def test_one_modality_alone_is_encoded_as_among_others(self, name):
        """Features may be kept and a subset decoded from them: what both predictors rest on."""
        network = make(name).network.eval()
        count = len(network.modalities)
        inputs = batch(3).inputs[:count]
        with torch.no_grad():
            for subset in subsets(network.modalities):
                present = presence_mask(subset, network.modalities, len(inputs[0]), "cpu")
                together = network.encode(inputs, present)
                for m in present[0].nonzero().flatten().tolist():
                    for a, b in zip(
                        network.encode_one(inputs[m], m), (f[:, m] for f in together), strict=True
                    ):
                        assert torch.allclose(a, b, atol=1e-6)

    def test_it_is_rebuilt_with_every_option_it_was_trained_with(self, name):
        """Other than the default in every option: outputs equal to the bit for all subsets."""
        kind = system_class(name)
        options = kind.Options(**{f.name: other(f) for f in dataclasses.fields(kind.Options)})
        system = make(name, options=options)
        list(steps(system, range(2)))
        saved = {"settings": {"method": dataclasses.asdict(options)}, "system": name}
        tensors = named("network", system.network.state_dict()) | system.extra
        parts = parts_of(name)
        network, weights = rebuild(Checkpoint(tensors, saved, ""), parts)
        assert weights == system.weights()
        inputs = batch(5).inputs[: len(parts.modalities)]
        for subset in subsets(parts.modalities):
            present = presence_mask(subset, parts.modalities, len(inputs[0]), "cpu")
            expected = predict(system.network, inputs, present)
            assert torch.equal(predict(network, inputs, present), expected), subset

    def test_a_loss_that_is_no_number_changes_nothing(self, name):
        system = make(name)
        now = of_system(system, moment(7))
        system.network.eval()
        before = {n: t.clone() for n, t in system.tensors().items()}
        now.batch.inputs[0][0] = float("inf")
        with pytest.raises(NonFiniteLossError, match="at step 7"):
            system.step(now)
        for tensor, expected in before.items():
            assert torch.equal(system.tensors()[tensor], expected), tensor

    def test_a_batch_in_parts_gives_the_same_step(self, name, monkeypatch):
        """Losses that are sums over pairs or means over features differ by what a part holds; a
        part draws other noise, so there is none."""
        monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
        whole, halves = make(name), make(name, accumulate=2)
        for system in (whole, halves):
            system.step(of_system(system, moment(0)))
        for a, b in zip(whole.network.parameters(), halves.network.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-5)


def other(field):
    """A valid value of an option that is not its default."""
    choices = {
        "p": 2,
        "normalisation": "relu",
        "meta_gradient": "unrolled",
        "gating_scale": "modalities",
        "gate": "bottleneck",
        "distil_norm": "instance",
        "distil_scales": "all",
        "clamp": 3.0,
        "fill": "zero",
        "detach_teacher": False,
        "meta_every": 1,
        "masking": "zeros",
        "encoder_steps": 1,
        "teacher_steps": 1,
        "imputer_steps": 3,
    }
    return choices.get(field.name, field.default * 2 if field.default else 0.5)


@pytest.mark.parametrize("name", [n for n in SYSTEMS if n not in OF_ONE])
def test_subsets_without_filled_copies_hold_the_same(name):
    """`of_subset` per scale, filled by Eq. 2, is what `complete` gives."""
    network = make(name).network.eval()
    inputs = batch(3).inputs
    with torch.no_grad():
        for subset in subsets(MODALITIES):
            present = presence_mask(subset, MODALITIES, len(inputs[0]), "cpu")
            here = present[0].nonzero().flatten().tolist()
            complete = network.complete(network.encode(inputs, present), present)
            scales = network.of_subset({m: network.encode_one(inputs[m], m) for m in here})
            for whole, scale in zip(complete, scales, strict=True):
                mean = sum(scale.values()) / len(scale)
                for m in range(whole.shape[1]):
                    assert torch.allclose(whole[:, m], scale.get(m, mean), atol=1e-6)


def test_bounds_drop_nothing():
    assert not system_class("upper-bound").drops
    assert not system_class("lower-bound").drops
    assert system_class("mckd").drops


def test_a_lower_bound_of_several_modalities_is_refused():
    with pytest.raises(ValueError, match="--only"):
        system_class("lower-bound").build(Parts(), None)


@pytest.mark.parametrize("name", OF_MAPS)
def test_a_system_of_maps_says_so_where_there_are_none(name):
    with pytest.raises(ValueError, match="for segmentation"):
        system_class(name).build(Parts(), system_class(name).Options())


@pytest.mark.parametrize("name", OF_VECTORS)
def test_a_system_of_vectors_says_so_where_there_are_maps(name):
    with pytest.raises(ValueError, match="not for segmentation"):
        system_class(name).build(MapParts(), system_class(name).Options())


def test_an_unknown_system_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'shaspec'"):
        system_class("shapespec")


def test_only_mckd_weighs():
    assert sum(make("mckd").weights().values()) == pytest.approx(1.0)
    for name in SYSTEMS:
        assert (make(name).weights() is None) == (name != "mckd")


def test_the_iwv_of_mckd_moves_at_meta_steps_only():
    system = make("mckd", options=system_class("mckd").Options(meta_every=3))
    before, moved = system.weights(), []
    for step in range(6):
        found = system.step(moment(step))
        moved.append(system.weights() != before)
        assert ("meta_loss" in found) == moved[-1]
        before = system.weights()
    assert moved == [False, False, True, False, False, True]


def test_a_meta_pass_of_several_steps_takes_a_batch_each():
    options = system_class("mckd").Options(meta_every=3, meta_steps=2)
    system, asked = make("mckd", options=options), []
    for step in range(6):
        now = moment(step)
        taken = lambda n, now=now: asked.append((now.step, n)) or now.meta_batch(n)  # noqa: E731
        system.step(dataclasses.replace(now, meta_batch=taken))
    assert asked == [(2, 0), (2, 1), (5, 2), (5, 3)]


def test_weights_that_do_not_fit_are_one_sentence():
    with pytest.raises(CheckpointError, match="does not fit"):
        rebuild(Checkpoint({}, {"system": "mckd"}, ""), Parts())
    with pytest.raises(CheckpointError, match="does not fit"):
        rebuild(Checkpoint({}, {"system": "of tomorrow"}, ""), Parts())
