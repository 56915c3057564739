"""MCKD (Wang et al., arXiv 2405.07155): meta-learned cross-modal knowledge distillation.

Equations 1 to 6 and Algorithm 1, which `mckd.method` holds. Where the paper and its released code
differ, `mckd.method.options` names both. With `alpha` 0 it is the paper's Baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

import torch
from torch import Tensor

from mckd.method import (
    Learner,
    MethodOptions,
    MissingModalityNetwork,
    importance,
    meta_step,
    training_step,
)
from mckd.systems.filling import FilledNetwork
from mckd.systems.system import Moment, Parts, System, Trainer

RAW = "iwv"
"""The raw importance vector v among the tensors of a run."""


class MCKD(System):
    """The task's own network, filled by Eq. 2, and the importance weight vector."""

    Options = MethodOptions
    options: MethodOptions

    def __init__(self, parts: Parts, options: MethodOptions, trainer: Trainer) -> None:
        super().__init__(parts, options, trainer)
        # Following the released code, v starts uniform in [0, 1).
        v = torch.rand(len(parts.modalities), device=trainer.device).requires_grad_()
        self.extra[RAW] = v
        self.optimizers["iwv_optimizer"] = torch.optim.Adam(
            [v], lr=options.iwv_lr, weight_decay=options.iwv_weight_decay
        )
        self.learner = Learner(
            self.network,
            v,
            self.optimizers["optimizer"],
            self.optimizers["iwv_optimizer"],
            trainer.task_loss,
            options,
            trainer.autocast,
            trainer.synchronise,
            trainer.average,
        )

    @classmethod
    def build(cls, parts: Parts, options: MethodOptions) -> MissingModalityNetwork:
        if options.fill in ("learned", "vae"):
            return FilledNetwork(parts, options)
        network = parts.network()
        network.fill = options.fill
        return network

    @classmethod
    def twice(cls, options: MethodOptions) -> bool:
        return options.meta_gradient == "unrolled"

    @classmethod
    def weigh(cls, options: MethodOptions, tensors: Mapping[str, Tensor]) -> Tensor:
        """The IWV w of Eq. 6."""
        return importance(tensors[RAW], options.normalisation)

    def step(self, now: Moment) -> dict[str, float]:
        losses = training_step(
            self.learner, now.batch, step=now.step, accumulate=self.trainer.accumulate
        )
        self.average_statistics()
        found = {
            "loss": losses.total,
            "task_loss": losses.task,
            "distillation_loss": losses.distillation,
            **losses.others,
        }
        every = self.options.meta_every
        if every and (now.step + 1) % every == 0:
            found["meta_loss"] = self._meta_pass(now, now.step // every)
        return found

    def _meta_pass(self, now: Moment, number: int) -> float:
        """The n-th pass over meta-validation batches, a step on each. Returns their mean loss."""
        steps = self.options.meta_steps
        losses = [
            meta_step(
                self.learner,
                now.meta_batch(k),
                step=now.step,
                inner_batch=now.batch,
                inner_lr=now.lr,
            )
            for k in range(number * steps, (number + 1) * steps)
        ]
        return fmean(losses)
