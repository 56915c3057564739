"""Find a brain tumour in whichever sequences there are.

    segmenter = TumourSegmenter.load("checkpoints/tumour.safetensors")
    encoded = segmenter.encode(case)                  # each sequence once, alone
    found = segmenter.decide(encoded, {"t1", "t2"})   # any subset of them

A sequence that is added later does not change the features of the others. A whole brain and
windows over it are one case: a network that sees the whole has a single window.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from mckd.cache import Cache
from mckd.files.checkpoint import CheckpointError, load_checkpoint
from mckd.files.hub import Pretrained
from mckd.method import MissingModalityNetwork, subsets
from mckd.precision import has_bfloat16, in_bfloat16
from mckd.systems import rebuild
from mckd.tumour.advice import Advice, advise
from mckd.tumour.calibration import Calibration, Interval
from mckd.tumour.data import Case, standardise
from mckd.tumour.designs import DESIGNS
from mckd.tumour.fingerprint import Known
from mckd.tumour.geometry import Bools
from mckd.tumour.metrics import volumes_ml
from mckd.tumour.naming import SEQUENCES
from mckd.tumour.network import TumourNetwork, depth_to_space
from mckd.tumour.nifti import Floats
from mckd.tumour.outline import Credible, outline
from mckd.tumour.parts import TumourParts
from mckd.tumour.signs import Signs, signs_of
from mckd.tumour.windows import Windows, sliding_windows

BUDGET_BYTES = 2**30

Scales = tuple[Tensor, ...]
Progress = Callable[[float], None]
Key = tuple[str, int]
"""Of features: the hash of a sequence and its voxels, the window."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A case that was encoded. The features themselves lie in the segmenter, within its budget.

    keys: {sequence: hash of what the encoder sees of it}, by which its features are found.
    windows: where the network looks. kept: False if the budget is too small for this case, which
    is then encoded anew by every decision.
    """

    case: Case
    keys: Mapping[str, str]
    windows: Windows
    kept: bool

    @property
    def present(self) -> frozenset[str]:
        """The sequences there are to choose from."""
        return self.case.present


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was found with the sequences `present`. Regions are in the order ET, TC, WT.

    case: it lies on this case's grids. cropped: (3, x, y, z) bool, canonical axes, the case's
    brain box only; each region within the next. The rest is computed when it is first used, then
    kept. calibration: of the checkpoint, None if it has none.
    """

    case: Case
    present: frozenset[str]
    cropped: Bools
    _probabilities: Callable[[], Tensor]
    calibration: Calibration | None = None

    @cached_property
    def regions(self) -> Bools:
        """(3, X, Y, Z) bool on the grid of the input files."""
        return self.case.to_input_grid(self.cropped)

    @cached_property
    def canonical(self) -> Bools:
        """(3, X, Y, Z) bool in canonical orientation, as the arrays of the case are."""
        return self.case.brain.uncrop(self.cropped, self.case.grid.canonical.shape)

    @cached_property
    def cropped_probabilities(self) -> Floats:
        """The voxels of `cropped`, float32 in 0..1, as the network gave them: before regions are
        nested and parts that are not credible are removed."""
        return self._probabilities().cpu().numpy()

    @cached_property
    def probabilities(self) -> Floats:
        """(3, X, Y, Z) float32 in 0..1 on the grid of the input files, 0 outside the brain box.

        Calibrated, where the checkpoint has a calibration: of voxels with .7, about 70 % are in the
        region. What is drawn comes of those of the network.
        """
        return self.case.to_input_grid(self.calibrated)

    @cached_property
    def calibrated(self) -> Floats:
        """`probabilities` of the voxels of `cropped`, 0 outside the brain."""
        if self.calibration is None:
            return self.cropped_probabilities
        p = self.calibration.probabilities(
            self.present, self.cropped_probabilities, self.case.synthetic
        )
        return p * self.brain

    @property
    def brain(self) -> Bools:
        """(x, y, z), the voxels of `cropped` where a sequence that was used is not 0."""
        used = [self.case.brain.crop(self.case.volumes[s]) != 0 for s in self.present]
        brain: Bools = np.logical_or.reduce(used)
        return brain

    @cached_property
    def signs(self) -> dict[str, Signs]:
        """{region: what the prediction itself says of how sure it is}."""
        return signs_of(self.cropped_probabilities, self.cropped, self.brain, self.case.voxel_ml)

    @cached_property
    def intervals_ml(self) -> dict[str, Interval]:
        """{"et": (low, high), "tc": ..., "wt": ...}: what the volumes are at 90 %, mL.

        Empty where the checkpoint has no calibration; see `mckd.tumour.calibration`.
        """
        if self.calibration is None:
            return {}
        return {
            region: self.calibration.interval(self.present, region, signs, self.case.synthetic)
            for region, signs in self.signs.items()
        }

    @cached_property
    def advice(self) -> list[Advice]:
        """What each other sequence would most likely add; see `TumourSegmenter.advise`."""
        if self.calibration is None:
            return []
        widths = {region: high - low for region, (low, high) in self.intervals_ml.items()}
        return advise(self.calibration.steps, self.present, self.signs, widths)

    @cached_property
    def volumes_ml(self) -> dict[str, float]:
        """{"et": mL, "tc": mL, "wt": mL}; one includes the one before."""
        return volumes_ml(self.cropped, self.case.grid)


class TumourSegmenter(Pretrained):
    """A trained network. `encode` and `decide` may be called from many threads at once.

    Features are kept for the cases that were last in use, `budget` bytes of them. What does not
    fit is computed again, to the same bits. With `bf16` the network computes in bfloat16 where the
    device has it, nearly twice as fast; outlines then agree with those of float32 to a Dice of .99
    or more (11 cases, 15 subsets each), and scores to the third decimal.
    """

    def __init__(
        self,
        network: MissingModalityNetwork,
        importance: dict[str, float] | None,
        about: dict[str, Any],
        *,
        budget: int = BUDGET_BYTES,
        device: torch.device | str = "cpu",
        bf16: bool = True,
        known: Known | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self._network = network.eval().to(device)
        self._device = torch.device(device)
        self._bf16 = bf16
        self._kept = Cache[Key, Scales](budget, _bytes)
        self._credible = Credible.of(about)
        self._known = known or Known({}, whole=False)
        self._current: Encoded | None = None
        self.about = about
        self.calibration = calibration
        self.importance = importance or {}

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        budget: int = BUDGET_BYTES,
        device: torch.device | str = "cpu",
        bf16: bool = True,
    ) -> TumourSegmenter:
        """Load a checkpoint that the manifest beside it confirms, and the calibration beside it.

        Its header may hold `et_min_ml` and `least_part`, see `mckd.tumour.outline.Credible`.

        Args:
            budget: bytes of features to keep; 0 keeps none.
            device: where the network runs.
            bf16: in bfloat16, where the device has it.

        Raises:
            CheckpointError: missing, damaged, or made for another network.
        """
        path = Path(path)
        checkpoint = load_checkpoint(path)
        header = checkpoint.header
        named = header.get("network"), tuple(header.get("modalities", ()))
        if named[0] not in DESIGNS or named[1] != SEQUENCES:
            raise CheckpointError(f"{path.name} does not hold a network that finds brain tumours.")
        network, weights = rebuild(checkpoint, TumourParts(DESIGNS[named[0]]))
        calibration = Calibration.beside(path, checkpoint.sha256)
        about = header | {"sha256": checkpoint.sha256}
        if calibration is not None:
            about["intervals"] = calibration.meaning
        known = Known.of(checkpoint)
        return cls(
            network, weights, about, budget=budget, device=device, bf16=bf16,
            known=known, calibration=calibration,
        )  # fmt: skip

    def saw(self, case: Case) -> str:
        """Where it saw a case before, by its voxels; see `mckd.tumour.fingerprint.SAID`."""
        return self._known.where(case)

    @property
    def dtype(self) -> torch.dtype:
        """Of the features: bfloat16 or float32."""
        return torch.bfloat16 if self._bf16 and has_bfloat16(self._device) else torch.float32

    @property
    def _trunk(self) -> TumourNetwork:
        return cast(TumourNetwork, self._network.trunk)

    def on(self, device: torch.device | str) -> TumourSegmenter:
        """A copy on another device. It keeps features of its own."""
        other = copy.deepcopy(self)
        other._network.to(device)
        other._device = torch.device(device)
        return other

    @torch.inference_mode()
    def encode(self, case: Case, progress: Progress | None = None) -> Encoded:
        """Encode every sequence of a case, each once and alone.

        A sequence whose features are still kept is not encoded again, in whatever case it was.

        Args:
            progress: called with the share that is done, 0..1, rising. What it raises ends the
                work; no feature of the case is kept then.
        """
        windows = sliding_windows(case.brain.shape, self._trunk.design)
        size = windows.feature_bytes(self._trunk.design, self.dtype) * len(case.volumes)
        kept = size <= self._kept.budget
        keys: dict[str, str] = {}
        try:
            self._encode(case, windows, keys, kept, progress)
        except BaseException:
            self._forget(keys)
            raise
        return Encoded(case, keys, windows, kept)

    def _encode(
        self,
        case: Case,
        windows: Windows,
        keys: dict[str, str],
        kept: bool,
        progress: Progress | None,
    ) -> None:
        """Compute the features of a case and fill `keys`; see `encode`."""
        for count, sequence in enumerate(case.volumes):
            volume = standardise(case.brain.crop(case.volumes[sequence]))
            keys[sequence] = _hash(sequence, volume)
            for index in range(len(windows.boxes) if kept else 0):
                self._features(
                    sequence, keys[sequence], windows, index, partial(self._tensor, volume)
                )
                if progress:
                    done = count + (index + 1) / len(windows.boxes)
                    progress(done / len(case.volumes))
        if progress and not kept:
            progress(1.0)

    def decide(
        self, encoded: Encoded, present: Iterable[str], progress: Progress | None = None
    ) -> Prediction:
        """Segment with the sequences `present`; missing features are filled by Eq. 2.

        The data of the other sequences is not read. `mckd.tumour.outline` says what is drawn.

        Args:
            progress: called with the share of the windows that is done, 0..1, rising. What it
                raises ends the work.

        Raises:
            ValueError: no sequence, or one that the case does not have.
        """
        (found,) = self._decide(encoded, [_checked(present, encoded.case)], progress)
        return found

    def decide_each(
        self, encoded: Encoded, wanted: Iterable[Iterable[str]], at_once: int | None = None
    ) -> Iterator[Prediction]:
        """Segment with each of these subsets, in their order, as `decide` does.

        Args:
            at_once: how many are decoded in one batch. If it is not given that is all of them,
                but one on a CPU, which a batch makes no faster.

        Raises:
            ValueError: a subset that `decide` would not take; none is segmented then.
        """
        names = [_checked(present, encoded.case) for present in wanted]
        count = at_once or (1 if self._device.type == "cpu" else len(names))
        batches = (names[start : start + count] for start in range(0, len(names), count))
        return chain.from_iterable(self._decide(encoded, batch) for batch in batches)

    @torch.inference_mode()
    def _decide(
        self,
        encoded: Encoded,
        wanted: Sequence[frozenset[str]],
        progress: Progress | None = None,
    ) -> list[Prediction]:
        """Segment with each subset that is wanted, decoded in one batch."""
        case, windows = encoded.case, encoded.windows
        used = [m for m, s in enumerate(SEQUENCES) if any(s in names for names in wanted)]

        @cache
        def volume(sequence: str) -> Tensor:
            return self._tensor(standardise(case.brain.crop(case.volumes[sequence])))

        def features(m: int, index: int) -> Scales:
            s = SEQUENCES[m]
            computed = partial(volume, s)
            return self._features(s, encoded.keys[s], windows, index, computed, encoded.kept)

        patches: list[list[Tensor]] = [[] for _ in wanted]
        with in_bfloat16(self._device, self._bf16):
            for index in range(len(windows.boxes)):
                known = {m: features(m, index) for m in used}
                given = (
                    {m: f for m, f in known.items() if SEQUENCES[m] in names} for names in wanted
                )
                decoded = self._trunk.decode_patches(*map(self._network.of_subset, given))
                for mine, part in zip(patches, decoded.split(1), strict=True):
                    mine.append(part)
                if progress:
                    progress((index + 1) / len(windows.boxes))
        drawn = zip(wanted, patches, strict=True)
        return [self._draw(case, names, windows, mine) for names, mine in drawn]

    def _draw(
        self, case: Case, names: frozenset[str], windows: Windows, patches: list[Tensor]
    ) -> Prediction:
        """What is drawn of the logits in patches, one (1, ...) per window."""
        size = self._trunk.design.patch

        @cache
        def probabilities() -> Tensor:
            return windows.join([depth_to_space(p, size).float().sigmoid() for p in patches])[0]

        drawn = draw(patches, probabilities, windows, size, self._credible, case.voxel_ml)
        if len(patches) > 1:
            patches.clear()  # joined by now; of a whole head they take several times its memory
        cropped = np.ascontiguousarray(drawn.numpy())
        return Prediction(case, names, cropped, probabilities, self.calibration)

    def forget(self, encoded: Encoded) -> None:
        """Let go of a case's features; whoever decides on it again computes them again."""
        self._forget(encoded.keys)

    def _forget(self, keys: Mapping[str, str]) -> None:
        for key in {*keys.values()}:
            self._kept.forget(key)

    def set_case(self, case: Case, progress: Progress | None = None) -> None:
        """Encode a case for `predict` and `sweep`. For one user; servers use `encode`, `decide`."""
        self._current = self.encode(case, progress)

    def predict(self, present: Iterable[str]) -> Prediction:
        """`decide` for the case that was set.

        Raises:
            ValueError: no case was set, no sequence, or one that the case does not have.
        """
        return self.decide(self._of_current(), present)

    def advise(self, present: Iterable[str]) -> list[Advice]:
        """Which sequence next, given these of the case that was set: best first.

        Each entry has `.sequence`, and per region `.dice_gain` and `.narrowing_ml`, as expected
        from the calibration cases. Empty where none is worth it, and without a calibration.

        Raises:
            ValueError: as of `predict`.
        """
        return self.predict(present).advice

    def sweep(self) -> Iterator[tuple[frozenset[str], Prediction]]:
        """Every subset of the sequences of the case that was set, in the order of the paper.

        Raises:
            ValueError: no case was set.
        """
        encoded = self._of_current()
        wanted = subsets([s for s in SEQUENCES if s in encoded.present])
        yield from zip(wanted, self.decide_each(encoded, wanted), strict=True)

    def _of_current(self) -> Encoded:
        if self._current is None:
            raise ValueError("There is no case to segment yet. Call set_case(case) first.")
        return self._current

    def _features(
        self,
        sequence: str,
        key: str,
        windows: Windows,
        index: int,
        volume: Callable[[], Tensor],
        keep: bool = True,
    ) -> Scales:
        """Of one sequence in one window, (1, C, ...): kept, or computed from its volume."""
        features = self._kept.get((key, index), holder=key)
        if features is None:
            part = windows.cut(volume(), index)
            with in_bfloat16(self._device, self._bf16):
                features = self._network.encode_one(part, SEQUENCES.index(sequence))
            if keep:
                self._kept.put((key, index), key, features)
        return features

    def _tensor(self, volume: Floats) -> Tensor:
        return torch.from_numpy(volume)[None, None].to(self._device)


def draw(
    patches: Sequence[Tensor],
    probabilities: Callable[[], Tensor],
    windows: Windows,
    size: int,
    credible: Credible,
    voxel_ml: float,
) -> Tensor:
    """What `mckd.tumour.outline` draws of a volume that was seen in windows, (3, x, y, z) bool.

    Args:
        patches: a window's logits in patches each, (1, 3 size^3, ...), as `decode_patches` gives
            them.
        probabilities: the probabilities of the volume, (3, x, y, z), for several windows.
        size: voxels of a patch along an axis.
    """
    if len(patches) > 1:
        return outline(probabilities().logit().cpu(), 1, credible, voxel_ml)
    drawn = outline(patches[0][0].cpu(), size, credible, voxel_ml, windows.padding)
    return drawn[(..., *windows.inner.slices)]


def _bytes(features: Scales) -> int:
    return sum(f.numel() * f.element_size() for f in features)


def _hash(sequence: str, volume: Floats) -> str:
    """Of all that the encoder gets: the sequence, the shape and the voxels."""
    head = repr((sequence, volume.shape)).encode()
    return hashlib.sha256(head + b"|" + volume.tobytes()).hexdigest()


def _checked(present: Iterable[str], case: Case) -> frozenset[str]:
    names = frozenset(present)
    if not names:
        raise ValueError("Choose at least one sequence: there is nothing to segment from.")
    missing = [
        s for s in (*SEQUENCES, *sorted(names - set(SEQUENCES))) if s in names - case.present
    ]
    if missing:
        here = ", ".join(case.volumes)
        raise ValueError(f"{case.name} has no sequence {missing[0]!r}. It has {here}.")
    return names
