"""`python -m train digits`: settings from the command line, the task from its folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.digits.protocol import PaperTask
from train.digits.settings import PRESETS, DigitSettings, as_system
from train.settings import SettingsError
from train.task import Task

BUNDLED = Path(__file__).parents[2] / "assets" / "digits"

KIND = DigitSettings
__all__ = ["BUNDLED", "KIND", "PRESETS", "add_flags", "resolve", "task"]


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=BUNDLED,
        help="folder of pictures and recordings (default: the bundled synthetic set)",
    )
    parser.add_argument(
        "--voices",
        type=Path,
        help="folder of synthesised voices, added to the training of the preset studio",
    )


def resolve(settings: DigitSettings) -> DigitSettings:
    return as_system(settings)


def task(settings: DigitSettings, arguments: argparse.Namespace) -> Task:
    if settings.network == "paper":
        return PaperTask(settings, arguments.data)
    from train.digits.studio import StudioTask

    if settings.system != "mckd":
        raise SettingsError("--system other than mckd goes with --network paper.")
    return StudioTask(settings, arguments.data, arguments.voices)
