"""What the Tables tab asks for, as plain Python: no Gradio here, and torch only once warm.

One visitor has one `Desk`: a model, a set of samples, one of them, and the modalities that the
model may use. Everything about a model is read from its checkpoint, so that any run can be chosen.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckd.files.runs import MODEL, RunFolder
from mckd.studio.services import faults
from mckd.studio.services.folders import Folders
from mckd.studio.services.model import Model
from mckd.studio.services.runs import Runs
from mckd.tables.about import ABOUT

BUNDLED = "bundled"
MOST_MODELS = 4  # kept in memory
MOST_SAMPLES = 500  # offered in the list

GONE = "The file is not here any more. Please open it again."
FAILED = "The tables could not be read. Please try again; the log has the details."
NOT_HERE = "That is not in the list any more. Choose again."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Option:
    """An entry of a list: what the browser sends back, and what it shows."""

    key: str
    label: str


@dataclass(frozen=True)
class Given:
    """A set of samples as one model sees it.

    name: what people call it. samples: None where none are open that the model is for. parts: for
    each sample `train`, `validation`, `test`, or "" where the model's run had it not. scores: of
    each subset, on `scored` samples; `of_run` where these are the test part of the model's run.
    """

    name: str
    samples: Any
    parts: list[str]
    scores: dict[frozenset[str], float]
    nothing: float
    scored: int
    of_run: bool


class Desk:
    """What one visitor has in front of them. A copy is a fresh desk.

    own: name and samples of an uploaded archive. row: of the sample that is shown. on: the
    modalities that the model may use.
    """

    def __init__(self) -> None:
        self.owner = secrets.token_hex(16)
        self.model = BUNDLED
        self.classifier: Any = None
        self.own: tuple[str, Any] | None = None
        self.given: Given | None = None
        self.row = 0
        self.on: frozenset[str] = frozenset()
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Desk:
        return Desk()


@dataclass(frozen=True)
class Answer:
    """What the tab shows of a sample.

    prediction: from the modalities that are on. truth: its label, None where there is none. shares:
    what each of these adds to it. classes: in the order of the probabilities.
    """

    sample: str
    part: str
    truth: Any
    prediction: Any
    shares: dict[str, float]


class TableService:
    """Models by run, samples by visitor."""

    def __init__(self, root: Path, folders: Folders, runs: Runs) -> None:
        """root: of the project. folders: where uploads lie."""
        self._root, self._folders, self._runs = root, folders, runs
        self._models: OrderedDict[tuple[str, float], Any] = OrderedDict()
        self._lock = threading.Lock()  # one model or archive is read at a time
        self._samples = Model(ABOUT.name, self._load_bundled, _why)  # there once the model is too

    @property
    def status(self) -> str:
        """Of the bundled model: loading, ready or unavailable."""
        return self._samples.status

    def warm(self) -> None:
        """Load the bundled model and the bundled samples."""
        self._samples.load()

    def _load_bundled(self) -> Any:
        from mckd.tables.data import read_folder

        with self._lock:
            self._load(ABOUT.checkpoint(self._root))
        return read_folder(ABOUT.assets(self._root))

    def tend(self) -> None:
        """Nothing lies here that a visitor left: desks go with their pages."""

    def close(self, desk: Desk) -> None:
        """The visitor has left, or wants it so: forget their tables."""
        with desk.lock:
            desk.own = desk.given = desk.classifier = None
        self._folders.forget(desk.owner)

    def models(self) -> list[Option]:
        """The bundled model, then finished runs of this task, newest first."""
        found = [Option(BUNDLED, "Bundled: Multiple Features")]
        for run in self._runs.all():
            folder = RunFolder(run.path)
            if not run.bundled and (folder.checkpoints / MODEL).is_file():
                config = folder.config()
                if config.get("task") == ABOUT.key:
                    system = config.get("config", {}).get("system", "")
                    found.append(Option(run.id, f"Run {run.id} ({system})"))
        return found

    def begin(self, desk: Desk) -> bool:
        """The bundled model and its first test sample, where the desk is still empty.

        Returns:
            Whether it was.

        Raises:
            ValueError: there is no model; a sentence.
        """
        self._samples.wait()
        if desk.given is not None:
            return False
        if self.status != "ready":
            raise ValueError(self._samples.reason)
        self.choose_model(desk, BUNDLED)
        return True

    def choose_model(self, desk: Desk, model: object) -> None:
        """Another model, for the samples that are open, or else the bundled ones; where these are
        not for it, without any.

        Raises:
            ValueError: not in the list, or it cannot be loaded.
        """
        classifier = self.classifier(model)
        with desk.lock:
            desk.model, desk.classifier = str(model), classifier
            bundled = (BUNDLED, self._samples.loaded) if self.status == "ready" else None
            try:
                if (samples := desk.own or bundled) is None:
                    raise ValueError(self._samples.reason)
                self._give(desk, *samples)
            except ValueError:
                desk.given = _of_run("", None, [], classifier)
                desk.row, desk.on = 0, frozenset()

    def open_archive(self, desk: Desk, ticket: object, browser: str = "") -> None:
        """A visitor's own tables, as a ZIP archive that was uploaded.

        browser: theirs, a secret.

        Raises:
            ValueError: it is gone, or cannot be read, or is not for the model; a sentence.
        """
        from mckd.tables.archive import unpacked
        from mckd.tables.data import read_folder

        self._have_model(desk)
        try:
            upload = self._folders.take(desk.owner, str(ticket), browser)
            with self._lock, unpacked(upload.path, upload.name) as folder:
                samples = read_folder(folder, desk.classifier.target.name, labelled=False, fewest=1)
        except FileNotFoundError:
            raise ValueError(GONE) from None
        except OSError as error:
            faults.record(log, "An archive of tables could not be read.", error)
            raise ValueError(FAILED) from None
        with desk.lock:
            self._give(desk, upload.name, samples)
            desk.own = upload.name, samples

    def close_archive(self, desk: Desk) -> None:
        """Back to the bundled samples.

        Raises:
            ValueError: there are none; a sentence.
        """
        with desk.lock:
            desk.own = None
        self._have_model(desk)
        self.choose_model(desk, desk.model)

    def _have_model(self, desk: Desk) -> None:
        """The bundled model on a desk that has none, as after a visitor deleted all.

        Raises:
            ValueError: it is not there; a sentence.
        """
        if desk.classifier is None:
            self.begin(desk)

    def samples(self, desk: Desk) -> list[Option]:
        """What can be chosen: unseen samples where there are some, with their labels."""
        given = desk.given
        if given is None or given.samples is None:
            return []
        ids, labels = given.samples.ids, given.samples.labels
        rows = [k for k, part in enumerate(given.parts) if part in ("test", "")]
        return [
            Option(str(k), ids[k] if labels[k] is None else f"{ids[k]} (label {labels[k]})")
            for k in (rows or range(len(ids)))[:MOST_SAMPLES]
        ]

    def choose_sample(self, desk: Desk, key: object) -> None:
        """Another sample, with all modalities that it has.

        Raises:
            ValueError: not in the list.
        """
        given = desk.given
        if given is None or str(key) not in {option.key for option in self.samples(desk)}:
            raise ValueError(NOT_HERE)
        with desk.lock:
            desk.row = int(str(key))
            desk.on = frozenset(self.present(desk))

    def present(self, desk: Desk) -> list[str]:
        """The modalities that the sample has and the model knows."""
        given = desk.given
        if given is None or given.samples is None:
            return []
        here = dict(zip(given.samples.modalities, given.samples.present[desk.row], strict=True))
        return [m for m in desk.classifier.modalities if here.get(m)]

    def switch(self, desk: Desk, on: object) -> None:
        """The modalities that the model may use; one at least stays.

        Raises:
            ValueError: none of them.
        """
        kept = frozenset(m for m in self.present(desk) if isinstance(on, list) and m in on)
        if not kept:
            raise ValueError("One modality has to stay on.")
        with desk.lock:
            desk.on = kept

    def answer(self, desk: Desk) -> Answer:
        """What the model makes of the sample from the modalities that are on.

        Raises:
            ValueError: no sample is open.
        """
        from mckd.tables.predictor import row_of

        with desk.lock:
            given, classifier, row, on = desk.given, desk.classifier, desk.row, desk.on
        if given is None or given.samples is None:
            names = ", ".join(classifier.modalities)
            raise ValueError(f"This model was trained on {names}. Open a ZIP of such tables.")
        rows = {m: row_of(given.samples, m, row) for m in on}
        encoded = classifier.encode(rows)
        label = given.samples.labels[row]
        return Answer(
            sample=given.samples.ids[row],
            part=given.parts[row],
            truth=label if label is None else classifier.target.spelled(label),
            prediction=classifier.decide(encoded),
            shares=classifier.contributions(encoded),
        )

    def classifier(self, model: object) -> Any:
        """A model of the list, loaded.

        Raises:
            ValueError: not in the list, or it cannot be loaded.
        """
        path = self._path_of(model)
        with self._lock:
            return self._load(path)

    def _path_of(self, model: object) -> Path:
        if model == BUNDLED:
            return ABOUT.checkpoint(self._root)
        if model not in [option.key for option in self.models()]:
            raise ValueError(NOT_HERE)
        run = self._runs.find(str(model))
        if run is None:
            raise ValueError(NOT_HERE)
        return RunFolder(run.path).checkpoints / MODEL

    def _load(self, path: Path) -> Any:
        """A model, from memory if it is there and its file has not changed."""
        from mckd.tables.predictor import TableClassifier

        key = str(path), path.stat().st_mtime if path.is_file() else 0.0
        if key not in self._models:
            self._models[key] = TableClassifier.load(path)
            while len(self._models) > MOST_MODELS:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def _give(self, desk: Desk, name: str, samples: Any) -> None:
        """Put samples on the desk, with the scores that belong beside them."""
        classifier = desk.classifier
        parts = classifier.part_of(samples)
        known = classifier.target.known(samples.labels) if name != BUNDLED else []
        if any(known):
            scores, nothing = classifier.score(samples), classifier.score_of_nothing(samples)
            given = Given(name, samples, parts, scores, nothing, int(sum(known)), of_run=False)
        else:
            given = _of_run(name, samples, parts, classifier)
        desk.given = given
        first = next((k for k, part in enumerate(parts) if part in ("test", "")), 0)
        desk.row = first
        desk.on = frozenset(self.present(desk))


def _of_run(name: str, samples: Any, parts: list[str], classifier: Any) -> Given:
    """Samples beside the scores of the model's own run."""
    scores, nothing = classifier.test_scores()
    scored = classifier.about["provenance"]["samples"]["test"]
    return Given(name, samples, parts, scores, nothing, scored, of_run=True)


def _why(error: Exception) -> str:
    """Why there is no model, for visitors."""
    return str(error) if isinstance(error, ValueError) else FAILED


def open_service(root: Path, folders: Folders, runs: Path) -> TableService:
    """The service of the project folder `root` and of the runs in `runs`; loads nothing yet."""
    return TableService(root, folders, Runs(root, runs))


def sorted_subsets(scores: Iterable[frozenset[str]], modalities: list[str]) -> list[frozenset[str]]:
    """By size, then as listed."""
    return sorted(scores, key=lambda s: (len(s), [m not in s for m in modalities]))
