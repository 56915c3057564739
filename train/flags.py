"""What the flags of all commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

DEFAULT = "(default: %(default)s)"


@dataclass(frozen=True)
class Later:
    """A function that is imported when it is called; unlike a closure it can go to a process."""

    module: str
    function: str

    def __call__(self, arguments: argparse.Namespace) -> int:
        return int(getattr(import_module(self.module), self.function)(arguments))


def folder(text: str) -> Path:
    """A flag's value that must be a folder that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(
            f"{text} is no folder. Fetch or make data with 'python -m train data'."
        )
    return path


def file(text: str) -> Path:
    """A flag's value that must be a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"There is no file {text}.")
    return path


def at_least(low: int) -> type:
    """A type of flags: whole numbers from `low` on."""

    def whole(text: str) -> int:
        number = int(text)
        if number < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, not {number}")
        return number

    whole.__name__ = "int"  # for argparse's own complaints
    return whole  # type: ignore[return-value]


def among(choices: Sequence[str]) -> Callable[[str], list[str]]:
    """A type of flags: some of these words, between commas."""

    def words(text: str) -> list[str]:
        chosen = text.split(",")
        for word in chosen:
            if word not in choices:
                raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(choices)}")
        return chosen

    return words


def add_threads(parser: argparse.ArgumentParser, default: int | None = None) -> None:
    shown = "PyTorch's choice" if default is None else default
    parser.add_argument(
        "--threads", type=at_least(1), default=default, help=f"CPU threads (default: {shown})"
    )
