"""Serves the app: `python app.py [--port 7860] [--data DIR] [--runs DIR] [--public]`.

It loads no model; the services and the page are imported once the command line is understood.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import tempfile
import threading
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from mckd import __version__
from mckd.tasks import ROOT

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["FORWARDED_ALLOW_IPS"] = ""  # what a proxy says is for door.py to judge
ON_SPACE = bool(os.environ.get("SPACE_ID"))
PORT, ADDRESS = 7860, "0.0.0.0" if ON_SPACE else "127.0.0.1"
TAKEN = "Port {0} is taken. Try: python app.py --port {1}"
NOT_YOURS = "This system gives port {0} to administrators only. Try: python app.py --port {1}"
ELSEWHERE = "{2} is no address of this computer. Try: python app.py --listen 127.0.0.1"


def options() -> argparse.Namespace:
    """What the command line asks for, and the environment where it is silent.

    Gradio reads the same two words of it when it is imported; it finds them gone.
    """
    parser = argparse.ArgumentParser(
        description="MCKD Studio in the browser",
        epilog="GRADIO_SERVER_PORT and GRADIO_SERVER_NAME stand for --port and --listen.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--port",
        type=port,
        default=os.environ.pop("GRADIO_SERVER_PORT", "") or str(PORT),
        help=f"of the page, 1 to 65535 (default: {PORT})",
    )
    parser.add_argument(
        "--listen",
        type=address,
        metavar="ADDRESS",
        default=os.environ.pop("GRADIO_SERVER_NAME", "") or ADDRESS,
        help="of this computer, where the page is served; 0.0.0.0: on all its networks "
        f"(default: {ADDRESS})",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of data to train with, of any task (default: the small bundled sets)",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        default=Path("runs"),
        help="folder for training runs (default: runs, in this folder)",
    )
    parser.add_argument(
        "--host",
        type=host,
        action="append",
        default=[],
        metavar="NAME[:PORT]",
        help="a name other than localhost by which browsers may ask for this app; may be repeated "
        "(default: none; on a Space its own)",
    )
    parser.add_argument(
        "--public",
        action="store_true",
        default=ON_SPACE,
        help="strangers share this computer: nobody may train (default: no; always on a Space)",
    )
    parser.add_argument(
        "--api",
        action=argparse.BooleanOptionalAction,
        help="let programs call functions by name, with the limits of visitors; see API.md "
        "(default: yes, but no with --public)",
    )
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="offer the same functions as tools of the Model Context Protocol, at /gradio_api/mcp; "
        "needs the extra mcp (default: no)",
    )
    parser.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="where faults are noted, 4 MB at most with the older files beside it (default: "
        "standard error)",
    )
    parser.add_argument("--version", action="version", version=f"MCKD Studio {__version__}")
    chosen = parser.parse_args()
    if chosen.api is None:
        chosen.api = chosen.mcp or not chosen.public
    if chosen.mcp and not chosen.api:
        parser.error("the tools of --mcp are the functions that --no-api switches off")
    if chosen.mcp and find_spec("mcp") is None:
        parser.error("--mcp needs a package. Install it with: pip install 'mckd-studio[mcp]'")
    return chosen


def port(text: str) -> int:
    """A port's number.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; it is a number from 1 to 65535")
    return int(text)


def address(text: str) -> str:
    """An address as sockets take it; of IPv6, without the brackets of an address bar.

    Raises:
        ArgumentTypeError: it stands for all of IPv6, which Gradio cannot serve.
    """
    bare = text.removeprefix("[").removesuffix("]")
    if bare == "::":
        raise argparse.ArgumentTypeError("'::' is no single address; for all networks: 0.0.0.0")
    return bare


def host(text: str) -> str:
    """A name for `--host`.

    Raises:
        ArgumentTypeError: it is a whole web address.
    """
    if "/" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is no name; leave out http:// and any path")
    return text


def main() -> int:
    chosen = options()  # before anything that takes a while to import
    if problem := refusal(chosen.listen, chosen.port):
        print(problem)
        return 1
    try:
        from mckd.studio.services import journal
        from mckd.studio.services.private import end_on_signals, private_folder

        try:
            journal.begin(chosen.log)
        except OSError as error:
            print(f"{chosen.log} cannot be written ({error.strerror}). Choose another --log.")
            return 1
        end_on_signals()
        with private_folder() as private:
            return serve(chosen, private)
    except ModuleNotFoundError as error:
        print(f"{error.name} is missing. Install it with: pip install -r requirements.txt")
        return 1
    except SystemExit as ended:
        return int(ended.code or 0)


def serve(chosen: argparse.Namespace, private: Path) -> int:
    """The app until it is told to end. private: the folder for files of visitors."""
    os.environ["GRADIO_TEMP_DIR"] = tempfile.tempdir = str(private)
    from mckd.memory import keep_memory

    keep_memory()
    from starlette.middleware import Middleware

    from mckd.studio import api, page, wire
    from mckd.studio.door import Door
    from mckd.studio.services import Services, faults
    from mckd.studio.services.visitors import Visitors

    services = Services.open(ROOT, chosen.data, chosen.runs, private, chosen.public)
    studio = page.build(services, chosen.api).queue(max_size=64, default_concurrency_limit=4)
    folders = services.folders
    visitors = Visitors(gone=partial(page.forget, studio), left=folders.forget_sender)
    listen = f"[{chosen.listen}]" if ":" in chosen.listen else chosen.listen  # as addresses say it
    hosts = [*chosen.host, listen, os.environ.get("SPACE_HOST", "")]
    functions = page.functions(studio, chosen.mcp)
    door = Middleware(Door, visitors, services.health, folders, functions, hosts, ON_SPACE)
    try:
        studio.launch(
            server_name=listen,
            server_port=chosen.port,
            app_kwargs={"middleware": [door]},
            share=False,
            max_threads=96,  # of 32 visitors, most of them waiting
            blocked_paths=[str(folders.given), str(ROOT)],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=chosen.mcp,
            strict_cors=True,
            show_error=False,
            footer_links=[],
            state_session_capacity=64,  # more than Visitors lets in
            prevent_thread_lock=True,
            quiet=True,
            **page.look(),
        )
    except OSError:
        print(refusal(chosen.listen, chosen.port) or TAKEN.format(chosen.port, chosen.port + 1))
        return 1
    wire.install(studio.server, ON_SPACE)
    print(f"MCKD Studio is at {studio.local_url}", flush=True)
    if chosen.mcp:
        api.answer_in_json(studio)
    threading.Thread(target=services.warm, daemon=True).start()  # torch and the models
    while studio.is_running:
        time.sleep(5)
        try:
            visitors.sweep()
            services.tend()
        except Exception as error:  # a fault while tidying up ends no session
            faults.record(logging.getLogger(__name__), "Tidying up failed.", error)
    return 0


def refusal(address: str, number: int) -> str:
    """Why nothing can be served at that address and port, and what to do; "" if it can."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for tried, sentence in ((0, ELSEWHERE), (number, TAKEN)):  # 0: any that is free
        try:
            socket.create_server((address, tried), family=family).close()
        except PermissionError:
            return NOT_YOURS.format(number, PORT)
        except OSError:
            return sentence.format(number, number + 1, address)
    return ""


def run() -> None:
    """`mckd-studio`: never returns."""
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads may be in the middle of something; nothing waits for them
