"""The trainer's command line: `python -m train --help`."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mckd
from mckd.files.faults import in_words
from mckd.memory import keep_memory
from mckd.systems import SYSTEMS
from mckd.tasks import TASKS
from train.commands import TaskCommands, add_commands, commands_of
from train.flags import add_threads
from train.settings import (
    SettingsError,
    TrainSettings,
    add_flags,
    names_of,
    override,
    with_system,
)

if TYPE_CHECKING:
    from mckd.files.runs import RunFolder


def main(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    keep_memory()
    try:
        return int(arguments.action(arguments))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"Error: {in_words(error, _out(arguments))}", file=sys.stderr)
        return 2
    except (RuntimeError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """What a command says; ends with usage and status 2 where it cannot be understood."""
    return parser(system_of(argv), given(argv, "--which")).parse_args(argv)


def system_of(argv: Sequence[str]) -> str:
    """The system that a command names: which options there are depends on it."""
    named = given(argv, "--system")
    return named if named in SYSTEMS else TrainSettings.system  # the parser refuses what is unknown


def given(argv: Sequence[str], flag: str) -> str:
    """The value of a flag on which the other flags depend, before all are parsed; "" without it."""
    value = ""
    for word, following in pairwise([*argv, ""]):
        if word == flag:
            value = following
        elif word.startswith(f"{flag}="):
            value = word.removeprefix(f"{flag}=")
    return value


def parser(system: str = TrainSettings.system, table: str = "") -> argparse.ArgumentParser:
    """Every command with its flags. Making it imports no PyTorch: help comes at once."""
    whole = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    whole.add_argument("--version", action="version", version=f"MCKD Studio {mckd.__version__}")
    commands = whole.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data", help="fetch or make data to train on")
    data_commands = data.add_subparsers(dest="what", required=True)
    tasks = {key: commands_of(key) for key in TASKS}
    for key, task in tasks.items():
        _add_task(commands.add_parser(key, help=f"train the {key} model"), task, system)
        task.add_data_commands(data_commands)
    for task in tasks.values():
        task.add_commands(commands)
    add_commands(commands, table)
    return whole


def _add_task(parser: argparse.ArgumentParser, task: TaskCommands, system: str) -> None:
    parser.add_argument(
        "--preset",
        default="paper",
        choices=sorted(task.PRESETS),
        help="where all settings below begin (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="run folder, for example runs/one (required)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint (default: no)"
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="also write TensorBoard files (default: no)"
    )
    parser.add_argument(
        "--trackio", action="store_true", help="also log to Trackio, on this computer (default: no)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only read the data and say what is there (default: no)",
    )
    add_threads(parser)
    task.add_flags(parser)
    fits = system if system in task.SETTINGS.CHOICES["system"] else TrainSettings.system
    presets = {name: with_system(make(), fits) for name, make in task.PRESETS.items()}
    add_flags(parser, task.SETTINGS, presets)
    parser.set_defaults(action=lambda arguments: _train(arguments, task, presets))


def _train(
    arguments: argparse.Namespace, task: TaskCommands, presets: Mapping[str, TrainSettings]
) -> int:
    from mckd.files.runs import RunFolder

    preset = presets[arguments.preset]
    known = names_of(preset)
    changes = {k: v for k, v in vars(arguments).items() if k in known}
    settings = override(preset, changes)
    if arguments.check:
        from train.check import report

        print("\n".join(report(task.task(settings, arguments))))
        return 0
    run = RunFolder(arguments.out)
    if os.environ.get("RANK", "0") == "0":
        run.check_start(arguments.resume)

    import torch

    from train.loop import train
    from train.workers import join_workers

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    words = [a for a in sys.argv[1:] if a != "--resume"]
    with join_workers() as workers:
        state = train(
            task.task(settings, arguments),
            settings,
            run,
            workers,
            name=arguments.command,
            preset=arguments.preset,
            command=shlex.join(["python", "-m", "train", *words]),
            resume=arguments.resume,
            say=print if workers.is_first else lambda line: None,
            observers=_observers(arguments, run) if workers.is_first else (),
        )
    return 0 if state == "finished" else 3


def _out(arguments: argparse.Namespace) -> Path:
    """The folder that a command writes to, for what is said of its errors."""
    return Path(getattr(arguments, "out", None) or getattr(arguments, "into", None) or ".")


def _observers(
    arguments: argparse.Namespace, run: RunFolder
) -> list[Callable[[dict[str, Any]], None]]:
    found: list[Callable[[dict[str, Any]], None]] = []
    try:
        if arguments.tensorboard:
            from train.tensorboard import Board

            found.append(Board(arguments.out / "tensorboard"))
        if arguments.trackio:
            from train.trackio import Track

            found.append(Track(run, arguments.command))
    except ImportError:
        name = "trackio" if found or not arguments.tensorboard else "tensorboard"
        raise SettingsError(f"--{name} needs the package {name}: pip install {name}") from None
    return found


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def run() -> int:
    """`mckd-train`, once installed; one process of several ends without waiting for the others."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    signal.signal(signal.SIGTERM, _stop)
    code = main(sys.argv[1:])
    if "WORLD_SIZE" in os.environ:
        # Connections to a process that died can abort this one as they are taken down, after it
        # has said why and with another status than its own.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(run())
