"""A process that borrows a GPU through the lender's own package (run by test_lender.py).

Two things are put in place of a machine with a GPU: what a CPU build of PyTorch lacks and the
package looks for, and, where GRANTED is set, the driver's start in the borrowing process. In the
lending process the package lets tensors pretend to be on a GPU and refuses to mix them with
others, which tells whether everything would be where it has to be.
Arguments: a checkpoint and a folder of cases. Prints what came of it as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

if torch.version.cuda is None:

    def no_driver() -> None:
        raise RuntimeError("no driver")

    torch.version.cuda = "12.8"
    torch._C._cuda_init = no_driver  # type: ignore[attr-defined]
    torch.cuda._is_in_bad_fork = bool  # one that can be pickled: it is False

import spaces.zero.torch as device

if os.environ.get("GRANTED"):
    device.init = lambda gpu: None
    device.move = lambda callback=None: None

from mckd import precision
from mckd.studio.tasks.tumour import segmentation
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.volumes import pack_regions


def main(checkpoint: Path, cases: Path) -> None:
    precision.CPU_UNITS = ()  # no bfloat16, as on the pretended GPU: so the two can be compared
    service = CaseService.from_checkpoint(checkpoint, cases)
    service.warm()
    said = []
    for _ in range(2):  # the second time the process of the first is used again
        desk = Desk()
        list(service.open(desk, service.sources.bundled("head")))
        opened = service.opened(desk)
        assert opened is not None
        pretended = segmentation.on_gpu.__wrapped__(service.segmentation.model.loaded, opened.case)  # type: ignore[attr-defined]
        encoded = service.segmentation.model.loaded.encode(opened.case)
        alike = [
            answer.labels
            == pack_regions(service.segmentation.model.loaded.decide(encoded, used).canonical)
            for used, answer in opened.answers.items()
        ]
        said.append(
            {
                "borrowed": opened.encoded is None,
                "answers": len(alike),
                "like the CPU's": sum(alike),
                "like pretended": sum(
                    pretended[used] == (answer.labels, answer.intervals, answer.advice)
                    for used, answer in opened.answers.items()
                ),
            }
        )
        service.shelf.forget(desk.owner)
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
