"""A case that ends its process, as the system does where memory runs out."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import NoReturn

from mckd.predict.opening import Reach, Wishes, Work
from mckd.predict.works import FilesWork, works_of
from mckd.tumour.layout import Layout


@dataclass(frozen=True)
class Deadly(FilesWork):
    def open(self, wishes: Wishes, reach: Reach) -> NoReturn:
        os._exit(9)


def with_a_deadly_one(arguments: argparse.Namespace) -> tuple[Layout, list[Work]]:
    """The cases of a folder; the one called b is deadly."""
    layout, works = works_of(arguments)
    return layout, [Deadly(**vars(work)) if work.name == "b" else work for work in works]
