"""Full2miss: a network that has everything teaches one that lacks something.

Shen and Gao, IPMI 2019, for segmentation: a network that sees all modalities and one that misses
some are trained together, an adversarial loss makes the features of the second look like those of
the first, and modalities are dropped. What the paper (arXiv 2405.07155) did of it for digits is
unpublished; this is our adaptation. A teacher, the task's own network, is trained on the complete
samples for `teacher_steps` and frozen. The student sees what is present and imputes the rest by a
perceptron (C-256-C); its features S, of all modalities together, meet the teacher's T on complete
samples of which it is shown a part, and a discriminator D (C-128-1) tells them apart:

    student         task + feature ||S - T||_2^2 + adversarial softplus(-D(S))
    discriminator   softplus(-D(T)) + softplus(D(S))

Teacher and discriminator are not kept for prediction. For features that are vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from mckd.method import Batch, evaluating, gradient, sample_presence, stop_if_not_finite
from mckd.systems.blocks import TASK, descend
from mckd.systems.imputed import PerceptronNetwork, at, perceptron, some_of
from mckd.systems.system import Moment, Parts, System, Trainer


@dataclass(frozen=True)
class Full2missOptions:
    """What teaches the student, and how strongly.

    teacher_steps: steps that the teacher is trained for; matching begins after them.
    feature: weight of the squared distance between the features of student and teacher.
    adversarial: weight of the adversarial loss.
    """

    teacher_steps: int = 580
    feature: float = 1.0
    adversarial: float = 0.1

    def __post_init__(self) -> None:
        if self.teacher_steps < 1:
            raise ValueError(f"teacher_steps must be at least 1, not {self.teacher_steps}.")


class Full2miss(System):
    """The task loss, and from `teacher_steps` on the two that draw it to the teacher."""

    Options = Full2missOptions
    options: Full2missOptions
    network: PerceptronNetwork

    def __init__(self, parts: Parts, options: Full2missOptions, trainer: Trainer) -> None:
        super().__init__(parts, options, trainer)
        width = len(parts.modalities) * parts.channels
        self.teacher = parts.network().to(trainer.device)
        self.discriminator = perceptron(width, 128, 1).to(trainer.device)
        self.matched: list[tuple[Tensor, Tensor]] = []
        self.modules = {"teacher": self.teacher, "discriminator": self.discriminator}
        for name, module in self.modules.items():
            self.optimizers[f"{name}_optimizer"] = trainer.optimizer(module.parameters())

    @classmethod
    def build(cls, parts: Parts, options: Full2missOptions) -> PerceptronNetwork:
        network = PerceptronNetwork(parts)
        network.fitted.fill_(True)  # imputation learns with the rest, from the start
        return network

    @cached_property
    def complete(self) -> Batch:
        return self.trainer.complete()

    @cached_property
    def taught(self) -> Tensor:
        """The frozen teacher's features (n, M C) of all complete samples."""
        with evaluating(self.teacher), torch.no_grad():
            (features,) = self.teacher.encode(self.complete.inputs, self.complete.present)
        return features.flatten(1)

    def step(self, now: Moment) -> dict[str, float]:
        if now.step < self.options.teacher_steps:
            found = descend(self, now, self.task_loss)
            return found | {"teacher_loss": self.teach(len(now.batch.target), now.step)}
        self.matched.clear()
        found = descend(self, now, self.losses)
        return found | {"discriminator_loss": self.discriminate()}

    def teach(self, count: int, step: int) -> float:
        """One update of the teacher on so many complete samples."""
        batch = at(self.complete, some_of(self.complete, count))
        output = self.teacher(batch.inputs, batch.present)
        loss = self.trainer.task_loss(output, batch.target)
        stop_if_not_finite(loss, "teacher's loss", step)
        self.update("teacher", loss)
        self.average_statistics(self.teacher)
        return loss.item()

    def task_loss(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        output = self.network(batch.inputs, batch.present)
        return {TASK: (1.0, self.trainer.task_loss(output, batch.target))}

    def losses(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """{name: (weight, loss)} of a batch, with as many complete samples beside it."""
        rows = some_of(self.complete, len(batch.target))
        student, teacher = self.features(at(self.complete, rows)), self.taught[rows]
        self.matched.append((student.detach(), teacher))
        return self.task_loss(batch) | {
            "feature_loss": (self.options.feature, F.mse_loss(student, teacher)),
            "adversarial_loss": (
                self.options.adversarial,
                F.softplus(-self.discriminator(student)).mean(),
            ),
        }

    def features(self, batch: Batch) -> Tensor:
        """The student's (B, M C) of samples of each of which it is shown a part."""
        drawn = sample_presence(batch.present.cpu(), torch.default_generator)
        shown = drawn.to(batch.present.device)
        given = self.network.encode(batch.inputs, shown)
        (student,) = self.network.complete(given, shown)
        return student.flatten(1)

    def discriminate(self) -> float:
        """One update of the discriminator, on the features that the student's step compared."""
        student, teacher = (torch.cat(side) for side in zip(*self.matched, strict=True))
        false, true = self.discriminator(student), self.discriminator(teacher)
        loss = F.softplus(-true).mean() + F.softplus(false).mean()
        self.update("discriminator", loss)
        return loss.item()

    def update(self, name: str, loss: Tensor) -> None:
        """One update of the teacher or of the discriminator, none of the student."""
        module, optimizer = self.modules[name], self.optimizers[f"{name}_optimizer"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.trainer.synchronise([gradient(p) for p in module.parameters()])
        optimizer.step()
