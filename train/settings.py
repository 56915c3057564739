"""What a run can be told: frozen dataclasses whose fields are the command's flags."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from mckd.method import MethodOptions

SettingsT = TypeVar("SettingsT", bound="TrainSettings")


class SettingsError(ValueError):
    """A setting that does not exist or cannot be; the message names the nearest that can."""


@dataclass(frozen=True)
class TrainSettings:
    """What every task shares. Learning rates are those of the optimiser named beside them.

    seed: of everything random: initial weights, order, dropout, dropped modalities.
    epochs: the run's length; one epoch is what the task says it is.
    batch_size: samples per step, over all processes.
    optimizer: adam, adamw or sgd (Nesterov momentum 0.99).
    schedule: of the learning rate: constant, step (x 0.9 every 20 epochs), cosine, poly (0.9).
    lr_warmup: share of the run over which the learning rate rises from 0.
    clip_norm: longest gradient allowed; 0 is no limit.
    ema: decay of the moving average of the weights that is evaluated and kept; 0 is none.
    meta_every: training steps between two meta steps; 0 leaves the IWV as it starts.
    iwv_lr, iwv_weight_decay: of the IWV's Adam, the released code's values.
    accumulate: parts that a batch is worked off in, for less memory.
    loaders: threads that make batches ahead, for a GPU to find them ready.
    bf16: bfloat16 autocast, on GPUs and CPUs that have it.
    validate_every: epochs between two validations.
    """

    seed: int = 0
    epochs: int = 60
    batch_size: int = 32
    optimizer: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 1e-2
    schedule: str = "step"
    lr_warmup: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    meta_every: int = 6
    iwv_lr: float = 1e-2
    iwv_weight_decay: float = 5e-4
    accumulate: int = 1
    loaders: int = 0
    bf16: bool = False
    validate_every: int = 1
    method: MethodOptions = field(default_factory=MethodOptions)

    def __post_init__(self) -> None:
        one_of(self, "optimizer", ("adam", "adamw", "sgd"))
        one_of(self, "schedule", ("constant", "step", "cosine", "poly"))
        for name in ("epochs", "batch_size", "validate_every", "accumulate"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{flag(name)} must be at least 1, not {getattr(self, name)}.")
        if not 0 <= self.seed < 2**31:
            raise SettingsError(f"--seed must be from 0 to 2147483647, not {self.seed}.")
        if not self.lr > 0:
            raise SettingsError(f"--lr must be above 0, not {self.lr}.")


def one_of(settings: object, name: str, choices: Sequence[str]) -> None:
    if getattr(settings, name) not in choices:
        given = getattr(settings, name)
        raise SettingsError(f"{flag(name)} must be one of {', '.join(choices)}, not {given!r}.")


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def add_flags(parser: argparse.ArgumentParser, kind: type) -> None:
    """One flag per field, nested dataclasses included. Absent flags stay out of the namespace."""
    hints = get_type_hints(kind)
    for f in dataclasses.fields(kind):
        t = hints[f.name]
        if dataclasses.is_dataclass(t):
            add_flags(parser, t)
        elif t is bool:
            action: Any = argparse.BooleanOptionalAction
            parser.add_argument(flag(f.name), action=action, default=argparse.SUPPRESS)
        else:
            parser.add_argument(
                flag(f.name), type=t, default=argparse.SUPPRESS, metavar=t.__name__.upper()
            )


def override(settings: SettingsT, changes: Mapping[str, Any]) -> SettingsT:
    """`settings` with `changes` by field name, nested dataclasses included.

    Raises:
        SettingsError: an unknown name; the message names the nearest valid one.
    """
    own = {f.name for f in dataclasses.fields(settings)}
    method = {f.name for f in dataclasses.fields(MethodOptions)}
    for name in changes:
        if name not in own | method:
            near = difflib.get_close_matches(name, sorted(own | method), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"There is no setting {name!r}.{hint}")
    of_method = {k: v for k, v in changes.items() if k in method}
    of_run = {k: v for k, v in changes.items() if k in own}
    try:
        if of_method:
            of_run["method"] = dataclasses.replace(settings.method, **of_method)
        return dataclasses.replace(settings, **of_run)
    except ValueError as error:
        raise SettingsError(str(error)) from error
