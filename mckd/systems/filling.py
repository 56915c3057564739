"""Missing features from a small network instead of the mean of Eq. 2: `--fill learned` and `vae`.

The paper leaves generating them to future work. At every scale s, f_s filled by Eq. 2 from A,

    c_s = sum_n U_s,n f_s,n + b_s(A)             what is known
    g   = the c_s pooled from the finest scale to the deepest, a layer at each
    f_s,n + D_s,n(c, g)                          in place of a missing f_s,n, deepest scale first

Layers see one place each; what lies around it reaches them through the deeper scales. D is 0 before
training, so that a run begins with Eq. 2. `learned` is this and no more.

`vae` is a conditional variational auto-encoder (Sohn et al., NeurIPS 2015): D is also given a
latent map z of the deepest scale,

    p(z | c) = N(m(g), s(g)^2)
    q(z | c, f) the same, with sum_n T_s,n f_s,n over the true features of what is missing in c_s

In training the answer is of z ~ p and the reconstruction of z ~ q, as in their hybrid objective;
prediction takes the mean of p. Beside the losses of MCKD, of what the step has dropped:

    reconstruction loss   the share of the variance of the true features that the filled ones leave
                          unexplained, the mean over scales; it does not teach the true ones
    KL loss               KL(q || p), the mean over elements of z
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mckd.method import (
    Batch,
    MethodOptions,
    MissingModalityNetwork,
    evaluating,
    fill_columns,
    stack_modalities,
    unbind_modalities,
)
from mckd.systems.fused import Mix
from mckd.systems.gaussian import LIMIT, Gaussian, divergence
from mckd.systems.system import MapParts, Parts

LATENT = 16
"""Channels of z."""
SLOPE = 0.01  # of the leaky ReLU
TINY = 1e-8  # variance of features that say nothing

Features = tuple[Tensor, ...]
"""Of all modalities, (B, M, C, ...) per scale, deepest first."""
Columns = list[list[Tensor]]
"""The same as one (B, C, ...) per modality."""


class FilledNetwork(MissingModalityNetwork):
    """The task's own network; what is missing is filled by a filler, and nothing else changes."""

    def __init__(self, parts: Parts, options: MethodOptions) -> None:
        super().__init__()
        self.own = parts.network()
        self.modalities = parts.modalities
        widths = parts.widths if isinstance(parts, MapParts) else (parts.channels,)
        kind = VariationalFiller if options.fill == "vae" else Filler
        self.filler = kind(widths, len(self.modalities))
        self.weights = {
            "reconstruction_loss": options.fill_reconstruction,
            "kl_loss": options.fill_kl,
        }

    @property
    def trunk(self) -> MissingModalityNetwork:
        return self.own

    def encode(self, inputs: Sequence[Tensor], present: Tensor) -> Features:
        return self.own.encode(inputs, present)

    def encode_one(self, x: Tensor, modality: int) -> tuple[Tensor, ...]:
        return self.own.encode_one(x, modality)

    def decode(self, features: Features) -> Tensor:
        return self.own.decode(features)

    def answer(self, features: Features, present: Tensor) -> Tensor:
        if bool(present.all()):
            return self.own.answer(features, present)
        return super().answer(features, present)

    def complete(self, features: Features, present: Tensor) -> Features:
        if bool(present.all()):
            return features
        return _stacked(self.filler([fill_columns(f, present) for f in features], present))

    def of_subset(self, features: Mapping[int, tuple[Tensor, ...]]) -> list[dict[int, Tensor]]:
        scales, modalities = super().of_subset(features), range(len(self.modalities))
        if len(features) == len(modalities):
            return scales
        means = [torch.stack([*f.values()]).mean(0) for f in scales]
        columns = [
            [f.get(m, mean) for m in modalities] for f, mean in zip(scales, means, strict=True)
        ]
        some = columns[0][0]
        present = torch.tensor([m in features for m in modalities], device=some.device)
        filled = self.filler(columns, present.expand(len(some), -1))
        return [dict(enumerate(of_scale)) for of_scale in filled]

    def respond(
        self, features: Features, batch: Batch
    ) -> tuple[Tensor, dict[str, tuple[float, Tensor]]]:
        """The losses are 0 where nothing was dropped; true features are those of evaluation."""
        dropped = batch.undropped & ~batch.present
        if not bool(dropped.any()):
            losses = dict.fromkeys(self.filler.LOSSES, features[0].new_zeros(()).float())
            answer = self.answer(features, batch.present)
        else:
            with evaluating(self), torch.no_grad():
                truth = self.encode(batch.inputs, dropped)
            columns = [fill_columns(f, batch.present) for f in features]
            filled, losses = self.filler.taught(columns, batch.present, truth, dropped)
            answer = self.decode(_stacked(filled))
        return answer, {name: (self.weights[name], loss) for name, loss in losses.items()}


@dataclass(frozen=True)
class Known:
    """c_s per scale, deepest first, and g: each (B, C, ...) of as many channels as features."""

    context: list[Tensor]
    summary: Tensor


class Filler(nn.Module):
    """f_s,n + D_s,n(c, g) in place of what is missing.

    Args:
        widths: channels of the features of each scale, deepest first.
        modalities: how many.
    """

    LOSSES: tuple[str, ...] = ("reconstruction_loss",)

    def __init__(self, widths: Sequence[int], modalities: int) -> None:
        super().__init__()
        self.tell = nn.ModuleList(_mixes(c, modalities) for c in widths)
        self.which = nn.ModuleList(nn.Linear(modalities, c) for c in widths)
        self.gather = nn.ModuleList(Mix(fine, deep) for deep, fine in pairwise(widths))
        self.start = Mix(widths[0], widths[0])
        self.spread = nn.ModuleList(Mix(deep, fine) for deep, fine in pairwise(widths))
        self.change = nn.ModuleList(_mixes(c, modalities) for c in widths)
        for weight in self.change.parameters():
            nn.init.zeros_(weight)

    def forward(self, columns: Columns, present: Tensor) -> Columns:
        """Columns filled by Eq. 2 to columns filled anew; what is present stays as it is.

        Args:
            present: (B, M) bool.
        """
        known = self.known(columns, present)
        return self.filled(columns, present, known, self.start(known.summary))

    def taught(
        self, columns: Columns, present: Tensor, truth: Features, dropped: Tensor
    ) -> tuple[Columns, dict[str, Tensor]]:
        """`forward`, and LOSSES by name.

        Args:
            truth: features of what was dropped. dropped: (B, M) bool, with at least one True.
        """
        filled = self(columns, present)
        return filled, {"reconstruction_loss": unexplained(filled, truth, dropped)}

    def known(self, columns: Columns, present: Tensor) -> Known:
        told = present.to(torch.float32)
        context = []
        for of_scale, tell, which in zip(columns, self.tell, self.which, strict=True):
            about = which(told).view(len(told), -1, *[1] * (of_scale[0].ndim - 2))
            context.append(_mixed(of_scale, tell).add_(about))
        return Known(context, self.summary(context))

    def summary(self, context: Sequence[Tensor]) -> Tensor:
        """g of c_s: from the finest scale to the deepest."""
        *deeper, finest = context
        g = F.leaky_relu(finest, SLOPE)
        for c, layer in zip(reversed(deeper), reversed(self.gather), strict=True):
            g = _activate(c + layer(pooled(g, c)))
        return g

    def filled(self, columns: Columns, present: Tensor, known: Known, start: Tensor) -> Columns:
        """start: (B, C, ...), what D begins with at the deepest scale."""
        gaps, found = (~present).any(0).tolist(), []
        h = _activate(start)
        for s, (f, change) in enumerate(zip(columns, self.change, strict=True)):
            if s:
                h = _activate(known.context[s] + enlarged(self.spread[s - 1](h), f[0]))
            missing = (~present).to(h.dtype).view(*present.shape, *[1] * (h.ndim - 1))
            layers = cast(nn.ModuleList, change)
            found.append(
                [
                    torch.addcmul(x, layers[m](h), missing[:, m]) if gaps[m] else x
                    for m, x in enumerate(f)
                ]
            )
        return found


class VariationalFiller(Filler):
    """f_s,n + D_s,n(c, g, z) in place of what is missing."""

    LOSSES = ("reconstruction_loss", "kl_loss")

    def __init__(self, widths: Sequence[int], modalities: int) -> None:
        super().__init__(widths, modalities)
        self.teach = nn.ModuleList(_mixes(c, modalities) for c in widths)
        self.gaussian = Mix(widths[0], 2 * LATENT)
        self.enter = Mix(LATENT, widths[0], bias=False)

    def forward(self, columns: Columns, present: Tensor) -> Columns:
        """Of the mean of p(z | c)."""
        known = self.known(columns, present)
        return self.of_latent(columns, present, known, self.prior(known).mean)

    def taught(
        self, columns: Columns, present: Tensor, truth: Features, dropped: Tensor
    ) -> tuple[Columns, dict[str, Tensor]]:
        """Of a sample of p(z | c); the reconstruction is of one of q(z | c, f)."""
        known = self.known(columns, present)
        p, q = self.prior(known), self.posterior(known, truth, dropped)
        guess = self.of_latent(columns, present, known, q.sample())
        losses = {
            "reconstruction_loss": unexplained(guess, truth, dropped),
            "kl_loss": divergence(q, p),
        }
        return self.of_latent(columns, present, known, p.sample()), losses

    def of_latent(self, columns: Columns, present: Tensor, known: Known, z: Tensor) -> Columns:
        """Columns filled as z (B, LATENT, ...) of the deepest scale says."""
        return self.filled(columns, present, known, self.start(known.summary) + self.enter(z))

    def prior(self, known: Known) -> Gaussian:
        """p(z | c)."""
        return self._told(known.summary)

    def posterior(self, known: Known, truth: Features, dropped: Tensor) -> Gaussian:
        """q(z | c, f); where nothing was dropped it is p."""
        rows, context = rows_of(dropped), []
        for c, teach, f in zip(known.context, self.teach, truth, strict=True):
            layers = cast(nn.ModuleList, teach)
            for layer, true, some in zip(layers, unbind_modalities(f), rows, strict=True):
                c = c.index_add(0, some, layer(true[some]).to(c.dtype))
            context.append(c)
        return self._told(self.summary(context))

    def _told(self, summary: Tensor) -> Gaussian:
        mean, log_variance = self.gaussian(summary).float().chunk(2, 1)
        return Gaussian(mean, log_variance.clamp(-LIMIT, LIMIT))


def unexplained(columns: Columns, truth: Features, dropped: Tensor) -> Tensor:
    """Mean squared error over the variance of the true features, the mean over scales.

    1 is what a single number for all of a scale would reach.

    Args:
        dropped: (B, M) bool, which are compared; at least one.
    """
    rows, shares = rows_of(dropped), []
    for guess, f in zip(columns, truth, strict=True):
        triples = [*zip(guess, unbind_modalities(f), rows, strict=True)]
        found, true = (torch.cat([x[side][x[2]] for x in triples]).float() for side in (0, 1))
        shares.append(F.mse_loss(found, true) / (true.var(correction=0) + TINY))
    return torch.stack(shares).mean()


def rows_of(mask: Tensor) -> list[Tensor]:
    """Of (B, M) bool, the rows of each modality. Found on the CPU: once waited for, not each."""
    return [column.nonzero().squeeze(1).to(mask.device) for column in mask.cpu().unbind(1)]


def pooled(x: Tensor, like: Tensor) -> Tensor:
    """(B, C, ...) as the mean over the places that each place of a coarser `like` covers."""
    last = x.movedim(1, -1)
    for axis, (fine, coarse) in enumerate(zip(x.shape[2:], like.shape[2:], strict=True), start=1):
        last = last.unflatten(axis, (coarse, fine // coarse)).mean(axis + 1)
    return last.movedim(-1, 1)


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """(B, C, ...) with each place repeated over those of a finer `like` that it covers."""
    last = x.movedim(1, -1)
    for axis, (coarse, fine) in enumerate(zip(x.shape[2:], like.shape[2:], strict=True), start=1):
        last = last.repeat_interleave(fine // coarse, axis)
    return last.movedim(-1, 1)


def _mixes(channels: int, modalities: int) -> nn.ModuleList:
    return nn.ModuleList(Mix(channels, channels, bias=False) for _ in range(modalities))


def _mixed(columns: Sequence[Tensor], layers: nn.Module) -> Tensor:
    """The sum of what each layer makes of its modality."""
    pairs = zip(columns, cast(nn.ModuleList, layers), strict=True)
    first, *others = (cast(Tensor, layer(f)) for f, layer in pairs)
    for part in others:
        first.add_(part)
    return first


def _stacked(columns: Columns) -> Features:
    return tuple(stack_modalities(of_scale) for of_scale in columns)


def _activate(x: Tensor) -> Tensor:
    """Leaky ReLU in place, of a result that nobody else holds."""
    return F.leaky_relu_(x, SLOPE)
