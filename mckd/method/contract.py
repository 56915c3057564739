"""What a network with missing modalities is, and what a step is given. No task, no system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from mckd.method.equations import fill_missing, zero_missing

TaskLoss = Callable[[Tensor, Tensor], Tensor]
"""l_task: output (B, ...) and target (B, ...) to a scalar."""


class NonFiniteLossError(RuntimeError):
    """A loss became NaN or infinite; training on would destroy the network."""


class MissingModalityNetwork(nn.Module):
    """Encodes each modality alone, decodes any subset of them.

    Features are a tuple of scales, deepest first, each (B, M, C, ...). A subclass gives `encode`
    and `decode`; how missing features are filled is Eq. 2 unless it says otherwise.
    """

    modalities: tuple[str, ...]
    fill: str = "mean"
    """Features of missing modalities: `mean` of the available (Eq. 2), or `zero` (its ablation)."""

    def encode(self, inputs: Sequence[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        """Eq. 1. Reads `inputs[m][b]` only where `present[b, m]`."""
        raise NotImplementedError  # pragma: no cover - abstract

    def encode_one(self, x: Tensor, modality: int) -> tuple[Tensor, ...]:
        """One modality alone: its feature (B, C, ...) per scale, as `encode` gives it."""
        present = torch.zeros(len(x), len(self.modalities), dtype=torch.bool, device=x.device)
        present[:, modality] = True
        features = self.encode([x] * len(self.modalities), present)
        return tuple(f[:, modality] for f in features)

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        """Output (B, ...) from complete features: one for every modality."""
        raise NotImplementedError  # pragma: no cover - abstract

    def forward(self, inputs: Sequence[Tensor], present: Tensor) -> Tensor:
        return self.answer(self.encode(inputs, present), present)

    def answer(self, features: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """The output from features as `encode` gives them: Eq. 2, then G.

        A network that can spare the filled copies of its features may do so here.
        """
        return self.decode(self.complete(features, present))

    def respond(
        self, features: tuple[Tensor, ...], batch: Batch
    ) -> tuple[Tensor, Mapping[str, tuple[float, Tensor]]]:
        """`answer` in training, and what that adds to the loss besides Eq. 4, by name: a weight
        and a scalar."""
        return self.answer(features, batch.present), {}

    def complete(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        """Eq. 2 at every scale. Reads `features[s][b, m]` only where `present[b, m]`."""
        fill = fill_missing if self.fill == "mean" else zero_missing
        return tuple(fill(f, present) for f in features)

    def of_subset(self, features: Mapping[int, tuple[Tensor, ...]]) -> list[dict[int, Tensor]]:
        """`complete` for one subset without filled copies, for a decoder that can do without.

        Args:
            features: {modality: as `encode_one` gives it}.

        Returns:
            Per scale {modality: (B, C, ...)}; who is not in it is filled as `fill` says.
        """
        scales = zip(*features.values(), strict=True)
        return [dict(zip(features, scale, strict=True)) for scale in scales]

    @property
    def trunk(self) -> MissingModalityNetwork:
        """The task's own network, which decodes."""
        return self


@dataclass(frozen=True)
class Batch:
    """inputs: one (B, ...) per modality; present: (B, M) bool; target: (B, ...).

    available: (B, M) bool, what the data has where some of it was dropped; None where nothing was.
    """

    inputs: tuple[Tensor, ...]
    present: Tensor
    target: Tensor
    available: Tensor | None = None

    @property
    def undropped(self) -> Tensor:
        """(B, M) bool, what the data has: for losses that dropped modalities may enter."""
        return self.present if self.available is None else self.available

    def to(self, device: torch.device | str) -> Batch:
        inputs = tuple(x.to(device, non_blocking=True) for x in self.inputs)
        available = None if self.available is None else self.available.to(device)
        return Batch(inputs, self.present.to(device), self.target.to(device), available)

    def split(self, parts: int) -> list[Batch]:
        """In at most `parts` batches of nearly equal size."""
        inputs = zip(*(x.tensor_split(parts) for x in self.inputs), strict=True)
        each = (self.present, self.target, self.undropped)
        rest = zip(*(x.tensor_split(parts) for x in each), strict=True)
        pieces = [Batch(x, *others) for x, others in zip(inputs, rest, strict=True)]
        return [piece for piece in pieces if len(piece.target)]


@torch.no_grad()
def predict(network: MissingModalityNetwork, inputs: Sequence[Tensor], present: Tensor) -> Tensor:
    """The network's output in evaluation mode; the mode is put back afterwards."""
    with evaluating(network):
        return cast(Tensor, network(inputs, present))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while: no dropout, and no running statistic is touched."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def stop_if_not_finite(loss: Tensor, name: str, step: int) -> None:
    """Raises:
    NonFiniteLossError: the loss is NaN or infinite.
    """
    if not bool(torch.isfinite(loss)):
        raise NonFiniteLossError(
            f"The {name} is {loss.item()} at step {step}. The network was left as it was before "
            "this step. Lower the learning rate, or resume from the last checkpoint with another "
            "seed."
        )
