"""Small folders of tables with awkward contents."""

from pathlib import Path

import numpy as np


def write(folder: Path, **files: str) -> Path:
    """A folder of text files: `labels="id,y\\n..."` becomes labels.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def lines(header, rows) -> str:
    return "\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n"


def hospital(folder: Path, count: int = 90, seed: int = 0, regression: bool = False) -> Path:
    """Three modalities as a researcher has them; `y` depends on numbers and a category.

    clinical: numbers, a category, a missing value here and there; blood: numbers, a fifth of its
    rows missing; scan: 5 numbers. Ids are words and come in another order in each file.
    """
    rng = np.random.default_rng(seed)
    hidden = rng.integers(0, 3, count)
    ids = [f"case {k:03}" for k in range(count)]
    score = hidden + rng.normal(0, 0.3, count)
    labels = [f"{s:.3f}" for s in score] if regression else np.array(["low", "mid", "high"])[hidden]
    sex = np.where(rng.random(count) < 0.5, "f", "M")
    age = [
        ("" if rng.random() < 0.1 else f"{a:.1f}")
        for a in 50 + 10 * hidden + rng.normal(0, 5, count)
    ]
    stage = np.array(["I", "II", "III"])[np.where(rng.random(count) < 0.1, 0, hidden)]
    clinical = lines(["id", "age", "sex", "stage"], zip(ids, age, sex, stage, strict=True))
    blood = [
        [i, f"{1e4 * h + rng.normal(0, 2e3):.1f}", f"{rng.normal():.3f}"]
        for i, h in zip(ids, hidden, strict=True)
        if rng.random() < 0.8
    ]
    scan = [[i, *np.round(rng.normal(h, 1, 5), 3)] for i, h in zip(ids, hidden, strict=True)]
    return write(
        folder,
        labels=lines(["id", "y"], zip(ids, labels, strict=True)),
        clinical=clinical,
        blood=lines(["id", "crp", "noise"], rng.permutation(np.array(blood, object)).tolist()),
        scan=lines(["id", *"abcde"], scan[::-1]),
    )
