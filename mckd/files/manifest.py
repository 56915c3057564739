"""The manifest of a folder of checkpoints: file name to SHA-256, as `sha256sum -c` reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from mckd.files.atomic import write_atomically

MANIFEST = "SHA256SUMS"


class ManifestError(ValueError):
    """A manifest that is no list of files, or cannot be read."""


def read_manifest(folder: Path) -> dict[str, tuple[str, ...]]:
    """File name to SHA-256; empty where the folder has no manifest.

    A file that is just being replaced, or whose replacement was broken off, has two: what was there
    and what is to come.

    Raises:
        ManifestError: it is not text, holds lines of another form, or cannot be read.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        return {}
    found: dict[str, tuple[str, ...]] = {}
    try:
        for line in filter(str.strip, path.read_text(encoding="utf-8").splitlines()):
            digest, name = line.split(maxsplit=1)
            name = name.lstrip("*")
            found[name] = (*found.get(name, ()), digest)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{MANIFEST} is damaged.") from error
    return found


def put(path: Path, data: bytes) -> str:
    """Write a file and list it; from that moment on it exists for readers. Returns its SHA-256.

    One that it replaces can be read until the new one can, whenever this is broken off: until then
    either is what it should be.
    """
    digest = hashlib.sha256(data).hexdigest()
    listed = read_manifest(path.parent)
    if before := listed.get(path.name):
        _write(path.parent, listed | {path.name: (before[0], digest)})
    write_atomically(path, data)
    _write(path.parent, read_manifest(path.parent) | {path.name: (digest,)})
    return digest


def forget(path: Path) -> None:
    """Take a file out of the manifest, then delete it."""
    manifest = read_manifest(path.parent)
    manifest.pop(path.name, None)
    _write(path.parent, manifest)
    path.unlink(missing_ok=True)


def _write(folder: Path, manifest: Mapping[str, tuple[str, ...]]) -> None:
    listed = ((name, digest) for name in sorted(manifest) for digest in manifest[name])
    lines = [f"{digest}  {name}\n" for name, digest in listed]
    write_atomically(folder / MANIFEST, "".join(lines).encode())
