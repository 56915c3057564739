"""What a call in JSON says: bounded before it is parsed, understood once, and written anew."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mckd.studio.asked import ODD
from mckd.studio.services.visitors import Refused

LARGEST_CALL = 64 * 2**10  # bytes of a call that carries neither a drawing nor a sound
LARGEST_BODY = 4 * 2**20  # of any; ten seconds of sound are 1.3 MB
MOST_MARKS = 5_000  # quotes, commas, colons and brackets: what makes JSON slow to parse
DEEPEST = 32
LARGEST_WHOLE = 2**53  # beyond it a browser cannot count

SESSION = re.compile(r"[A-Za-z0-9_-]{6,64}")
NAME = re.compile(r"[a-z_]{1,40}")
TICKET = re.compile(r"[0-9a-f]{32}")
MARKS = b'[{,:"'
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

NO_ADDRESSES = "Addresses of files elsewhere are not accepted; upload the file."
NO_PATHS = "Files are named by what the upload answered, never by a path."
TOO_LARGE = "This is larger than the app accepts."


@dataclass(frozen=True)
class Call:
    """One call: the session that it names, what is to be called, and with what.

    function: the number of one of the page's functions; of a call to a widget's own function the
    number of the widget, with its `name`. data: a list of values, for a widget anything.
    """

    session: str
    function: int
    name: str
    data: Any
    body: bytes


@dataclass(frozen=True)
class Endpoint:
    """A function of the page that programs call by its name.

    number: of the function. defaults: {parameter: its value where a call leaves it out}, in order.
    """

    number: int
    defaults: Mapping[str, Any]


@dataclass(frozen=True)
class Functions:
    """What can be called behind the door.

    large: the numbers of those that carry a drawing or a sound. check: raises ValueError, a
    sentence, for a call that the page could not have made. waiting: how many calls of a session
    stand in the queue. latest: those of which only the newest call of a page counts. skipped: what
    an older one is answered, which leaves everything on the page as it is. named: those that
    programs may call by their names; none where that is switched off. tools: whether these are
    also tools of the Model Context Protocol.
    """

    large: frozenset[int] = frozenset()
    check: Callable[[Call], None] = lambda call: None
    waiting: Callable[[str], int] = lambda session: 0
    latest: frozenset[int] = frozenset()
    skipped: Callable[[int], dict[str, Any]] = lambda number: {"data": []}
    named: Mapping[str, Endpoint] = field(default_factory=dict)
    tools: bool = False

    def is_named(self, number: int) -> bool:
        """Whether a function is one of those that only programs call."""
        return any(endpoint.number == number for endpoint in self.named.values())


def call_of(body: bytes, to_widget: bool = False) -> Call:
    """What a call says. It costs milliseconds, whatever the body is.

    to_widget: it calls a function of a widget and not one of the page.

    Raises:
        Refused: too much of anything, JSON that could be read in two ways, no session, or a file
            somewhere else in it, which Gradio would fetch.
    """
    said = parsed(body)
    if not isinstance(said, dict):
        raise Refused(422, ODD)
    session, name = said.get("session_hash"), said.get("fn_name", "")
    function = said.get("component_id" if to_widget else "fn_index")
    data, trigger = said.get("data"), said.get("trigger_id")
    if not isinstance(session, str) or not SESSION.fullmatch(session):
        raise Refused(422, ODD)
    if type(function) is not int or function < 0 or "data" not in said:
        raise Refused(422, ODD)
    if trigger is not None and (type(trigger) is not int or trigger < 0):
        raise Refused(422, ODD)
    if to_widget and not (isinstance(name, str) and NAME.fullmatch(name)):
        raise Refused(422, ODD)
    if not to_widget and not isinstance(data, list):
        raise Refused(422, ODD)
    event = said.get("event_data")
    if to_widget:
        return _written(session, function, data, name, {"component_id": function, "fn_name": name})
    told = {"fn_index": function, "trigger_id": trigger, "event_data": event}
    return _written(session, function, data, "", told)


def call_by_name(body: bytes, endpoint: Endpoint, session: str) -> Call:
    """The call of a program, whose body is {parameter: value}.

    Raises:
        Refused: as for `call_of`, or a parameter that the function has not.
    """
    said = parsed(body)
    if not isinstance(said, dict):
        raise Refused(422, ODD)
    if not said.keys() <= endpoint.defaults.keys():
        known = ", ".join(endpoint.defaults) or "none"
        raise Refused(422, f"There is no such parameter. There are: {known}.")
    data = [said.get(name, default) for name, default in endpoint.defaults.items()]
    number = endpoint.number
    return _written(session, number, data, "", {"fn_index": number})


def message_of(body: bytes) -> bytes:
    """A message of the Model Context Protocol (JSON-RPC), written anew.

    Raises:
        Refused: too much of anything, JSON that could be read in two ways, several messages at
            once, or a file somewhere in it.
    """
    said = parsed(body)
    if not isinstance(said, dict):
        raise Refused(422, ODD)
    if sentence := names_a_file(said):
        raise Refused(422, sentence)
    return _bytes(said)


def _written(session: str, function: int, data: Any, name: str, more: dict[str, Any]) -> Call:
    """A call as Gradio gets it. more: besides session and data.

    Raises:
        Refused: it names a file that is no upload, or holds what no encoding can.
    """
    data = with_tickets(data)
    for value in (data, more.get("event_data")):
        if sentence := names_a_file(value):
            raise Refused(422, sentence)
    return Call(
        session, function, name, data, _bytes({"session_hash": session, "data": data, **more})
    )


def _bytes(said: Any) -> bytes:
    """A value as JSON.

    Raises:
        Refused: it holds half of a character, which no encoding can.
    """
    try:
        return json.dumps(said, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(422, ODD) from None


def parsed(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        Refused: it is too much, or no JSON in UTF-8; or a key comes twice, or a number is none that
            a browser can hold.
    """
    if len(body) > LARGEST_BODY or len(body) - len(body.translate(None, MARKS)) > MOST_MARKS:
        raise Refused(413, TOO_LARGE)
    if depth(body) > DEEPEST:
        raise Refused(422, ODD)
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_once,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except ValueError:  # no UTF-8 and no JSON are ValueErrors too
        raise Refused(422, ODD) from None


def depth(body: bytes) -> int:
    """How deep the brackets of a JSON text go, those within its strings left out."""
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    level = deepest = 0
    for bracket in b"".join(bare.split(b'"')[::2]).translate(None, NOT_BRACKETS):
        level += 1 if bracket in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) > LARGEST_WHOLE:
        raise ValueError("too large a number")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("no number")
    return number


def with_tickets(value: Any) -> Any:
    """The same with each upload, as Gradio's clients write one, replaced by its ticket.

    They take what `/upload` answers for a path; here it is a ticket, which is no file to Gradio.
    """
    if isinstance(value, list):
        return [with_tickets(entry) for entry in value]
    if isinstance(value, dict):
        path = value.get("path")
        if "meta" in value and isinstance(path, str) and TICKET.fullmatch(path):
            return path
        return {key: with_tickets(entry) for key, entry in value.items()}
    return value


def names_a_file(value: Any) -> str:
    """Why a file that is named anywhere in it is refused; "" if none is."""
    if isinstance(value, list):
        return next(filter(None, map(names_a_file, value)), "")
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and "://" in path:
            return NO_ADDRESSES
        if "path" in value and "meta" in value:  # a file as Gradio knows one
            return NO_PATHS
        return next(filter(None, map(names_a_file, value.values())), "")
    return ""
