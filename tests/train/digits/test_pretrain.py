import pytest
import torch

from mckd.digits.network import UnimodalNetwork
from train.digits import pretrain
from train.digits.pretrain import RECIPES, Recipe, train_alone
from train.digits.protocol import PaperTask
from train.digits.settings import DigitSettings
from train.settings import override

pytestmark = pytest.mark.usefixtures("one_thread")


def task_of(folder, **changes):
    return PaperTask(override(DigitSettings(), {"pretrain": True, **changes}), folder)


def test_alone_it_learns_the_digits(bundled):
    """A fresh network answers one in ten; two pictures of a digit differ, so 0.5 is learned."""
    task = PaperTask(DigitSettings(), bundled)
    x, labels = task._train.inputs[0], task._train.labels
    torch.manual_seed(0)
    network = UnimodalNetwork("visual")
    train_alone(network, x, labels, Recipe(20, 16, 0.1, 20), seed=0)
    test = task._test
    logits = network.eval()([test.inputs[0]], torch.ones(len(test.labels), 1, dtype=torch.bool))
    assert (logits.argmax(1) == test.labels).double().mean() > 0.5


def test_the_rate_falls_as_the_recipe_says(monkeypatch):
    """0.001 for two epochs, then half of it for two."""
    rates = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda o: rates.append(o.param_groups[0]["lr"]) or step(o)
    )
    x, labels = torch.rand(8, 1, 28, 28), torch.arange(8)
    train_alone(UnimodalNetwork("visual"), x, labels, Recipe(4, 4, 0.5, 2), seed=0)
    assert rates == pytest.approx([1e-3] * 4 + [5e-4] * 4)


def test_where_a_run_with_pretrained_encoders_begins(bundled, monkeypatch):
    """Each encoder has the weights of the one trained alone; the projection is new at any width."""
    monkeypatch.setattr(pretrain, "RECIPES", {name: Recipe(1, 40, 1.0, 1) for name in RECIPES})
    alone = []
    keep = lambda network, *rest: train_alone(network, *rest) or alone.append(network)  # noqa: E731
    monkeypatch.setattr(pretrain, "train_alone", keep)
    task = task_of(bundled)
    built = task.parts.network()
    for m, (name, trained) in enumerate(zip(("visual", "audio"), alone, strict=True)):
        encoder = task.parts.encoder(m, 80)
        assert encoder[1].out_features == 80
        for key, expected in trained.encoders[name].state_dict().items():
            assert torch.equal(built.encoders[name][0].state_dict()[key], expected)
            assert torch.equal(encoder[0].state_dict()[key], expected)


def test_only_what_the_rate_leaves_is_seen(bundled, monkeypatch):
    counts = []
    monkeypatch.setattr(pretrain, "train_alone", lambda n, x, *rest: counts.append(len(x)))
    task_of(bundled, audio_rate=0.25)
    assert counts == [120, 30]
