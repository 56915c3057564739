"""LCKD (Wang et al., MICCAI 2023, arXiv 2310.01035): elected modalities teach the others.

Every `elect_every` steps the modality that does best alone on validation samples is elected
teacher t, for each region of a segmentation one; the others learn the features of all elected,

    l = l_task + alpha sum_t sum_{j in A, j != t} || sg(f_t) - f_j ||_1     where t is present,

and a missing feature is the mean of the present ones. MCKD, its child, puts learned weights in
place of the vote.

Other than the authors' code: they elect every 5,000 steps of 195,000, by the mean Dice over all
validation cases; ours by that of a region over `ballots` batches of the meta-validation part, or,
where answers are no maps, one teacher by the task loss on them. The norm is the mean over elements.
Their warm-up with everything is `--warmup-steps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mckd.method import Batch, MissingModalityNetwork, evaluating
from mckd.systems.blocks import TASK, descend
from mckd.systems.system import MapParts, Moment, Parts, System, Trainer


@dataclass(frozen=True)
class LCKDOptions:
    """What LCKD can be told.

    alpha: weight of the distillation.
    elect_every: steps between two elections; nobody teaches before the first.
    ballots: batches that an election looks at.
    """

    alpha: float = 0.1
    elect_every: int = 100
    ballots: int = 1

    def __post_init__(self) -> None:
        for name in ("elect_every", "ballots"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")


class LCKD(System):
    """The task's own network; who teaches is among the tensors of the run."""

    Options = LCKDOptions
    options: LCKDOptions

    def __init__(self, parts: Parts, options: LCKDOptions, trainer: Trainer) -> None:
        super().__init__(parts, options, trainer)
        self.of_maps = isinstance(parts, MapParts)
        self.extra["teacher"] = torch.zeros(len(parts.modalities), device=trainer.device)

    @classmethod
    def build(cls, parts: Parts, options: LCKDOptions) -> MissingModalityNetwork:
        return parts.network()

    def step(self, now: Moment) -> dict[str, float]:
        found = descend(self, now, self.losses)
        every, ballots = self.options.elect_every, self.options.ballots
        if (now.step + 1) % every == 0:
            first = now.step // every * ballots
            self.elect([now.meta_batch(first + n) for n in range(ballots)])
        return found

    def losses(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """{name: (weight, loss)} of a batch."""
        features = self.network.encode(batch.inputs, batch.present)
        task = self.trainer.task_loss(self.network.answer(features, batch.present), batch.target)
        each = self.extra["teacher"].diag().bool()  # a row with at most one True for each teacher
        teaching = [from_teacher(features[0], batch.present, teacher) for teacher in each]
        return {
            TASK: (1.0, task),
            "distillation_loss": (self.options.alpha, torch.stack(teaching).sum()),
        }

    @torch.no_grad()
    def elect(self, batches: Sequence[Batch]) -> None:
        """Whoever alone is best for some region becomes a teacher; nobody where all score 0."""
        scores = torch.stack([self.alone(batches, m) for m in range(len(self.extra["teacher"]))])
        self.trainer.average([scores])
        best, who = scores.max(0)
        self.extra["teacher"].zero_()[who[best > 0]] = 1

    def alone(self, batches: Sequence[Batch], modality: int) -> Tensor:
        """The score of one modality alone, on the samples that have it; 0 of none: the Dice of
        each region (K,), or exp(-task loss) (1,)."""
        outputs, targets = [], []
        for batch in batches:
            rows = batch.present[:, modality]
            if rows.any():
                only = torch.zeros_like(batch.present[rows])
                only[:, modality] = True
                with evaluating(self.network), self.trainer.autocast():
                    outputs.append(self.network(tuple(x[rows] for x in batch.inputs), only))
                targets.append(batch.target[rows])
        if not outputs:
            regions = batches[0].target.shape[1] if self.of_maps else 1
            return torch.zeros(regions, device=self.trainer.device)
        output, target = torch.cat(outputs), torch.cat(targets)
        if self.of_maps:
            return dice(output > 0, target > 0)
        return torch.exp(-self.trainer.task_loss(output, target).float()).view(1)


def dice(found: Tensor, target: Tensor) -> Tensor:
    """Of regions (B, K, ...) bool, over all samples together: (K,); 0 of two empty ones."""
    a, b, both = (x.transpose(0, 1).flatten(1).sum(1) for x in (found, target, found & target))
    return 2 * both / (a + b).clamp(min=1)


def from_teacher(features: Tensor, present: Tensor, teacher: Tensor) -> Tensor:
    """sum_j ||sg(f_t) - f_j||_1 over the present j other than the teacher t; the mean over samples.

    A sample without its teacher contributes 0. Reads `features[b, m]` only where `present[b, m]`.

    Args:
        features: (B, M, C, ...). present: (B, M) bool. teacher: (M,) bool, at most one True.
    """
    f = features.flatten(2).float()
    taught = present & ~teacher & (present & teacher).any(1, keepdim=True)
    if not taught.any():
        return f.new_zeros(())
    zero = f.new_zeros(())
    of_teacher = torch.where((present & teacher)[:, :, None], f, zero).sum(1, keepdim=True)
    apart = torch.where(taught[:, :, None], of_teacher.detach() - f, zero).abs().mean(2)
    return apart.sum(1).mean()
