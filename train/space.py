"""The app as a folder that a Hugging Face Space can be made of: `python -m train space --out DIR`.

A Space installs Gradio and the package that lends GPUs by itself, in the versions that the front
matter of README.md asks for; so they are not among its requirements. Models and examples lie in the
folder, so nothing has to be preloaded. Its page is the beginning of README.md without the commands.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from huggingface_hub import SpaceCard
from packaging.requirements import Requirement

from mckd.files.atomic import write_atomically
from mckd.files.hub import CARD
from mckd.tasks import CHECKPOINTS, ROOT, abouts
from train.hub import ATTRIBUTES, PREFIX, unlinked

BROUGHT = ("gradio", "spaces")
REQUIREMENTS = "requirements.txt"
OF_RESULTS = "tables"  # below checkpoints/: the numbers behind RESULTS.md, which the app needs not
PROGRAM = ("app.py", "mckd", "LICENSE")


def space(arguments: argparse.Namespace) -> int:
    """See the module.

    Raises:
        ValueError: the folder is not empty, or this is not a clone of the project.
    """
    out = arguments.out
    if not (ROOT / "app.py").is_file():
        raise ValueError(
            "A Space is written from a clone of the project, not from an installed one."
        )
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty. Choose a new folder.")
    out.mkdir(parents=True, exist_ok=True)
    bundled = [
        *(task.assets() for task in abouts()),
        *(place for place in CHECKPOINTS.iterdir() if place.name != OF_RESULTS),
    ]
    page = card(arguments.owner)
    pictures = re.findall(r"!\[.*?\]\((\S+)\)", page)
    for name in (*PROGRAM, *pictures, *(str(place.relative_to(ROOT)) for place in bundled)):
        _copy(ROOT / name, out / name)
    texts = {CARD: page, REQUIREMENTS: requirements(), ".gitattributes": ATTRIBUTES}
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    print(f"{out}: push it with: hf upload --repo-type space OWNER/NAME {out}")
    return 0


def requirements() -> str:
    """The app's requirements without what a Space brings along."""
    lines = (ROOT / REQUIREMENTS).read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    kept = [line for line in wanted if Requirement(line).name not in BROUGHT]
    return "".join(f"{line}\n" for line in kept)


def card(owner: str | None) -> str:
    """The README's front matter, first words and limits. What it links to is not in the folder."""
    whole = SpaceCard.load(ROOT / CARD)
    if owner:
        whole.data.models = [f"{owner}/{PREFIX}{task.key}" for task in abouts()]
    first = whole.text.partition("```")[0]
    limits = re.search(r"^## What it cannot do\n.*?(?=^## )", whole.text, re.S | re.M)
    words = unlinked(f"{first}{limits[0] if limits else ''}")
    return f"---\n{whole.data.to_yaml()}\n---\n{words}"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
