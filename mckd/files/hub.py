"""Models by the name of a repository: a folder of that form, or one on the Hugging Face Hub.

A repository holds one model (`python -m train bundle --hub`). Nothing is fetched unless it is asked
for; what was fetched before is found again without a network.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.files.checkpoint import CheckpointError
from mckd.files.manifest import MANIFEST
from mckd.files.runs import MODEL

if TYPE_CHECKING:
    from typing import Self

CONFIG, CARD = "config.json", "README.md"
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


class Pretrained(ABC):
    """What loads a checkpoint, and therefore a repository."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path | str) -> Self:
        """Load a checkpoint that the manifest beside it confirms."""

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        revision: str | None = None,
        download: bool = False,
        **options: Any,
    ) -> Self:
        """Load the model of a repository; `options` as `load` has them.

        name: a folder, or OWNER/NAME on the Hub. revision: a branch, tag or commit there (default:
        main). download: fetch what is not on this computer.

        Raises:
            CheckpointError: there is none, it was not fetched or cannot be, or as `load` says.
        """
        return cls.load(model_of(name, revision, download), **options)


def model_of(name: Path | str, revision: str | None = None, download: bool = False) -> Path:
    """The checkpoint of a repository; see `Pretrained.from_pretrained`."""
    folder = Path(name)
    if folder.is_dir():
        return folder / MODEL
    if not _REPOSITORY.fullmatch(str(name)):
        raise CheckpointError(f"There is no folder {name}; a repository is written OWNER/NAME.")
    from huggingface_hub import snapshot_download

    try:
        fetched = snapshot_download(
            str(name),
            revision=revision,
            allow_patterns=[f"{Path(MODEL).stem}.*", MANIFEST, CONFIG],
            local_files_only=not download,
        )
    except (OSError, ValueError) as error:  # also what the Hub refuses, and having no network
        if download:
            raise CheckpointError(
                f"{name} could not be fetched ({type(error).__name__}). Look at the name, the "
                "revision and the network."
            ) from error
        raise CheckpointError(
            f"{name} is not on this computer. Fetch it with download=True, or give a folder."
        ) from error
    return Path(fetched) / MODEL
