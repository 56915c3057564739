"""MCKD Studio: python app.py [--port 7860] [--data DIR] [--runs DIR] [--public]"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

PRIVATE = tempfile.TemporaryDirectory(prefix="mckd-studio-")  # visitors' files; gone with the app
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["GRADIO_TEMP_DIR"] = PRIVATE.name
ON_SPACE = bool(os.environ.get("SPACE_ID"))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="MCKD Studio in the browser")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--data", type=Path, help="folder with Audiovision-MNIST, for training")
    parser.add_argument("--runs", type=Path, help="folder for training runs (default: runs)")
    parser.add_argument(
        "--public",
        action="store_true",
        default=ON_SPACE,
        help="strangers share this computer: nobody may train (always so on a Space)",
    )
    return parser.parse_args()


def main() -> int:
    chosen = options()
    from mckd.memory import keep_memory

    keep_memory()
    from starlette.middleware import Middleware

    from mckd.studio import page
    from mckd.studio.door import Door
    from mckd.studio.services import Services, faults
    from mckd.studio.services.visitors import Visitors

    root, private = Path(__file__).resolve().parent, Path(PRIVATE.name)
    services = Services.open(root, chosen.data, chosen.runs, private, chosen.public)
    studio = page.build(services).queue(max_size=64, default_concurrency_limit=4)
    visitors = Visitors(gone=partial(page.forget, studio))
    folders = services.tumour.folders
    door = Middleware(Door, visitors, services.health, folders, framed=ON_SPACE)
    try:
        studio.launch(
            server_name="0.0.0.0" if ON_SPACE else "127.0.0.1",
            server_port=chosen.port,
            app_kwargs={"middleware": [door]},
            share=False,
            max_threads=96,  # of 32 visitors, most of them waiting
            blocked_paths=[str(folders.given), str(root)],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            strict_cors=True,
            show_error=False,
            footer_links=[],
            state_session_capacity=64,  # more than Visitors lets in
            prevent_thread_lock=True,
            quiet=True,
            **page.look(),
        )
    except OSError:
        print(f"Port {chosen.port} is taken. Try: python app.py --port {chosen.port + 1}")
        return 1
    print(f"MCKD Studio is at {studio.local_url}", flush=True)
    threading.Thread(target=services.warm, daemon=True).start()  # torch and the models
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while studio.is_running:
        time.sleep(5)
        try:
            visitors.sweep()
            services.tend()
        except Exception as error:  # a fault while tidying up ends no session
            faults.record(logging.getLogger(__name__), "Tidying up failed.", error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
