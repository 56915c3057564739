"""The trainer's command line: `python -m train --help`."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from mckd.files.runs import RunFolder
from mckd.memory import keep_memory
from train import bench, bundle, evaluate
from train.digits import table
from train.settings import SettingsError, add_flags, override

# A task is one more line here and one more folder beside `train/digits`.
TASKS = {"digits": "train.digits.run", "tumour": "train.tumour.run"}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data", help="fetch or make data to train on")
    data_commands = data.add_subparsers(dest="what", required=True)
    for name, module in TASKS.items():
        _add_task(commands.add_parser(name, help=f"train the {name} model"), module)
        importlib.import_module(module).add_data_commands(data_commands)
    table.add_flags(commands.add_parser("table", help="redo the paper's Table 2"))
    evaluate.add_flags(commands.add_parser("evaluate", help="score a tumour model, all subsets"))
    bench.add_flags(commands.add_parser("bench", help="time the bundled models"))
    bundle.add_flags(commands.add_parser("bundle", help="put a finished run into checkpoints"))
    arguments = parser.parse_args(argv)
    keep_memory()
    try:
        return int(arguments.action(arguments))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 3
    except (RuntimeError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def _add_task(parser: argparse.ArgumentParser, module: str) -> None:
    task = importlib.import_module(module)
    parser.add_argument("--preset", default="paper", choices=sorted(task.PRESETS))
    parser.add_argument("--out", type=Path, required=True, help="run folder, for example runs/one")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--tensorboard", action="store_true", help="also write TensorBoard files")
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    task.add_flags(parser)
    add_flags(parser, task.KIND)
    parser.set_defaults(action=lambda arguments: _train(arguments, task))


def _train(arguments: argparse.Namespace, task: Any) -> int:
    import torch

    from train.loop import train
    from train.workers import join_workers

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    fields = _fields(task.KIND)
    changes = {k: v for k, v in vars(arguments).items() if k in fields}
    settings = task.resolve(override(task.PRESETS[arguments.preset](), changes))
    run = RunFolder(arguments.out)
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


def _fields(kind: type) -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    add_flags(parser, kind)
    return {action.dest for action in parser._actions}


def _observers(arguments: argparse.Namespace, run: RunFolder) -> list[Any]:
    if not arguments.tensorboard:
        return []
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise SettingsError(
            "--tensorboard needs the package tensorboard: pip install tensorboard"
        ) from None
    writer = SummaryWriter(str(run.path / "tensorboard"))

    def observe(row: dict[str, Any]) -> None:
        for name, value in row.items():
            if isinstance(value, dict):
                for key, number in value.items():
                    writer.add_scalar(f"{name}/{key}", number, row["step"])
            elif name != "step":
                writer.add_scalar(name, value, row["step"])
        writer.flush()

    return [observe]


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(main(sys.argv[1:]))
