"""LCKD (Wang et al., MICCAI 2023, arXiv 2310.01035): an elected modality teaches the others.

Every `elect_every` steps the modality that does best alone on validation samples is elected
teacher t; the others learn its features,

    l = l_task + alpha sum_{j in A, j != t} || sg(f_t) - f_j ||_1     where t is present,

and a missing feature is the mean of the present ones. MCKD, its child, puts learned weights in
place of the vote.

Other than the authors' code: they elect by validation Dice, a teacher for each region of a tumour,
every 5,000 steps; a system knows neither regions nor Dice, so ours elects one teacher, by the task
loss on a batch of the meta-validation part. The norm is the mean over elements. Their warm-up with
everything is `--warmup-steps`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mckd.method import Batch, MissingModalityNetwork, evaluating
from mckd.systems.blocks import TASK, descend
from mckd.systems.system import Moment, Parts, System, Trainer


@dataclass(frozen=True)
class LCKDOptions:
    """What LCKD can be told.

    alpha: weight of the distillation.
    elect_every: steps between two elections; nobody teaches before the first.
    """

    alpha: float = 0.1
    elect_every: int = 100

    def __post_init__(self) -> None:
        if self.elect_every < 1:
            raise ValueError(f"elect_every must be at least 1, not {self.elect_every}.")


class LCKD(System):
    """The task's own network; who teaches is among the tensors of the run."""

    Options = LCKDOptions
    options: LCKDOptions

    def __init__(self, parts: Parts, options: LCKDOptions, trainer: Trainer) -> None:
        super().__init__(parts, options, trainer)
        self.extra["teacher"] = torch.zeros(len(parts.modalities), device=trainer.device)

    @classmethod
    def build(cls, parts: Parts, options: LCKDOptions) -> MissingModalityNetwork:
        return parts.network()

    def step(self, now: Moment) -> dict[str, float]:
        found = descend(self, now, self.losses)
        every = self.options.elect_every
        if (now.step + 1) % every == 0:
            self.elect(now.meta_batch(now.step // every))
        return found

    def losses(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """{name: (weight, loss)} of a batch."""
        features = self.network.encode(batch.inputs, batch.present)
        task = self.trainer.task_loss(self.network.answer(features, batch.present), batch.target)
        teaching = from_teacher(features[0], batch.present, self.extra["teacher"].bool())
        return {TASK: (1.0, task), "distillation_loss": (self.options.alpha, teaching)}

    @torch.no_grad()
    def elect(self, batch: Batch) -> None:
        """The modality with the lowest task loss alone becomes the teacher."""
        alone = torch.stack([self.alone(batch, m) for m in range(len(self.extra["teacher"]))])
        self.trainer.average([alone])
        self.extra["teacher"].zero_()[alone.argmin()] = 1

    def alone(self, batch: Batch, modality: int) -> Tensor:
        """The task loss of one modality alone, on the samples that have it; infinite of none."""
        rows = batch.present[:, modality]
        if not rows.any():
            return torch.tensor(torch.inf, device=self.trainer.device)
        only = torch.zeros_like(batch.present[rows])
        only[:, modality] = True
        with evaluating(self.network), self.trainer.autocast():
            output = self.network(tuple(x[rows] for x in batch.inputs), only)
        return self.trainer.task_loss(output, batch.target[rows]).float()


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
