"""`python -m train calibrate-digits`: what the probabilities of the app's digit model are worth.

    python -m train calibrate-digits --data data/avmnist --folds runs/leave-out-*

A temperature for each of picture, voice and both (see `mckd.digits.predictor`), fitted to pictures
that no training saw, and to every recording of speakers who were left out of it: whoever speaks to
the app is a speaker that the model never heard. So those rows come from the models of `--folds`,
which are trained as the checkpoint is, each without one speaker. What is printed and drawn is of
samples that were left out of the fit: one speaker in turn or, where there is only one (and of
pictures), every tenth sample.

What tells a digit from what is none (`mckd.digits.likeness`) is fitted to the same samples, and
tried on noise, letters, scribbles and other words.

All of it goes into the checkpoint; its weights stay as they are.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

from mckd.digits import parts as networks
from mckd.digits.about import ABOUT
from mckd.digits.likeness import LIMITS, kept
from mckd.files.atomic import write_atomically
from mckd.files.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mckd.files.runs import MODEL, RunFolder
from mckd.files.tables import as_markdown
from mckd.method import MissingModalityNetwork, predict
from mckd.method.presence import presence_mask
from mckd.systems import rebuild
from train.charts import COLOURS, Chart, Curve, Panel, as_matplotlib, save_figure
from train.digits import likeness
from train.digits.likeness import Judge, parts_of
from train.digits.studio import Exam, unheard
from train.reliability import Bar, bars, expected_error
from train.settings import SettingsError

COLDEST, HOTTEST = 0.05, 20.0
SUBSETS = {
    "visual": frozenset({"visual"}),
    "audio": frozenset({"audio"}),
    "both": frozenset({"visual", "audio"}),
}
NAMES = {"visual": "picture", "audio": "voice", "both": "both"}
HEAD = ("from", "samples", "right", "temperature", "said before", "ECE", "said after", "ECE")
REPORT, PICTURE = "calibration.md", "reliability"


@dataclass(frozen=True)
class Rows:
    """What was answered: logits (n, 10) float64, labels (n,), and group (n,), the part that each is
    left out with."""

    logits: Tensor
    labels: Tensor
    group: Tensor

    def without(self, group: int) -> Rows:
        keep = self.group != group
        return Rows(self.logits[keep], self.labels[keep], self.group[keep])


def calibrate(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        CheckpointError: a checkpoint that cannot be used.
        SettingsError: a fold that left no speaker out, or a model of other data.
    """
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    checkpoint = load_checkpoint(arguments.checkpoint)
    folds = [load_checkpoint(RunFolder(run).checkpoints / MODEL) for run in arguments.folds]
    model, judges = judged(checkpoint, folds, arguments.data)
    rows = answered(model, judges)
    temperatures = {name: round(fit_temperature(r), 4) for name, r in rows.items()}
    speakers = ", ".join(_left_out(fold) for fold in folds)
    told = f"pictures that training did not see; speakers who were left out of it: {speakers}"
    fitted = likeness.fit(model, judges, arguments.data)
    tensors, limits = kept(fitted.likenesses)
    calibration = {"temperatures": temperatures, "calibrated_on": told, LIMITS: limits}
    text = report(rows, temperatures, told)
    text += f"\n\n{likeness.report(model, fitted, ABOUT.assets())}"
    save_checkpoint(
        arguments.checkpoint, checkpoint.tensors | tensors, checkpoint.header | calibration
    )
    print(text)
    if arguments.report:
        arguments.report.mkdir(parents=True, exist_ok=True)
        save_figure(arguments.report, PICTURE, as_matplotlib(diagrams(rows)), ["png"])
        write_atomically(arguments.report / REPORT, f"{text}\n".encode())
    return 0


def judged(
    checkpoint: Checkpoint, folds: Sequence[Checkpoint], data: Path
) -> tuple[Judge, list[Judge]]:
    """The model and the folds, each with what it did not see.

    Raises:
        SettingsError: a fold that left no speaker out, or the same as another; a model of other
            data.
    """
    speakers = [_left_out(fold) for fold in folds]
    if twice := sorted({s for s in speakers if speakers.count(s) > 1}):
        raise SettingsError(f"Two of --folds left out {twice[0]}. Give one model for each speaker.")
    exams = unheard(data, speakers)
    for one in (checkpoint, *folds):
        _check_pictures(one, exams[0])
    judges = [Judge(_network(f), s, e) for f, s, e in zip(folds, speakers, exams, strict=True)]
    return Judge(_network(checkpoint), "", exams[0]), judges


def answered(model: Judge, folds: Sequence[Judge]) -> dict[str, Rows]:
    """By subset: pictures by the model, voices and both by each fold on its own speaker."""
    told = [_logits(fold) for fold in folds]
    return {"visual": _rows([_logits(model)["visual"]])} | {
        subset: _rows([of_fold[subset] for of_fold in told]) for subset in ("audio", "both")
    }


def fit_temperature(rows: Rows) -> float:
    """T that makes -log softmax(logits / T) of the labels least, between COLDEST and HOTTEST.

    The labels are believed as Platt (1999) has it: of n samples all of which are right the most
    that can be said is (n + 1) / (n + 2), not certainty.
    """
    count, classes = rows.logits.shape
    smoothing = classes / ((classes - 1) * (count + 2))

    def loss(log_t: float) -> float:
        logits = rows.logits / math.exp(log_t)
        return F.cross_entropy(logits, rows.labels, label_smoothing=smoothing).item()

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def left_out(rows: Rows) -> Tensor:
    """(n, 10) probabilities, each by the temperature of the samples of the other groups."""
    probabilities = torch.empty_like(rows.logits)
    for group in rows.group.unique().tolist():
        mine = rows.group == group
        temperature = fit_temperature(rows.without(group))
        probabilities[mine] = (rows.logits[mine] / temperature).softmax(1)
    return probabilities


def diagram(probabilities: Tensor, labels: Tensor) -> list[Bar]:
    """Of the digit that is answered: how likely it was said to be, how often it was right."""
    said, digit = (x.numpy() for x in probabilities.max(1))
    right = (digit == labels.numpy()).astype(float)
    return bars(said, np.ones_like(said), right)


def report(rows: Mapping[str, Rows], temperatures: Mapping[str, float], told: str) -> str:
    """Markdown: a line per subset."""
    lines = []
    for name, r in rows.items():
        before, after = r.logits.softmax(1), left_out(r)
        right = (before.argmax(1) == r.labels).double().mean().item()
        cells = [NAMES[name], str(len(r.labels)), f"{right:.1%}", f"{temperatures[name]:.2f}"]
        for p in (before, after):
            said = p.max(1).values.mean().item()
            cells += [f"{said:.1%}", f"{expected_error(diagram(p, r.labels)):.3f}"]
        lines.append(cells)
    return "\n".join([f"Measured on {told}.", "", *as_markdown(HEAD, lines)])


def diagrams(rows: Mapping[str, Rows]) -> Chart:
    """A reliability diagram per subset, before and after."""
    about = (
        "Samples that were left out of the fit of their temperature, by how likely the answer was "
        "said to be, in ten bars. ECE: mean distance from the diagonal, each bar by its samples."
    )
    panels = [_panel(NAMES[name], r) for name, r in rows.items()]
    return Chart("What the probabilities of the digit model are worth", about, panels, len(panels))


def _panel(title: str, rows: Rows) -> Panel:
    curves = [Curve("as it should be", COLOURS[-1], (0, 1), (0, 1))]
    for label, colour, p in (
        ("of the network", COLOURS[1], rows.logits.softmax(1)),
        ("calibrated", COLOURS[0], left_out(rows)),
    ):
        found = diagram(p, rows.labels)
        label = f"{label}, ECE {expected_error(found):.3f}"
        curves.append(Curve(label, colour, [b.promised for b in found], [b.came for b in found]))
    return Panel(title, "probability of the answer", "share that is right", curves)


def _rows(told: Sequence[tuple[Tensor, Tensor]]) -> Rows:
    logits, labels = (torch.cat(x) for x in zip(*told, strict=True))
    return Rows(logits, labels, parts_of([len(y) for _, y in told]))


def _network(checkpoint: Checkpoint) -> MissingModalityNetwork:
    return rebuild(checkpoint, networks.parts_of(checkpoint.header))[0]


def _logits(judge: Judge) -> dict[str, tuple[Tensor, Tensor]]:
    """{subset: logits (n, 10) and labels (n,)}."""
    parts = judge.exam.parts
    return {
        name: (_answer(judge.network, parts[name].inputs, subset), parts[name].labels)
        for name, subset in SUBSETS.items()
    }


def _answer(
    network: MissingModalityNetwork, inputs: tuple[Tensor, ...], subset: frozenset[str]
) -> Tensor:
    present = presence_mask(subset, network.modalities, len(inputs[0]), "cpu")
    return predict(network, inputs, present).double()


def _left_out(fold: Checkpoint) -> str:
    speaker: Any = fold.header.get("provenance", {}).get("left_out")
    if not speaker:
        raise SettingsError("One of --folds left no speaker out. Train it with --leave-out NAME.")
    return str(speaker)


def _check_pictures(model: Checkpoint, exam: Exam) -> None:
    """The parts of another set of pictures would not be those that this model did not see."""
    pictures = model.header.get("provenance", {}).get("pictures", {})
    if pictures.get("validation", 0) + pictures.get("test", 0) != len(exam.parts["visual"].labels):
        raise SettingsError(
            "The pictures of --data are not those that the models were trained on, so nothing says "
            "which they saw. Give the folder that they were trained with."
        )
