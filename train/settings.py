"""What a run can be told: frozen dataclasses whose fields are the command's flags."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, get_type_hints

from mckd.method import MethodOptions
from mckd.systems import SYSTEMS, fitting, system_class, unfit

SettingsT = TypeVar("SettingsT", bound="TrainSettings")


class SettingsError(ValueError):
    """A setting that does not exist or cannot be; the message names the nearest that can."""


@dataclass(frozen=True)
class TrainSettings:
    """What every task shares. What is said of a field here is what `--help` says of its flag.

    system: what is trained, a file in mckd/systems; with another one `--help` tells its options.
    only: the one modality that a lower bound is trained on.
    drop: modalities dropped per sample, per batch (the released code) or never.
    warmup_steps: steps with everything that is available, before dropping starts.
    seed: of everything random: initial weights, order, dropout, dropped modalities.
    epochs: the run's length; one epoch is what the task says it is.
    batch_size: samples per step, over all processes; each has as many of them.
    optimizer: what moves the weights; sgd has a Nesterov momentum of 0.99.
    lr: the optimiser's learning rate where it is highest.
    weight_decay: the optimiser's.
    schedule: of the learning rate; step is x 0.9 every 20 epochs, poly to the power of 0.9.
    lr_warmup: share of the run over which the learning rate rises from 0.
    clip_norm: longest gradient allowed; 0 is no limit.
    ema: decay of the moving average of the weights that is evaluated and kept; 0 is none.
    accumulate: parts that a batch is worked off in, for less memory.
    loaders: threads that make batches ahead, for a GPU to find them ready.
    bf16: bfloat16 autocast, on GPUs and CPUs that have it.
    validate_every: epochs between two validations.
    """

    FEATURES: ClassVar[str] = "vectors"
    """What the task's features are: `vectors`, or `maps` at several scales."""
    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "system": fitting("vectors"),
        "drop": ("sample", "batch", "never"),
        "optimizer": ("adam", "adamw", "sgd"),
        "schedule": ("constant", "step", "cosine", "poly"),
    }

    system: str = "mckd"
    only: str = ""
    drop: str = "sample"
    warmup_steps: int = 0
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
    accumulate: int = 1
    loaders: int = 0
    bf16: bool = False
    validate_every: int = 1
    method: Any = field(default_factory=MethodOptions)
    """The options of the system."""

    def __post_init__(self) -> None:
        if self.system in SYSTEMS and (why := unfit(self.system, self.FEATURES)):
            raise SettingsError(why)
        for name, choices in self.CHOICES.items():
            given = getattr(self, name)
            if given not in choices:
                listed = ", ".join(choices)
                raise SettingsError(f"{flag(name)} must be one of {listed}, not {given!r}.")
        for name in ("epochs", "batch_size", "validate_every", "accumulate"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{flag(name)} must be at least 1, not {getattr(self, name)}.")
        for name in ("weight_decay", "clip_norm", "loaders", "warmup_steps"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"{flag(name)} must be 0 or more, not {getattr(self, name)}.")
        if not 0 < self.lr < math.inf:
            raise SettingsError(f"--lr must be above 0, not {self.lr}.")
        for name in ("lr_warmup", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"{flag(name)} is a share from 0 to below 1.")
        if not 0 <= self.seed < 2**31:
            raise SettingsError(f"--seed must be from 0 to 2147483647, not {self.seed}.")


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def by_flag(settings: TrainSettings) -> dict[str, Any]:
    """{flag: value} of every setting, the options of the system included."""
    both = (settings, settings.method)
    return {
        flag(field.name): getattr(part, field.name)
        for part in both
        for field in dataclasses.fields(part)
        if field.name != "method"
    }


def add_flags(
    parser: argparse.ArgumentParser, kind: type, presets: Mapping[str, Any] | None = None
) -> None:
    """One flag per field, the system's options included. Absent flags stay out of the namespace.

    presets: settings by name, whose values the help gives as the defaults; those of `kind` itself
        if there are none.
    """
    defaults = presets or {"": kind()}
    hints, about = get_type_hints(kind), meanings(kind)
    for f in dataclasses.fields(kind):
        t, values = hints[f.name], {name: getattr(p, f.name) for name, p in defaults.items()}
        first = next(iter(values.values()))
        if dataclasses.is_dataclass(first):
            add_flags(parser, type(first), values)
            continue
        how: dict[str, Any] = {
            "help": f"{about[f.name]} ({_defaults(values)})".replace("%", "%%"),
            "default": argparse.SUPPRESS,
        }
        if t is bool:
            how["action"] = argparse.BooleanOptionalAction
        elif choices := getattr(kind, "CHOICES", {}).get(f.name):
            how |= {"type": _fitting(kind) if f.name == "system" else t, "choices": choices}
        else:
            how |= {"type": t, "metavar": t.__name__.upper()}
        parser.add_argument(flag(f.name), **how)


def _fitting(kind: type) -> Callable[[str], str]:
    """Of `--system`: what is known and does not fit the task is refused in words of its own."""

    def system(name: str) -> str:
        why = unfit(name, kind.FEATURES) if name in SYSTEMS else ""
        if why:
            raise argparse.ArgumentTypeError(why)
        return name

    return system


def meanings(kind: type) -> dict[str, str]:
    """What the docstrings of a dataclass and its parents say of each field: `name: meaning`."""
    said: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(part):
            continue
        name = ""
        for line in inspect.cleandoc(part.__doc__ or "").splitlines():
            begins = re.fullmatch(r"([a-z][a-z_0-9]*): (.+)", line)
            if begins:
                name, said[begins[1]] = begins[1], begins[2]
            elif name and line.startswith(" "):
                said[name] += f" {line.strip()}"
            else:
                name = ""
    return {name: text.replace("`", "").rstrip(".") for name, text in said.items()}


def _defaults(values: Mapping[str, Any]) -> str:
    """`default: 60`, or `default: smoke 30, paper 60` where the presets differ."""
    words = {name: _word(value) for name, value in values.items()}
    if len({*words.values()}) == 1:
        return f"default: {next(iter(words.values()))}"
    return "default: " + ", ".join(f"{name} {word}" for name, word in words.items())


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value == "" else f"{value:g}" if isinstance(value, float) else str(value)


def names_of(settings: TrainSettings) -> set[str]:
    """What can be set: the fields of the settings and of the system's options."""
    both = (settings, settings.method)
    return {field.name for part in both for field in dataclasses.fields(part)} - {"method"}


def with_system(settings: SettingsT, system: str) -> SettingsT:
    """The settings for another system, with its options as they are by default."""
    if system == settings.system:
        return settings
    return dataclasses.replace(settings, system=system, method=system_class(system).Options())


def override(settings: SettingsT, changes: Mapping[str, Any]) -> SettingsT:
    """`settings` with `changes` by field name, the options of the system included.

    Raises:
        SettingsError: an unknown name; the message names the nearest valid one.
    """
    try:
        settings = with_system(settings, changes.get("system", settings.system))
        known, method = names_of(settings), {f.name for f in dataclasses.fields(settings.method)}
        for name in changes:
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise SettingsError(f"There is no setting {name!r}.{hint}")
        of_method = {k: v for k, v in changes.items() if k in method}
        of_run = {k: v for k, v in changes.items() if k not in method}
        if of_method:
            of_run["method"] = dataclasses.replace(settings.method, **of_method)
        return dataclasses.replace(settings, **of_run)
    except ValueError as error:
        raise SettingsError(str(error)) from error
