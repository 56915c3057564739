"""The tasks' halves of the app: a folder each, found by its name.

`service.py` is plain Python with `open_service(root, folders, runs)`; `tab.py` holds `TAB`;
`tab.css`, if there is one, its style; `api.py` holds `API`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mckd.studio.services.folders import Folders


class Service(Protocol):
    """What the app asks of every task; its tab knows more of it."""

    @property
    def status(self) -> str:
        """Of the model: loading, ready or unavailable."""
        ...

    def warm(self) -> None:
        """Load what takes seconds. Called once, in a thread, when the page is up; never raises."""
        ...

    def tend(self) -> None:
        """Let go of what nobody asked for in a while. Called now and then."""
        ...


@dataclass(frozen=True)
class Drop:
    """What becomes of files that are dropped on the page while a tab is open.

    tab: its label. title, hint: shown while something is dragged. files: {event: regular
    expression}; the first file whose type and name, as in `image/png seven.png`, fit is handed to
    the tab's widgets as `event` {file}. entries: the event that gets every other drop, of whatever
    tab, as {entries}: `FileSystemEntry` objects, or files in a browser that has none; "" of all
    tabs but one.
    """

    tab: str
    title: str
    hint: str
    files: Mapping[str, str] = field(default_factory=dict)
    entries: str = ""


@dataclass(frozen=True)
class Tab:
    """A task's part of the page.

    build: given the service, lays the task's tabs out inside the current `gr.Tabs` and wires them.
    above: what stands above all tabs, laid out before them. large: the `elem_id` of every component
    whose values are large (a drawing, a sound). drop: what becomes of dropped files.
    """

    build: Callable[[Any], None]
    above: Callable[[], None] = lambda: None
    large: frozenset[str] = frozenset()
    drop: Drop | None = None


@dataclass(frozen=True)
class Api:
    """What programs may call of a task, by name.

    functions: given the service, the functions; their types and docstrings are shown to whoever
    writes a program, and what they refuse is a ValueError, a sentence. models: given the service,
    what `list_models` says of each model besides its task and its status.
    """

    functions: Callable[[Any], Sequence[Callable[..., Any]]]
    models: Callable[[Any], list[dict[str, Any]]]


def open_service(key: str, root: Path, folders: Folders, runs: Path) -> Service:
    """The service of a task; loads nothing heavy.

    root: the project folder. folders: where files of visitors lie. runs: where own runs lie.
    """
    found: Service = import_module(f"{__name__}.{key}.service").open_service(root, folders, runs)
    return found


def tab_of(key: str) -> Tab:
    """The tab of a task."""
    found: Tab = import_module(f"{__name__}.{key}.tab").TAB
    return found


def api_of(key: str) -> Api:
    """What programs may call of a task."""
    found: Api = import_module(f"{__name__}.{key}.api").API
    return found


def sheet_of(key: str) -> Path:
    """Where the style sheet of a task's tab lies, if it has one."""
    return Path(__file__).parent / key / "tab.css"
