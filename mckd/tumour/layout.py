"""Which of many files make one case, and what each is: by their relative paths; no file is opened.

    P1/week-000/x_flair.nii.gz ...          a folder for each case
    P1/FLAIR/image.nii.gz ...               a folder for each sequence: the case is the one above
    P1/FLAIR/visit1/image.nii.gz ...        the same for each visit
    P1_flair.nii.gz P2_flair.nii.gz ...     cases side by side
    sub-01/anat/sub-01_T1w.nii.gz ...       BIDS: only `anat` is used
    imagesTr/BRATS_001 labelsTr/BRATS_001   MSD: 4-D
    imagesTr/P1_0000 ... labelsTr/P1        nnU-Net: a file for each channel, in an order to be told

Every path ends as a file of a case, as one that a case asks about, or as left out with a reason.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from glob import escape
from pathlib import PurePosixPath

from mckd.files.names import plain_name, visible
from mckd.tumour.naming import (
    ASK,
    IMAGE_FOLDERS,
    LABEL_FOLDERS,
    NONE,
    SEG,
    SEQUENCES,
    STACK,
    CaseError,
    Verdict,
    matched,
    stem_of,
    verdicts,
)
from mckd.tumour.vocabulary import SEQUENCE_KINDS, Kind
from mckd.tumour.words import is_of_data_set, words_of

MSD_ORDER = ("flair", "t1", "t1c", "t2")
BIDS_KINDS = frozenset({"anat", "dwi", "func", "fmap", "perf", "pet", "meg", "eeg", "ieeg", "mrs"})
BIDS_BESIDE = frozenset({"derivatives", "sourcedata"})
FLAG_MAP, FLAG_ORDER = "--map", "--order"

_CHANNEL = re.compile(r"(.+)_(\d{4})")
_MOST_CHANNELS = 10
_ENTITIES = re.compile(r"(?:^|_)((?:sub|ses)-[A-Za-z0-9]+)")
_SERIES = re.compile(r"(?:s|se|ser|series|im|img|i|e|acq|run|scan)\d*[a-z]?")
_NAMING = SEQUENCE_KINDS | {Kind.T1_LIKE, Kind.SEG}
_TELLING = _NAMING | {Kind.AGENT, Kind.OTHER, Kind.MASK}


@dataclass(frozen=True)
class Rules:
    """What somebody said about the files.

    maps: (pattern, slot or NONE) for names or relative paths; the first that fits counts.
    order: what numbered files, and the volumes of 4-D files, hold.
    """

    maps: tuple[tuple[str, str], ...] = ()
    order: tuple[str, ...] = ()

    def slot(self, path: str) -> str | None:
        name = PurePosixPath(path).name
        for pattern, slot in self.maps:
            if fnmatchcase(path, pattern) or fnmatchcase(name, pattern):
                return slot
        return None

    def unused(self, names: Iterable[str]) -> str:
        """The sentence on a pattern that fits no name or path: a slip of the pen, not to be passed
        over; "" if all do."""
        names = [*names]
        for pattern, slot in self.maps:
            if not any(Rules(((pattern, slot),)).slot(name) for name in names):
                return f"{FLAG_MAP} {pattern}={slot} fits none of the files or series."
        return ""


@dataclass(frozen=True)
class Group:
    """The files of one case.

    name: relative path that tells it from all others; "" for the folder itself.
    slots: {path: slot}. asks: {path: verdict} of those that are unclear. spare: of those that are
        too, but need not be asked about; they are left out.
    question: what must be answered before it can be read, one sentence; "" if nothing.
    flags: of the shell, that answer it. order: of the volumes of a 4-D file.
    """

    name: str
    slots: Mapping[str, str]
    asks: Mapping[str, Verdict] = field(default_factory=dict)
    spare: Mapping[str, Verdict] = field(default_factory=dict)
    question: str = ""
    flags: tuple[str, ...] = ()
    order: tuple[str, ...] = MSD_ORDER

    @property
    def has_image(self) -> bool:
        return any(slot != SEG for slot in self.slots.values())


@dataclass(frozen=True)
class Layout:
    """Cases in the order of their names; left: {path: why} of all files that no case uses."""

    cases: tuple[Group, ...]
    left: Mapping[str, str]


def layout_of(
    paths: Iterable[str],
    rules: Rules | None = None,
    channels: Mapping[str, Sequence[str]] | None = None,
    folder: str = "",
) -> Layout:
    """Sort relative paths of NIfTI files, with `/` between folders.

    Args:
        rules: what somebody said about them.
        channels: {folder: what its numbered files hold}, as a dataset.json says.
        folder: the name of the folder that the paths lead from.
    """
    rules = rules or Rules()
    left: dict[str, str] = {}
    homes: dict[str, list[str]] = defaultdict(list)
    listed = sorted(set(paths))
    of_sequence = _folders_of_sequences(listed)
    for path in listed:
        said = rules.slot(path)
        why = "" if said not in (None, NONE) else _no_anatomy(path, listed)
        if said == NONE or why:
            left[path] = why or "left out as asked for"
        else:
            homes[_home(path, of_sequence)].append(path)
    cases: list[Group] = []
    for home, held in homes.items():
        name = PurePosixPath(home).name or folder
        if name in (*IMAGE_FOLDERS, *LABEL_FOLDERS):
            found = _of_data_set(home, name, held, rules, channels or {})
        else:
            found = _of_folder(home, name, held, rules, channels or {}, of_sequence, left)
        cases += found
    _join_labels(cases, homes, left)
    return Layout(tuple(sorted(cases, key=lambda case: _natural(case.name))), left)


# ---- where a case lies


def _folder_of(path: str) -> PurePosixPath:
    return PurePosixPath(path).parent


def _folders_of_sequences(paths: Sequence[str]) -> dict[str, str]:
    """{folder: that of its sequence}, where it is named after one and holds nothing of another.

    That is the folder itself or, where other sequences have folders of the same names within
    theirs, one above: P1/FLAIR/visit1 and P1/T1/visit1. Beside folders of sequences there may be
    some of other images: P1/ADC.
    """
    held: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        held[str(_folder_of(path))].append(PurePosixPath(path).name)
    within: dict[tuple[PurePosixPath, str], dict[str, str]] = defaultdict(dict)
    for name, inside in held.items():
        folder = PurePosixPath(name)
        for above in (folder, *folder.parents):
            if _is_named_after(above.name, inside):
                place = above.parent, str(folder.relative_to(above))
                within[place][name] = str(above)
                break
    found: dict[str, str] = {}
    for (_, rest), folders in within.items():
        of_sequences = [f for f in folders if _kinds_of(folders[f]) & _NAMING]
        if of_sequences and (rest == "." or len(of_sequences) > 1):
            found |= folders
    return found


def _kinds_of(folder: str) -> set[Kind]:
    return {word.kind for word in words_of(PurePosixPath(folder).name)}


def _is_named_after(name: str, inside: Sequence[str]) -> bool:
    """Whether a folder of this name tells what the files in it are, which say nothing else."""
    words = words_of(name)
    kinds = {word.kind for word in words}
    whose = any(word.kind is Kind.WHO and not word.text.isdigit() for word in words)
    of_a_case = whose or (Kind.TUMOUR in kinds and Kind.SEG not in kinds)
    if name in (*IMAGE_FOLDERS, *LABEL_FOLDERS) or of_a_case or not kinds & {*_NAMING, Kind.OTHER}:
        return False
    own = verdicts(inside).values()
    answers = {verdict.answer for verdict in own}
    if all(verdict.answer == ASK and not verdict.may_be for verdict in own):
        return True
    one = len(answers & {*SEQUENCES, SEG}) <= 1 and STACK not in answers
    return one and Kind.UNKNOWN not in kinds and bool(kinds & _NAMING)


def _is_bids_kind(folder: PurePosixPath, path: str) -> bool:
    whose = (folder.parent.name, PurePosixPath(path).name)
    return folder.name in BIDS_KINDS and any(n.startswith(("sub-", "ses-")) for n in whose)


def _no_anatomy(path: str, paths: Sequence[str]) -> str:
    """Why a file of a BIDS tree is none to segment; "" for every other file."""
    folder = _folder_of(path)
    if _is_bids_kind(folder, path) and folder.name != "anat":
        return f"lies in {folder.name} of a BIDS tree; only anat is used"
    beside = BIDS_BESIDE.intersection(folder.parts)
    if beside and any(not BIDS_BESIDE.intersection(_folder_of(other).parts) for other in paths):
        return f"lies in {min(beside)} of a BIDS tree; only anat is used"
    return ""


def _home(path: str, of_sequence: Mapping[str, str]) -> str:
    """The folder of the case that a file belongs to; "" for the folder that was given."""
    folder = _folder_of(path)
    if str(folder) in of_sequence:
        sequence = PurePosixPath(of_sequence[str(folder)])
        folder = sequence.parent / folder.relative_to(sequence)
    elif _is_bids_kind(folder, path):
        folder = folder.parent
    return "" if folder == PurePosixPath() else str(folder)


# ---- what its files are


def _of_folder(
    home: str,
    name: str,
    paths: Sequence[str],
    rules: Rules,
    channels: Mapping[str, Sequence[str]],
    of_sequence: Mapping[str, str],
    left: dict[str, str],
) -> list[Group]:
    """The case of a folder, or the cases that lie side by side in it."""
    numbered = _numbered([p for p in paths if rules.slot(p) is None])
    alike = [path for path in paths if not any(path in held for held in numbered.values())]
    cases = []
    for base, held in numbered.items():
        alone = len(numbered) == 1 and not alike
        called = home if alone else _under(home, base)
        cases.append(_of_channels(called, held, rules, channels.get(home, ())))
    shown = {path: _shown(path, of_sequence) for path in alike}
    for key, held in _apart(shown, rules).items():
        called = _under(home, _label(held, shown, key)) if key else home
        cases += _judged(called, {p: shown[p] for p in held}, rules, " ".join(key) or name, left)
    return cases


def _shown(path: str, of_sequence: Mapping[str, str]) -> str:
    """The name to be judged: of a file in the folder of a sequence with that behind it."""
    name, folder = PurePosixPath(path).name, _folder_of(path)
    if str(folder) not in of_sequence:
        return name
    stem = stem_of(name) or name
    told = folder.relative_to(PurePosixPath(of_sequence[str(folder)]).parent)
    return f"{stem}_{'_'.join(told.parts)}{name[len(stem) :]}"


def _judged(
    name: str, shown: Mapping[str, str], rules: Rules, folder: str, left: dict[str, str]
) -> list[Group]:
    """One case of the files; none if nothing is left of them."""
    found = verdicts(shown.values(), folder)
    slots: dict[str, str] = {}
    asks: dict[str, Verdict] = {}
    for path, judged in shown.items():
        verdict = found[judged]
        said = rules.slot(path)
        if said is not None:
            slots[path] = said
        elif verdict.answer == ASK:
            asks[path] = verdict
        elif verdict.answer == NONE:
            left[path] = verdict.why
        else:
            slots[path] = verdict.answer
    taken = set(slots.values())
    # What can only be labels, or a sequence that is there, or tells nothing of any sequence beside
    # one that is there, need not hold the case up.
    spare = {
        path: verdict
        for path, verdict in asks.items()
        if (verdict.may_be and verdict.may_be <= taken | {SEG})
        or (not verdict.may_be and taken - {SEG})
    }
    left |= {path: f"its name leaves open {verdict.why}" for path, verdict in spare.items()}
    asks = {path: verdict for path, verdict in asks.items() if path not in spare}
    if not taken - {SEG} and not asks:
        left |= dict.fromkeys(slots, "labels without an image")
        return []
    return [_questioned(Group(name, slots, asks, spare, order=rules.order or MSD_ORDER))]


def _questioned(group: Group) -> Group:
    """With what has to be asked about it, if anything."""
    try:
        matched(dict(group.slots))
    except CaseError as error:
        twice = [p for p, s in group.slots.items() if [*group.slots.values()].count(s) > 1]
        flags = [_map(path, NONE) for path in twice[:1]]
        return replace(group, question=str(error), flags=tuple(flags))
    if not group.asks:
        return group
    names = ", ".join(plain_name(path) for path in group.asks)
    verdict = next(iter(group.asks.values()))
    question = f"What {names} {'is' if len(group.asks) == 1 else 'are'} has to be said: "
    question += f"the name leaves open {verdict.why}."
    flags = [flag_for(path, verdict) for path, verdict in group.asks.items()]
    return replace(group, question=question, flags=tuple(flags))


def flag_for(path: str, verdict: Verdict) -> str:
    """The flag that says what an unclear file is, with what else it may say."""
    slots = [slot for slot in (*SEQUENCES, SEG) if slot in verdict.may_be] or [*SEQUENCES]
    return f"{_map(path, slots[0])} (or {', '.join([*slots[1:], NONE])})"


def _map(path: str, slot: str) -> str:
    """The flag for one file, its name as a pattern that fits it, also where it is not readable."""
    path = visible(escape(path))
    return f"{FLAG_MAP} {shlex.quote(f'{path}={slot}')}"


# ---- cases side by side


def _apart(shown: Mapping[str, str], rules: Rules) -> dict[tuple[str, ...], list[str]]:
    """{what tells a case from the others: its paths}; the key is () where all are one case."""
    everything: dict[tuple[str, ...], list[str]] = {(): [*shown]} if shown else {}
    rough = verdicts(shown.values())
    slots = {p: rules.slot(p) or _roughly(rough[name]) for p, name in shown.items()}
    said = [slot for slot in slots.values() if slot]
    subjects = {path: _subject(name) for path, name in shown.items()}
    if all(subjects.values()) and len(set(subjects.values())) > 1:
        parts = {}
        for subject, held in _by(subjects).items():
            for key, some in _apart({path: shown[path] for path in held}, rules).items():
                parts[key or subject] = some
        return parts
    if len(said) == len(set(said)):
        return everything
    for told in (_leading, _anywhere):
        keys = {path: told(name) for path, name in shown.items() if slots[path]}
        parts = _by(keys)
        shared = set.intersection(*map(set, parts)) if parts else set()
        if len(parts) > 1 and all(
            key and _may_be_apart(key, shared, [slots[path] for path in held])
            for key, held in parts.items()
        ):
            for path in shown.keys() - keys.keys():
                words = set(_anywhere(shown[path]))
                mine = next((key for key in parts if set(key) <= words), min(parts))
                parts[mine].append(path)
            return parts
    return everything


def _roughly(verdict: Verdict) -> str:
    """The slot that a file is about; T1 for every T1 that is asked about."""
    if verdict.answer not in (ASK, NONE):
        return verdict.answer
    return min(verdict.may_be, default="")


def _may_be_apart(key: Sequence[str], shared: Collection[str], said: Sequence[str]) -> bool:
    """Whether files of these slots are a case of their own, told from others by the words `key`.

    No sequence twice; and more than one sequence, unless what the keys do not share is surely no
    word that says what a T1 is, and no number of a series.
    """
    if len(said) > len(set(said)):
        return False
    own = [text for text in key if text not in shared and not text.isdigit()]
    kinds = {word.kind for text in own for word in words_of(text)}
    certain = Kind.UNKNOWN not in kinds and (Kind.WHO in kinds or is_of_data_set(key[0]))
    harmless = Kind.UNKNOWN in kinds and not {"t1", "t1c"}.intersection(said)
    return len(set(said) - {SEG}) > 1 or certain or harmless


def _subject(name: str) -> tuple[str, ...]:
    """What names a person or a case for certain: sub-01, patient7, BraTS2021_00000."""
    entities = tuple(_ENTITIES.findall(stem_of(name) or name))
    if entities:
        return entities
    key = _leading(name)
    if not key or len(key[0]) < 2 or _SERIES.fullmatch(key[0]):
        return ()
    words = words_of("_".join(key))
    end = next((i for i, text in enumerate(key, 1) if re.search(r"\d", text)), len(key))
    unknown = any(word.kind is Kind.UNKNOWN for word in words[:end])
    return key[:end] if words[0].kind is Kind.WHO and not unknown else ()


def _leading(name: str) -> tuple[str, ...]:
    """The words before the first that tells of an image, but for those on how it was taken."""
    words = words_of(stem_of(name) or name)
    end = next((i for i, word in enumerate(words) if word.kind in _TELLING), len(words))
    return tuple(w.text for w in words[:end] if w.kind in (Kind.WHO, Kind.NUMBER, Kind.UNKNOWN))


def _anywhere(name: str) -> tuple[str, ...]:
    words = words_of(stem_of(name) or name)
    return tuple(w.text for w in words if w.kind in (Kind.WHO, Kind.NUMBER, Kind.UNKNOWN))


def _by(keys: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, ...], list[str]]:
    parts: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, key in keys.items():
        parts[key].append(path)
    return dict(parts)


def _label(paths: Sequence[str], shown: Mapping[str, str], key: Sequence[str]) -> str:
    """A name for a case among others: what its files' names begin with, as it is written."""
    stem = stem_of(shown[paths[0]]) or ""
    begun = re.search(".*?".join(map(re.escape, key)), stem, re.IGNORECASE)
    if not begun:
        return "_".join(key)
    before = {word.kind for word in words_of(stem[: begun.start()])}
    return begun[0] if before & _TELLING else stem[: begun.end()]


# ---- numbered files, and the folders of data sets


def _numbered(paths: Sequence[str]) -> dict[str, list[str]]:
    """{what stands before the number: paths} of files that are told apart by _0000, _0001, ..."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        match = _CHANNEL.fullmatch(stem_of(path) or "")
        if match and int(match[2]) < _MOST_CHANNELS:
            kinds = {word.kind for word in words_of(match[1])}
            if not kinds & _TELLING:
                found[match[1]].append(path)
    return {base: held for base, held in found.items() if _channel(held[0]) == 0}


def _channel(path: str) -> int:
    match = _CHANNEL.fullmatch(stem_of(path) or "")
    return int(match[2]) if match else -1


def _of_channels(name: str, paths: Sequence[str], rules: Rules, said: Sequence[str]) -> Group:
    """A case of numbered files; a question if nobody says what the numbers mean."""
    order = rules.order or tuple(said)
    places = {path: _channel(path) for path in paths}
    if any(place >= len(order) for place in places.values()):
        first, last = (plain_name(path) for path in (paths[0], paths[-1]))
        question = (
            f"What the numbered files {first} to {last} hold has to be said, in their order."
            if len(paths) > 1
            else f"What the numbered file {first} holds has to be said."
        )
        asks = {path: Verdict(ASK, why="what its number means") for path in paths}
        return Group(
            name, {}, asks, {}, question, (f"{FLAG_ORDER} flair,t1,t1c,t2 (in your order)",)
        )
    slots = {path: order[place] for path, place in places.items() if order[place] != NONE}
    return _questioned(Group(name, slots))


def _of_data_set(
    home: str,
    name: str,
    paths: Sequence[str],
    rules: Rules,
    channels: Mapping[str, Sequence[str]],
) -> list[Group]:
    """The cases of an images folder of MSD or nnU-Net; labels are joined to them afterwards."""
    if name in LABEL_FOLDERS:
        return []
    numbered = _numbered(paths)
    said = channels.get(home, ())
    cases = [_of_channels(_under(home, b), held, rules, said) for b, held in numbered.items()]
    single = [path for path in paths if not any(path in held for held in numbered.values())]
    for path in single:
        slot = rules.slot(path) or STACK
        order = rules.order or (tuple(said) if len(said) == len(MSD_ORDER) else MSD_ORDER)
        cases.append(Group(_under(home, stem_of(path) or path), {path: slot}, order=order))
    return cases


def _join_labels(
    cases: list[Group], homes: Mapping[str, Sequence[str]], left: dict[str, str]
) -> None:
    """Give each case of an images folder the labels of its name; others are left out."""
    places = {case.name: place for place, case in enumerate(cases)}
    for home, paths in homes.items():
        folder = PurePosixPath(home)
        if folder.name not in LABEL_FOLDERS:
            continue
        images = str(folder.with_name(folder.name.replace("labels", "images")))
        for path in paths:
            place = places.get(_under(images, stem_of(path) or path))
            if place is None:
                left[path] = "labels without an image of the same name"
            else:
                case = cases[place]
                cases[place] = replace(case, slots={**case.slots, path: SEG})


def _under(home: str, name: str) -> str:
    return f"{home}/{name}" if home else name


def _natural(name: str) -> list[tuple[int, int, str]]:
    """For sorting: 2 before 10."""
    return [(0, int(w), "") if w.isdecimal() else (1, 0, w) for w in re.split(r"(\d+)", name)]
