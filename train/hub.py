"""Repository folders for the Hugging Face Hub: `python -m train bundle --hub FOLDER`.

Each holds one model of the folder of checkpoints: its tensors, what rebuilds it as config.json, and
its card, NAME.md, with the measured scores in its front matter. `from_pretrained` reads them back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from mckd.files.atomic import write_atomically
from mckd.files.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from mckd.files.hub import CARD, CONFIG
from mckd.files.manifest import put
from mckd.files.runs import MODEL
from mckd.tasks import about

# What git keeps outside its history; the Hub refuses other files that are no text.
ATTRIBUTES = "".join(
    f"*.{kind} filter=lfs diff=lfs merge=lfs -text\n"
    for kind in ("safetensors", "gz", "wav", "png", "webp")
)
PREFIX = "mckd-"
NO_CARD = """---
pipeline_tag: other
---

# Model card: {name}.safetensors

{label}. Trained on {data}. Nobody has described yet where it fails; do so before others use it.
"""


def write_repositories(checkpoints: Path, folder: Path, names: list[str]) -> list[Path]:
    """A folder `mckd-NAME` in `folder` for each of these checkpoints, of all where none is named.

    Raises:
        CheckpointError: a checkpoint that is not there, or cannot be read.
    """
    names = names or sorted(path.stem for path in checkpoints.glob("*.safetensors"))
    if not names:
        raise CheckpointError(f"There is no checkpoint in {checkpoints.name}.")
    return [
        _write(checkpoints / f"{name}.safetensors", folder / f"{PREFIX}{name}") for name in names
    ]


def _write(path: Path, into: Path) -> Path:
    checkpoint = load_checkpoint(path)
    header = without_names(checkpoint.header)
    card = path.with_suffix(".md")
    text = card.read_text(encoding="utf-8") if card.is_file() else _text(path.stem, header)
    digest = save_checkpoint(into / MODEL, checkpoint.tensors, header)
    for beside in path.parent.glob(f"{path.stem}.*.json"):  # says by its hash which model it is of
        data = beside.read_bytes().replace(checkpoint.sha256.encode(), digest.encode())
        target = into / f"{Path(MODEL).stem}{beside.name.removeprefix(path.stem)}"
        put(target, data)
    config = json.dumps({"model_type": "mckd", **header}, indent=2) + "\n"
    write_atomically(into / CONFIG, config.encode())
    write_atomically(into / CARD, card_of(into.name, text, header).encode())
    write_atomically(into / ".gitattributes", ATTRIBUTES.encode())
    return into


def without_names(header: Mapping[str, Any]) -> dict[str, Any]:
    """A header that may be published: how many cases of each part, not what they are called."""
    provenance = dict(header["provenance"])
    if cases := provenance.pop("cases", None):
        provenance["number of cases"] = {part: len(names) for part, names in cases.items()}
    return {**header, "provenance": provenance}


def card_of(name: str, text: str, header: Mapping[str, Any]) -> str:
    """A card with the front matter that the Hub reads: its own, the library, the scores."""
    card = ModelCard(text)
    front = card.data.to_dict()
    results = results_of(header, front.get("pipeline_tag", "other"))
    data = ModelCardData(
        **front,
        library_name="mckd-studio",
        metrics=sorted({result.metric_type for result in results}),
        model_name=name,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---\n{unlinked(card.text)}"


def unlinked(text: str) -> str:
    """Without links to other files of the project, which a repository does not hold."""
    return re.sub(r"(?<!!)\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


def results_of(header: Mapping[str, Any], task_type: str) -> list[EvalResult]:
    """Every score of unseen data that a checkpoint brings along: Dice of subsets and regions where
    cases were scored one by one, else what its own test part gave for all and for each alone."""
    provenance, unseen = header["provenance"], header.get("unseen")
    if unseen:
        cases = unseen["cases"] if isinstance(unseen["cases"], str) else f"{unseen['cases']} cases"
        scores = [
            (subset, region, dice)
            for subset, regions in unseen["dice"].items()
            for region, dice in regions.items()
        ]
    else:
        cases = f"test part of {provenance['data']}"
        tested = header["metrics"].get("test", {})
        scores = [(None, name, score) for name, score in tested.items() if "+" not in name]
    metric = provenance.get("scores") or about(header["task"]).metric
    return [
        EvalResult(
            task_type=task_type,
            dataset_type=f"{header['task']}-{'unseen' if unseen else 'test'}",
            dataset_name=cases,
            dataset_config=subset,
            metric_type=metric.split(" of ")[0].lower(),
            metric_name=name,
            metric_value=score,
        )
        for subset, name, score in scores
        if score is not None
    ]


def _text(name: str, header: Mapping[str, Any]) -> str:
    return NO_CARD.format(
        name=name, label=about(header["task"]).label, data=header["provenance"]["data"]
    )
