"""The tasks: one folder each here, in `train` and in `mckd/studio/tasks`, all of the same name.

    for about in abouts(): print(about.key, about.label)

Nothing heavy is imported: command lines and forms read this.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

# A task is one more line here: its key, and the package that holds its `about`.
TASKS = {
    "digits": "mckd.digits",
    "tables": "mckd.tables",
    "tumour": "mckd.tumour",
}

_HERE = Path(__file__).resolve().parent
# Where assets/ and checkpoints/ lie: beside the package, or inside it where a wheel installed it.
ROOT = _HERE / "bundled" if (_HERE / "bundled").is_dir() else _HERE.parent
CHECKPOINTS = ROOT / "checkpoints"


@dataclass(frozen=True)
class Choice:
    """One entry of a form: what is stored, what is shown, one sentence that explains it."""

    key: str
    label: str
    note: str = ""


@dataclass(frozen=True)
class Series:
    """A modality, or a subset of them, as records spell it, with the words and colours of charts.

    colours: #rrggbb on light and on dark ground.
    """

    key: str
    label: str
    colours: tuple[str, str]


@dataclass(frozen=True)
class About:
    """What everything that is of no task says of one.

    key: as in TASKS. name: of its tab. label: in the form of the Training tab. modalities: in the
    order of a batch; () where the data decides. subsets: names in a record's "validation" that are
    drawn besides the modalities. presets: of the trainer, the first where the form begins. scarce:
    modalities that may be rare in training; key K is the flag --K-rate. rates: shares of the
    samples that keep such a one; rate: where the form begins. data: what the bundled data is.
    features: `vectors` or `maps`, which systems there are for it depends on that. metric: of its
    scores, unless a run says otherwise. caution: what the banner of the page says of it, HTML.
    """

    key: str
    name: str
    label: str
    presets: tuple[Choice, ...]
    data: str
    modalities: tuple[Series, ...] = ()
    subsets: tuple[Series, ...] = ()
    scarce: tuple[Choice, ...] = ()
    rates: tuple[float, ...] = ()
    rate: float | None = None
    features: str = "vectors"
    metric: str = "accuracy"
    caution: str = ""

    @property
    def series(self) -> dict[str, Series]:
        """Whatever charts draw by name, by key."""
        return {one.key: one for one in (*self.modalities, *self.subsets)}

    def assets(self, root: Path = ROOT) -> Path:
        """The folder of the bundled data."""
        return root / "assets" / self.key

    def checkpoint(self, root: Path = ROOT) -> Path:
        """The bundled model."""
        return root / "checkpoints" / f"{self.key}.safetensors"

    def run(self, root: Path = ROOT) -> Path:
        """The records of the bundled model's training."""
        return root / "checkpoints" / f"{self.key}-run"


def variable(task: str, key: str) -> str:
    """The CSS variable of a series' colour: the page's style sheet sets it for light and dark."""
    return f"--mk-{task}-{key}"


def about(key: str) -> About:
    """What is said of a task.

    Raises:
        ValueError: there is none of that key; the message names the nearest.
    """
    if key not in TASKS:
        near = difflib.get_close_matches(key, TASKS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(TASKS)}."
        raise ValueError(f"There is no task {key!r}.{hint}")
    found: About = import_module(f"{TASKS[key]}.about").ABOUT
    return found


def abouts() -> tuple[About, ...]:
    """Every task, in the order of TASKS."""
    return tuple(map(about, TASKS))
