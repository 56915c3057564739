"""Each equation against numbers worked out by hand."""

import math

import pytest
import torch
from torch import nn

from mckd.method import (
    distillation,
    encode_available,
    feature_deviation,
    fill_distance,
    fill_missing,
    gate,
    importance,
    normalise_channels,
    one_scale,
    unbind_modalities,
    zero_missing,
)

NAN = float("nan")


def mask(*rows: str) -> torch.Tensor:
    """'101' -> [True, False, True]."""
    return torch.tensor([[c == "1" for c in row] for row in rows])


class TestEncodeAvailable:
    """Eq. 1."""

    def test_each_modality_passes_its_own_encoder(self):
        x = (torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [20.0]]))
        (f,) = encode_available(
            [one_scale(lambda t: t + 1), one_scale(lambda t: t * 2)], x, mask("11", "11")
        )
        assert f.tolist() == [[[2.0], [20.0]], [[3.0], [40.0]]]

    def test_absent_slots_are_never_read(self):
        x = (torch.tensor([[1.0], [NAN]]), torch.tensor([[NAN], [20.0]]))
        (f,) = encode_available(
            [one_scale(lambda t: t + 1), one_scale(lambda t: t * 2)], x, mask("10", "01")
        )
        assert f.tolist() == [[[2.0], [0.0]], [[0.0], [40.0]]]

    def test_nan_in_an_absent_slot_changes_no_running_statistic(self):
        def statistics(filler: float) -> torch.Tensor:
            norm = nn.BatchNorm1d(1)
            x = torch.tensor([[1.0], [3.0], [filler]])
            encode_available([one_scale(norm)], [x], mask("1", "1", "0"))
            return torch.cat([norm.running_mean, norm.running_var])

        assert torch.equal(statistics(NAN), statistics(5.0))

    def test_gradient_reaches_the_encoder(self):
        linear = nn.Linear(1, 1)
        encode_available([one_scale(linear)], [torch.ones(2, 1)], mask("1", "1"))[
            0
        ].sum().backward()
        assert linear.weight.grad.item() == 2.0

    def test_a_shared_encoder_is_called_once_with_the_samples_of_all(self):
        seen = []
        shared = lambda t: seen.append(t.flatten().tolist()) or (t + 1,)  # noqa: E731
        x = (
            torch.tensor([[1.0], [2.0]]),
            torch.tensor([[NAN], [20.0]]),
            torch.tensor([[3.0], [NAN]]),
        )
        own = one_scale(lambda t: -t)
        (f,) = encode_available([shared, shared, own], x, mask("101", "110"))
        assert seen == [[1.0, 2.0, 20.0]]
        assert f.flatten(1).tolist() == [[2.0, 0.0, -3.0], [3.0, 21.0, 0.0]]

    def test_nothing_present_is_refused(self):
        with pytest.raises(ValueError, match="At least one input"):
            encode_available([one_scale(lambda t: t)], [torch.ones(1, 1)], mask("0"))


class TestFillMissing:
    """Eq. 2."""

    def test_mean_of_the_available(self):
        f = torch.tensor([[[2.0], [NAN], [6.0]], [[NAN], [5.0], [NAN]]])
        filled = fill_missing(f, mask("101", "010"))
        assert filled.tolist() == [[[2.0], [4.0], [6.0]], [[5.0], [5.0], [5.0]]]

    def test_complete_features_pass_unchanged(self):
        f = torch.randn(2, 3, 4, 5)
        assert torch.equal(fill_missing(f, mask("111", "111")), f)

    def test_gradient_is_shared_by_the_available(self):
        f = torch.tensor([[[2.0], [0.0], [6.0]]], requires_grad=True)
        fill_missing(f, mask("101"))[0, 1].sum().backward()
        assert f.grad.tolist() == [[[0.5], [0.0], [0.5]]]


class TestUnbindModalities:
    def test_parts_and_their_gradients_have_the_channels_last_in_memory(self):
        parts = [torch.randn(1, 8, 4, 5, 6, requires_grad=True) for _ in range(3)]
        laid, gradients = [], []
        for part in parts:
            laid.append(part.to(memory_format=torch.channels_last_3d))
            laid[-1].register_hook(gradients.append)
        encoders = [one_scale(lambda _, f=f: f) for f in laid]
        x = tuple(torch.zeros(1, 1) for _ in parts)
        (features,) = encode_available(encoders, x, mask("111"))
        columns = unbind_modalities(features)
        sum(c.square().sum() for c in columns).backward()
        for part, column in zip(parts, columns, strict=True):
            assert torch.equal(column, part)
            assert torch.allclose(part.grad, 2 * part)
        for f in [*columns, *gradients]:
            assert f.is_contiguous(memory_format=torch.channels_last_3d)


class TestFillDistance:
    def test_compares_each_feature_with_the_mean_of_the_others(self):
        f = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]]])
        l1, cosine = fill_distance(f, mask("111"))
        # Fills: (1.5, 1), (0.5, 1), (2, 0).
        assert l1.tolist() == pytest.approx([0.75, 1.75, 2.0])
        assert cosine.tolist() == pytest.approx([1.5 / 3.25**0.5, 0.5 / 1.25**0.5, 0.0])

    def test_reads_no_absent_feature_and_is_nan_without_company(self):
        f = torch.tensor([[[1.0], [NAN], [3.0]], [[NAN], [7.0], [NAN]]])
        l1, _ = fill_distance(f, mask("101", "010"))
        assert l1[0].item() == l1[2].item() == 2.0
        assert l1[1].isnan()


class TestFeatureDeviation:
    def test_over_all_that_is_there(self):
        # -1 and 1 of what is there; the 100 is not.
        f = torch.tensor([[[1.0, -1.0], [100.0, NAN]], [[-1.0, 1.0], [1.0, -1.0]]])
        assert feature_deviation(f, mask("10", "11")).item() == 1.0


class TestZeroMissing:
    def test_keeps_the_available_and_reads_no_absent(self):
        f = torch.tensor([[[1.0], [NAN]], [[2.0], [3.0]]])
        assert zero_missing(f, mask("10", "11")).tolist() == [[[1.0], [0.0]], [[2.0], [3.0]]]


class TestDistillation:
    """Eq. 5."""

    w = torch.tensor([0.8, 0.2])

    def test_two_modalities_by_hand(self):
        # |f_0 - f_1| = (1 + 3) / 2 = 2, weighted 0.8/0.2 + 0.2/0.8 = 4.25.
        f = torch.tensor([[[1.0, 5.0], [2.0, 2.0]]])
        assert distillation(f, mask("11"), self.w).item() == pytest.approx(8.5)

    def test_squared_norm_by_hand(self):
        # (1 + 9) / 2 = 5, times 4.25.
        f = torch.tensor([[[1.0, 5.0], [2.0, 2.0]]])
        assert distillation(f, mask("11"), self.w, p=2).item() == pytest.approx(21.25)

    def test_three_modalities_sum_over_ordered_pairs(self):
        # Differences 1, 3, 2; with weights 1/2, 1/4, 1/4 the pair factors are 2.5, 2.5 and 2.
        f = torch.tensor([[[0.0], [1.0], [3.0]]])
        w = torch.tensor([0.5, 0.25, 0.25])
        assert distillation(f, mask("111"), w).item() == pytest.approx(2.5 + 7.5 + 4.0)

    def test_batch_mean_counts_samples_without_a_pair(self):
        f = torch.tensor([[[1.0], [2.0]], [[1.0], [NAN]]])
        assert distillation(f, mask("11", "10"), self.w).item() == pytest.approx(4.25 / 2)

    def test_the_strong_teaches_the_weak(self):
        # d/df_1 of the pair (teacher 0, student 1) is w_0/w_1 = 4; the reverse is 1/4.
        f = torch.tensor([[[0.0], [1.0]]], requires_grad=True)
        distillation(f, mask("11"), self.w).backward()
        assert f.grad.flatten().tolist() == pytest.approx([-0.25, 4.0])

    def test_without_detaching_the_direction_is_lost(self):
        f = torch.tensor([[[0.0], [1.0]]], requires_grad=True)
        distillation(f, mask("11"), self.w, detach_teacher=False).backward()
        assert f.grad.flatten().tolist() == pytest.approx([-4.25, 4.25])

    def test_gradient_of_the_weights(self):
        # With r = w_0/w_1 the loss is r + 1/r: d/dw_0 = (1 - 1/r^2)/w_1 = 4.6875.
        w = self.w.clone().requires_grad_()
        distillation(torch.tensor([[[0.0], [1.0]]]), mask("11"), w).backward()
        assert w.grad[0].item() == pytest.approx(4.6875)

    def test_nan_in_an_absent_feature_gives_a_clean_gradient(self):
        f = torch.tensor([[[1.0], [NAN]]], requires_grad=True)
        distillation(f, mask("10"), self.w).backward()
        assert f.grad.tolist() == [[[0.0], [0.0]]]

    def test_other_norms_are_refused(self):
        with pytest.raises(ValueError, match="must be 1 or 2"):
            distillation(torch.ones(1, 2, 1), mask("11"), self.w, p=3)

    def test_clamped_ratios_by_hand(self):
        # 0.8/0.2 = 4 and its inverse become 2 and 1/2: a norm of 2 times 2.5.
        f = torch.tensor([[[1.0, 5.0], [2.0, 2.0]]])
        assert distillation(f, mask("11"), self.w, clamp=2.0).item() == pytest.approx(5.0)

    def test_a_clamp_beyond_every_ratio_changes_nothing(self):
        f = torch.tensor([[[1.0, 5.0], [2.0, 2.0]]])
        assert distillation(f, mask("11"), self.w, clamp=4.5).item() == pytest.approx(8.5)


class TestNormaliseChannels:
    def test_each_channel_over_its_space_by_hand(self):
        f = torch.tensor([[[[1.0, 3.0], [-40.0, 40.0]]]])
        for channel in normalise_channels(f)[0, 0].tolist():
            assert channel == pytest.approx([-1.0, 1.0])

    def test_a_vector_over_its_channels(self):
        assert normalise_channels(torch.tensor([[[1.0, 3.0]]]))[0, 0].tolist() == [-1.0, 1.0]

    def test_a_channel_that_says_nothing_becomes_zero(self):
        assert normalise_channels(torch.full((1, 1, 1, 8), 7.0)).abs().max() == 0

    def test_shrunken_features_are_as_far_apart(self):
        """The way out that unnormalised features have: halved, they halve Eq. 5."""
        f = torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
        there, w = mask("111", "110"), torch.tensor([0.5, 0.3, 0.2])
        whole, small = (distillation(normalise_channels(x), there, w) for x in (f, f / 100))
        assert small.item() == pytest.approx(whole.item(), rel=1e-3)
        halved = distillation(f / 2, there, w)
        assert halved.item() == pytest.approx(distillation(f, there, w).item() / 2)


class TestImportance:
    """Eq. 6."""

    def test_softmax_by_hand(self):
        w = importance(torch.tensor([math.log(3.0), 0.0]))
        assert w.tolist() == pytest.approx([0.75, 0.25])

    def test_sigmoid_by_hand(self):
        w = importance(torch.tensor([math.log(3.0), 0.0]), "sigmoid")  # .75 and .5
        assert w.tolist() == pytest.approx([0.6, 0.4], abs=1e-5)

    def test_relu_keeps_every_weight_positive(self):
        w = importance(torch.tensor([3.0, 1.0, -2.0]), "relu")
        assert w.tolist() == pytest.approx([0.75, 0.25, 0.0], abs=1e-5)
        assert w.min() > 0

    @pytest.mark.parametrize("normalisation", ["softmax", "sigmoid", "relu"])
    def test_sums_to_one(self, normalisation):
        assert importance(torch.randn(4), normalisation).sum().item() == pytest.approx(1.0)

    def test_unknown_normalisation_lists_the_choices(self):
        with pytest.raises(ValueError, match="softmax, sigmoid, relu"):
            importance(torch.zeros(2), "tanh")


def test_gate_scales_each_modality():
    f = torch.ones(1, 2, 3)
    assert gate(f, torch.tensor([0.75, 0.25]), scale=2.0)[0].tolist() == [[1.5] * 3, [0.5] * 3]
