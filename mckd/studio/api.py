"""Functions that programs call by name, beside the page and behind the same door.

They are endpoints of Gradio (`gr.api`): a `gradio_client`, and anything that speaks HTTP, calls
them with the cookie of a browser. API.md shows how. Each call begins with an empty desk and leaves
none; what it made lies with its browser's files and goes with them.
"""

# No `from __future__ import annotations`: Gradio reads the types of what is returned as they are.

import json
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr
from gradio.utils import get_function_params

from mckd.studio.calls import Endpoint
from mckd.studio.door import FAULT, browser_of
from mckd.studio.services import Services, faults
from mckd.studio.services.folders import Folders
from mckd.studio.tasks import api_of

log = logging.getLogger(__name__)


def build(services: Services) -> None:
    """Add the functions of all tasks to the current `gr.Blocks`."""

    def list_models() -> list[dict[str, Any]]:
        """The models of this app, and what each of them takes.

        Returns:
            of each model: task, status, what it learned from, its modalities and their weights
        """
        return [
            {"task": key, "status": service.status, **model}
            for key, service in services.tasks.items()
            for model in api_of(key).models(service)
        ]

    found = [f for key, service in services.tasks.items() for f in api_of(key).functions(service)]
    for function in (list_models, *found):
        gr.api(guarded(function), api_name=function.__name__, queue=False)


class RefusedError(gr.Error):
    """What a caller is told; as a string, too, it is the sentence, and that is what tools tell."""

    def __str__(self) -> str:
        return str(self.message)


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; whatever it fails with is one sentence to the caller."""

    @wraps(function)
    def called(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except ValueError as problem:  # its sentences are made for visitors
            raise RefusedError(str(problem), print_exception=False) from None
        except Exception as error:
            faults.record(log, "A call by name failed.", error)
            raise RefusedError(FAULT, print_exception=False) from None

    return called


def endpoints(page: gr.Blocks) -> dict[str, Endpoint]:
    """The functions of a page that are called by name."""
    return {
        str(called.api_name): Endpoint(
            number, {name: default for name, _, default, _ in get_function_params(called.fn)}
        )
        for number, called in page.fns.items()
        if called.fn is not None and called.api_visibility == "public"
    }


def answer_in_json(page: gr.Blocks) -> None:
    """Let the tools of a running page answer in JSON; Gradio's own words are those of Python."""
    server = page.mcp_server_obj
    assert server is not None
    plain = server.postprocess_output_data

    def told(data: Any, root_url: str) -> Any:
        given = [each for each in data if each is not None]
        files = [isinstance(each, dict) and {"path", "meta"} <= each.keys() for each in given]
        texts = [e if is_file else json.dumps(e) for e, is_file in zip(given, files, strict=True)]
        return plain(texts, root_url)

    server.postprocess_output_data = told  # type: ignore[method-assign]


def caller(request: Any) -> str:
    """The browser of a call, a secret. request: as Gradio hands it to a function: its own, and
    Starlette's where a tool is called."""
    return browser_of(dict(getattr(request, "request", request).scope))


def file_for(folders: Folders, request: Any, name: str, data: bytes) -> gr.FileData:
    """A file that only whoever called can fetch, as long as they are here.

    Raises:
        DiskFull: there is no room for it.
    """
    return gr.FileData(path=str(folders.send(caller(request), name, data)), orig_name=name)
