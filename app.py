"""MCKD Studio: python app.py [--port 7860] [--data DIR] [--runs DIR]"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

UPLOADS = tempfile.TemporaryDirectory(prefix="mckd-studio-")  # private, gone when the app ends
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_TEMP_DIR", UPLOADS.name)
ON_SPACE = bool(os.environ.get("SPACE_ID"))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="MCKD Studio in the browser")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--data", type=Path, help="folder with Audiovision-MNIST, for training")
    parser.add_argument("--runs", type=Path, help="folder for training runs (default: runs)")
    return parser.parse_args()


def main() -> int:
    chosen = options()
    from mckd.studio import page
    from mckd.studio.services import Services

    services = Services.open(Path(__file__).resolve().parent, data=chosen.data, runs=chosen.runs)
    studio = page.build(services).queue(max_size=64, default_concurrency_limit=4)
    try:
        studio.launch(
            server_name="0.0.0.0" if ON_SPACE else "127.0.0.1",
            server_port=chosen.port,
            share=False,
            max_file_size="64mb",
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            footer_links=[],
            state_session_capacity=64,
            prevent_thread_lock=True,
            quiet=True,
            **page.look(),
        )
    except OSError:
        print(f"Port {chosen.port} is taken. Try: python app.py --port {chosen.port + 1}")
        return 1
    print(f"MCKD Studio is at {studio.local_url}", flush=True)
    threading.Thread(target=services.warm, daemon=True).start()  # torch and the model
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    studio.block_thread()
    return 0


if __name__ == "__main__":
    sys.exit(main())
