"""A bundled model that loads in the background, and what visitors are told of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

M = TypeVar("M")

log = logging.getLogger(__name__)


class Model(Generic[M]):
    """The app serves before it is there.

    status: loading, ready or unavailable. reason: why it is unavailable, for visitors.
    """

    def __init__(self, name: str, load: Callable[[], M], why: Callable[[Exception], str]) -> None:
        """name: of its task. load: called once, by `load`. why: a sentence for a failure of it."""
        self._name, self._load, self._why = name, load, why
        self._loaded: M | None = None
        self._settled = threading.Event()
        self.status = "loading"
        self.reason = ""

    def load(self) -> None:
        """Load it. Never raises: what went wrong is `reason`."""
        try:
            self._loaded = self._load()
            self.status = "ready"
        except Exception as error:
            log.warning("The %s model could not be loaded: %s", self._name, error)
            self.reason = self._why(error)
            self.status = "unavailable"
        finally:
            self._settled.set()

    @property
    def loaded(self) -> M:
        """The model; only while `status` is ready."""
        assert self._loaded is not None
        return self._loaded

    @property
    def settled(self) -> bool:
        """Whether it is loaded, or will not be."""
        return self._settled.is_set()

    def wait(self) -> None:
        """Until it is settled."""
        self._settled.wait()


def trained_on(about: Mapping[str, Any]) -> str:
    """The data that a model learned from, in the words of its checkpoint's header; "" if none."""
    data = about.get("data")
    name = data.get("name", "") if isinstance(data, dict) else str(data or "")
    return str(name).rstrip(".")


def model_line(about: Mapping[str, Any]) -> str:
    """One line that says which data the model learned from."""
    name = trained_on(about)
    return f"Trained on {name}." if name else "The checkpoint does not name its data."
