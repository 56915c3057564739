"""Runs of a second or two on small tables."""

import tempfile
from pathlib import Path

from mckd.files.runs import MODEL, RunFolder
from train.loop import train
from train.settings import override
from train.tables.settings import smoke
from train.tables.task import TableTask
from train.workers import join_workers


def trained(folder: Path, **changes) -> Path:
    """The checkpoint of a run on a folder of tables."""
    few = {"epochs": 3, "hidden": 24, "width": 12, "validate_every": 3}
    settings = override(smoke(), few | changes)
    run = RunFolder(Path(tempfile.mkdtemp(dir=folder.parent)) / "run")
    with join_workers() as workers:
        state = train(
            TableTask(settings, folder),
            settings,
            run,
            workers,
            name="tables",
            preset="smoke",
            command="python -m train tables",
            say=lambda line: None,
        )
    assert state == "finished"
    return run.checkpoints / MODEL
