"""The paper's figures anew: `python -m train figures --out DIR --which 1,3,4,5,6,7`."""

from __future__ import annotations

import argparse


def make_figures(arguments: argparse.Namespace) -> int:
    """Draw each figure that is asked for; what draws it lies with its task."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number in arguments.which:
        arguments.figures[number](arguments)
        print(f"Fig. {number}: fig{number}.pdf and others in {arguments.out}", flush=True)
    return 0
