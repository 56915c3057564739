"""`python -m train brain`: the light network learns HD-BET's masks."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mckd.clinic.brain import brain_by
from mckd.clinic.brain_network import BrainNetwork
from mckd.files.checkpoint import save_checkpoint
from mckd.precision import in_bfloat16
from mckd.tumour.data import find_cases, read_case
from mckd.tumour.metrics import dice
from train.clinic.heads import Head, put_into, stripped, taught, with_hd_bet
from train.clinic.scans import scanned

SAVE_EVERY = 100


@dataclass(frozen=True)
class Phase:
    """steps: of one sample. rate: of learning, at most. real: share of heads as scanned: cases
    without skull are many, but cut closer to the brain than HD-BET does."""

    steps: int
    rate: float
    real: float


def train_brain(arguments: argparse.Namespace) -> int:
    """Trains on the heads that are not held out, then compares with HD-BET on those that are."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    files = sorted(arguments.heads.rglob("*.nii.gz"))
    unseen = [p for p in files if any(p.name.startswith(name) for name in arguments.held_out)]
    real = [taught(path, arguments.kept) for path in files if path not in unseen]
    made = _made(real, arguments.cases, rng) if arguments.cases else []
    print(f"{len(real)} heads, {len(made)} brains in heads of others", flush=True)
    network = BrainNetwork()
    for phase in (Phase(arguments.steps, 4e-3, 0.45), Phase(arguments.steps // 6, 1.5e-3, 0.85)):
        learn(network, real, made, phase, arguments.seed, arguments.out)
    for path in unseen:
        print(f"{path.name}: Dice {agreement(network, path, arguments.kept):.3f}", flush=True)
    return 0


def agreement(network: BrainNetwork, path: Path, kept: Path | None) -> float:
    """Dice of a network's mask and HD-BET's of a head, on its own grid."""
    voxels, spacing, brain = with_hd_bet(path, kept)
    return dice(brain_by(network, voxels, spacing), brain) or 0.0


def _made(heads: Sequence[Head], folder: Path, rng: np.random.Generator) -> list[Head]:
    """Every sequence of every case in the head of one of those with thin slices."""
    hosts = [head for head in heads if head.thin]
    cases = (read_case(path, reference=False) for path in find_cases(folder))
    return [
        put_into(stripped(case, sequence), hosts[rng.integers(len(hosts))], rng)
        for case in cases
        for sequence in case.volumes
    ]


def learn(
    network: BrainNetwork,
    real: Sequence[Head],
    made: Sequence[Head],
    phase: Phase,
    seed: int,
    out: Path,
) -> None:
    """That many steps of one sample each; saved as it goes."""
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=phase.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, phase.rate, phase.steps, pct_start=0.1
    )
    start, losses = time.monotonic(), []
    for step in range(phase.steps):
        rng = np.random.default_rng((seed, phase.steps, step))
        heads = real if rng.random() < phase.real or not made else made
        image, brain = scanned(heads[rng.integers(len(heads))], rng)
        with in_bfloat16("cpu"):
            logits = network(image[None])[0].float()
        loss = _loss(logits, brain)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if (step + 1) % SAVE_EVERY == 0:
            took = time.monotonic() - start
            print(f"step {step + 1}: {np.mean(losses[-SAVE_EVERY:]):.4f}, {took:.0f} s", flush=True)
            save(network, out)
    network.eval()
    save(network, out)


def _loss(logits: Tensor, brain: Tensor) -> Tensor:
    """Cross-entropy and one minus soft Dice."""
    share = logits.sigmoid()
    dice = (2 * (share * brain).sum() + 1) / (share.sum() + brain.sum() + 1)
    return F.binary_cross_entropy_with_logits(logits, brain) + 1 - dice


def save(network: BrainNetwork, path: Path) -> None:
    """In half precision: 1.2 MB."""
    tensors = {f"network/{name}": t.half() for name, t in network.state_dict().items()}
    save_checkpoint(path, tensors, {"kind": "brain"})
