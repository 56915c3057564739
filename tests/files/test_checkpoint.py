import hashlib
import json
import pickle
import subprocess
from itertools import count

import pytest
import torch

from mckd.files import manifest
from mckd.files.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from mckd.files.manifest import forget, read_manifest


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"network/w": torch.arange(3.0), "iwv": torch.ones(2)}, {"epochs": 3})
    return path


def test_round_trip(saved):
    checkpoint = load_checkpoint(saved)
    assert checkpoint.header == {"epochs": 3}
    assert checkpoint.part("network")["w"].tolist() == [0.0, 1.0, 2.0]
    assert checkpoint.sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()


def test_manifest_is_what_sha256sum_reads(saved):
    save_checkpoint(saved.with_name("b.safetensors"), {"x": torch.zeros(1)}, {})
    check = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=saved.parent, capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout
    assert check.stdout.count("OK") == 2


def test_one_changed_byte_is_refused(saved):
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged or altered"):
        load_checkpoint(saved)


def test_unlisted_file_is_refused(saved):
    (saved.parent / "SHA256SUMS").unlink()
    with pytest.raises(CheckpointError, match="not listed"):
        load_checkpoint(saved)


def list_in_manifest(path, data: bytes) -> None:
    path.write_bytes(data)
    line = f"{hashlib.sha256(data).hexdigest()}  {path.name}\n"
    (path.parent / "SHA256SUMS").write_text(line)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize("data", [pickle.dumps(Bomb()), b"", b"\xff" * 64, b"\x08" + b"\0" * 20])
def test_other_formats_are_refused_and_never_unpickled(tmp_path, data):
    path = tmp_path / "x.safetensors"
    list_in_manifest(path, data)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load_checkpoint(path)


def safetensors_file(header: object, length: int | None = None, weights: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + weights


OURS = {"__metadata__": {"mckd": "{}"}}
WEIGHT = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(safetensors_file(OURS, length=2**63), id="a header of exabytes"),
        pytest.param(safetensors_file(OURS | {"w" * 2**20: WEIGHT}, weights=bytes(4)), id="long"),
        pytest.param(
            safetensors_file(OURS | {f"{i}": {**WEIGHT} for i in range(10_001)}, weights=bytes(4)),
            id="many tensors",
        ),
        pytest.param(safetensors_file({"w": WEIGHT}, weights=bytes(4)), id="not ours"),
        pytest.param(safetensors_file({"__metadata__": {"mckd": "[1]"}}), id="header is a list"),
        pytest.param(safetensors_file({"__metadata__": {"mckd": "{"}}), id="header is no JSON"),
        pytest.param(
            safetensors_file(OURS | {"w": WEIGHT | {"shape": [2**40]}}, weights=bytes(4)),
            id="a tensor of terabytes",
        ),
        pytest.param(
            safetensors_file(OURS | {"w": WEIGHT | {"data_offsets": [0, 2**50]}}),
            id="beyond the end",
        ),
        pytest.param(b"[" * 50_000, id="deeply nested"),
        pytest.param((60_000).to_bytes(8, "little") + b"[" * 60_000, id="a deeply nested header"),
    ],
)
def test_hostile_headers_are_refused(tmp_path, data):
    path = tmp_path / "x.safetensors"
    list_in_manifest(path, data)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load_checkpoint(path)


def test_a_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.truncate(2**30 + 1)  # a hole: it takes no room on the disk
    with pytest.raises(CheckpointError, match="larger than any"):
        load_checkpoint(path)


@pytest.mark.parametrize("manifest", [b"\xff\xfe\x00", b"one-word\n"])
def test_a_damaged_manifest_confirms_nothing(saved, manifest):
    (saved.parent / "SHA256SUMS").write_bytes(manifest)
    with pytest.raises(CheckpointError, match=r"SHA256SUMS beside a\.safetensors is damaged"):
        load_checkpoint(saved)


def test_lfs_pointer_says_what_to_run(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(CheckpointError, match="git lfs pull"):
        load_checkpoint(path)


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint x"):
        load_checkpoint(tmp_path / "x.safetensors")


def test_nan_weights_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, {"w": torch.tensor([1.0, float("nan")])}, {})
    with pytest.raises(CheckpointError, match="NaN or infinite values in w"):
        load_checkpoint(path)


@pytest.mark.parametrize(("broken_at", "epochs"), [(1, 3), (2, 3), (3, 4)])
def test_one_that_is_replaced_can_be_read_wherever_that_is_broken_off(
    saved, monkeypatch, broken_at, epochs
):
    """Manifest, file, manifest: the old one, then the new one, and in the end the new one alone."""
    written, write = count(1), manifest.write_atomically

    def killed(*what):
        if next(written) == broken_at:
            raise KeyboardInterrupt
        write(*what)

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(saved, {"network/w": torch.ones(3)}, {"epochs": 4})
    assert load_checkpoint(saved).header == {"epochs": epochs}
    digest = save_checkpoint(saved, {"network/w": torch.ones(3)}, {"epochs": 5})
    assert load_checkpoint(saved).header == {"epochs": 5}
    assert read_manifest(saved.parent) == {saved.name: (digest,)}


def test_forgetting_removes_file_and_entry(saved):
    forget(saved)
    assert read_manifest(saved.parent) == {}
    assert not saved.exists()


def test_no_temporary_file_is_left(saved):
    assert sorted(f.name for f in saved.parent.iterdir()) == ["SHA256SUMS", "a.safetensors"]
