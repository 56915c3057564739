"""The manifest of a folder of checkpoints: file name to SHA-256, as `sha256sum -c` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mckd.files.atomic import write_atomically

MANIFEST = "SHA256SUMS"


class ManifestError(ValueError):
    """A manifest that is no list of files, or cannot be read."""


def read_manifest(folder: Path) -> dict[str, str]:
    """File name to SHA-256; empty where the folder has no manifest.

    Raises:
        ManifestError: it is not text, holds lines of another form, or cannot be read.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
        return {name.lstrip("*"): digest for digest, name in pairs}
    except (OSError, ValueError) as error:
        raise ManifestError(f"{MANIFEST} is damaged.") from error


def enter(path: Path, digest: str) -> None:
    """List a file that is written; from this moment on it exists for readers."""
    _write(path.parent, read_manifest(path.parent) | {path.name: digest})


def forget(path: Path) -> None:
    """Take a file out of the manifest, then delete it."""
    manifest = read_manifest(path.parent)
    manifest.pop(path.name, None)
    _write(path.parent, manifest)
    path.unlink(missing_ok=True)


def _write(folder: Path, manifest: Mapping[str, str]) -> None:
    lines = [f"{digest}  {name}\n" for name, digest in sorted(manifest.items())]
    write_atomically(folder / MANIFEST, "".join(lines).encode())
