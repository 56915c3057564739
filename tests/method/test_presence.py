import pytest
import torch

from mckd.method import sample_presence, subsets
from mckd.method.presence import presence_mask


def test_fifteen_subsets_in_the_order_of_table_1():
    names = ["+".join(sorted(s)) for s in subsets(["a", "b", "c", "d"])]
    assert names == [
        "a", "b", "c", "d",
        "a+b", "a+c", "a+d", "b+c", "b+d", "c+d",
        "a+b+c", "a+b+d", "a+c+d", "b+c+d",
        "a+b+c+d",
    ]  # fmt: skip


def test_mask_from_names():
    mask = presence_mask({"c", "a"}, ["a", "b", "c"], batch=2, device="cpu")
    assert mask.tolist() == [[True, False, True]] * 2


@pytest.mark.parametrize(("names", "sentence"), [({"x"}, "Unknown modality 'x'"), ((), "No mod")])
def test_mask_refuses(names, sentence):
    with pytest.raises(ValueError, match=sentence):
        presence_mask(names, ["a", "b"], 1, "cpu")


@pytest.mark.parametrize("per", ["sample", "batch"])
def test_never_empty_and_never_more_than_available(per):
    generator = torch.Generator().manual_seed(0)
    available = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0]]).bool().repeat(300, 1)
    present = sample_presence(available, generator, per)
    assert present.any(1).all()
    assert not (present & ~available).any()


def test_every_size_and_every_subset_is_equally_likely():
    generator = torch.Generator().manual_seed(0)
    present = sample_presence(torch.ones(40_000, 3).bool(), generator)
    sizes = present.sum(1).bincount(minlength=4)[1:] / len(present)
    assert sizes.tolist() == pytest.approx([1 / 3] * 3, abs=0.01)
    single = present[present.sum(1) == 1].float().mean(0)
    assert single.tolist() == pytest.approx([1 / 3] * 3, abs=0.02)


def test_per_batch_draws_once():
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        present = sample_presence(torch.ones(8, 4).bool(), generator, "batch")
        assert (present == present[0]).all()


def test_the_seed_decides():
    draws = [
        sample_presence(torch.ones(50, 4).bool(), torch.Generator().manual_seed(s))
        for s in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="'sample' or per 'batch'"):
        sample_presence(torch.ones(1, 2).bool(), torch.Generator(), "epoch")
