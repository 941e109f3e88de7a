"""Cutting a corpus into train, dev and test so that nobody is in two of them.

Videos that share a speaker belong together, and so do the speakers of one video: what may be
parted are the connected components of that graph. Each goes as a whole to the split that lacks
its labels most (after Sechidis et al. 2011, iterative stratification), the largest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.datasets.files import Split
from affect_pipe.pipeline.errors import UsageError

SHARES: dict[Split, float] = {"train": 0.7, "dev": 0.15, "test": 0.15}
# A component this much larger than its split's share deserves a word.
_MUCH_LARGER = 1.5


@dataclass(frozen=True)
class SplitItem:
    """One video as the splitting sees it.

    Attributes
    ----------
    speakers : frozenset of str
        Who speaks in it; empty where nobody is named.
    labels : mapping of str to float
        How many utterances carry each label; ``weight`` is their number.
    given : split, optional
        Where its corpus has put it.
    """

    video: str
    speakers: frozenset[str] = frozenset()
    labels: Mapping[str, float] = field(default_factory=dict)
    weight: float = 1.0
    given: Split | None = None


@dataclass(frozen=True)
class Assignment:
    """Which split each video belongs to, by what it was decided, and what to know about it."""

    by_video: Mapping[str, Split]
    by: Literal["speaker", "video", "given"]
    warnings: tuple[str, ...] = ()


def assign_splits(
    items: Sequence[SplitItem],
    seed: int,
    shares: Mapping[Split, float] | None = None,
    by: Literal["speaker", "video"] | None = None,
) -> Assignment:
    """Decide the split of each video.

    Parameters
    ----------
    items : sequence of SplitItem
        Splits that are given are kept, where all videos have one and there are at least two.
    seed : int
        Decides between equals alone; the order of ``items`` does not matter.
    shares : mapping of split to float
        What share of the utterances each split should get; 70, 15 and 15 % by default.
    by : {"speaker", "video"}, optional
        What must not be in two splits. By default speakers where every video names one.

    Raises
    ------
    UsageError
        If there are fewer groups than splits, only some videos have a given split, or speakers
        are asked for and not named.
    """
    given = {item.video: item.given for item in items if item.given is not None}
    if given:
        return _given(items, given)
    shares = dict(SHARES if shares is None else shares)
    if not shares or min(shares.values()) <= 0:
        raise UsageError(f"splits need positive shares, got {shares}; leave out empty ones.")
    nameless = [item.video for item in items if not item.speakers]
    if by == "speaker" and nameless:
        raise UsageError(
            f"a split by speaker needs the speakers of every video, {nameless[0]!r} names none: "
            "fill in the column speaker or split by video."
        )
    if by is None:
        by = "video" if nameless else "speaker"
    groups = components(items) if by == "speaker" else [[item] for item in _sorted(items)]
    if len(groups) < len(shares):
        shared = " that share no speaker" if by == "speaker" else ""
        otherwise = (
            " or split by video, which lets a speaker be in two splits" if by == "speaker" else ""
        )
        raise UsageError(
            f"{len(items)} videos make {len(groups)} groups{shared}, too few for the splits "
            f"{', '.join(shares)}: give more videos, give a column split{otherwise}."
        )
    by_video, warnings = _stratified(groups, shares, np.random.default_rng(seed))
    if by == "video":
        warnings += _speakers_in_two(items, by_video)
    return Assignment(by_video, by, tuple(warnings))


def components(items: Sequence[SplitItem]) -> list[list[SplitItem]]:
    """Group videos that are connected by speakers, in a fixed order."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for item in items:
        for speaker in item.speakers:
            root[find(f"speaker {speaker}")] = find(f"video {item.video}")
    groups: dict[str, list[SplitItem]] = {}
    for item in _sorted(items):
        groups.setdefault(find(f"video {item.video}"), []).append(item)
    return sorted(groups.values(), key=lambda group: group[0].video)


def hold_out(
    dialogues: Sequence[Dialogue], share: float, rng: np.random.Generator
) -> tuple[tuple[Dialogue, ...], tuple[Dialogue, ...]]:
    """Hold out a random share of whole dialogues, at least one.

    Returns
    -------
    tuple of (kept, held out)
        Each in the given order.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1 or nothing would be kept.
    """
    n_out = max(1, round(share * len(dialogues)))
    if not 0 < share < 1 or n_out >= len(dialogues):
        raise ValueError(f"cannot hold out {share:g} of {len(dialogues)} dialogues")
    out = set(rng.permutation(len(dialogues))[:n_out].tolist())
    return (
        tuple(d for index, d in enumerate(dialogues) if index not in out),
        tuple(d for index, d in enumerate(dialogues) if index in out),
    )


def _sorted(items: Sequence[SplitItem]) -> list[SplitItem]:
    return sorted(items, key=lambda item: item.video)


def _given(items: Sequence[SplitItem], given: Mapping[str, Split]) -> Assignment:
    without = [item.video for item in items if item.given is None]
    if without:
        raise UsageError(
            f"{len(given)} videos have a split and {len(without)} have none, {without[0]!r} among "
            "them: give every video one or leave the column out."
        )
    if "train" not in given.values():
        raise UsageError(
            f"all videos are {', '.join(sorted(set(given.values())))}: give some train."
        )
    return Assignment(given, "given", tuple(_speakers_in_two(items, given)))


def _speakers_in_two(items: Sequence[SplitItem], by_video: Mapping[str, Split]) -> list[str]:
    places: dict[str, set[Split]] = {}
    for item in items:
        for speaker in item.speakers:
            places.setdefault(speaker, set()).add(by_video[item.video])
    shared = sorted(speaker for speaker, splits in places.items() if len(splits) > 1)
    if not shared:
        return []
    few = ", ".join(shared[:3]) + ("..." if len(shared) > 3 else "")
    return [f"{len(shared)} speakers are in two splits ({few}): results flatter new speakers"]


def _stratified(
    groups: Sequence[Sequence[SplitItem]], shares: Mapping[Split, float], rng: np.random.Generator
) -> tuple[dict[str, Split], list[str]]:
    names = sorted({label for group in groups for item in group for label in item.labels})
    # One row a group: its utterances, then how many of them carry each label.
    rows = np.array(
        [
            [
                sum(item.weight for item in group),
                *(sum(item.labels.get(name, 0.0) for item in group) for name in names),
            ]
            for group in groups
        ]
    )
    total = np.maximum(rows.sum(axis=0), 1e-9)
    splits = list(shares)
    quota = np.array([shares[split] for split in splits]) / sum(shares.values())
    # In shares of each column's total, so that rare labels count as much as the size does; the
    # size itself counts as much as all labels together.
    rows = rows / total
    importance = np.array([max(1, len(names)), *([1] * len(names))])
    filled = np.zeros((len(splits), rows.shape[1]))
    members = np.zeros(len(splits), dtype=np.int64)
    by_video: dict[str, Split] = {}
    shuffled = rng.permutation(len(groups))
    order = shuffled[np.argsort(-rows[shuffled, 0], kind="stable")]
    for turn, index in enumerate(order):
        before = ((filled - quota[:, None]) ** 2 * importance).sum(axis=1)
        after = ((filled + rows[index] - quota[:, None]) ** 2 * importance).sum(axis=1)
        gain = after - before
        # Nobody goes without: the last groups are for the splits that have none yet.
        if len(order) - turn <= (members == 0).sum():
            gain[members > 0] = np.inf
        chosen = int(np.argmin(gain))
        filled[chosen] += rows[index]
        members[chosen] += 1
        by_video |= {item.video: splits[chosen] for item in groups[index]}
    return by_video, _uneven(splits, filled, quota, names)


def _uneven(
    splits: Sequence[Split],
    filled: npt.NDArray[np.float64],
    quota: npt.NDArray[np.float64],
    names: Sequence[str],
) -> list[str]:
    warnings = [
        f"{split} has {share:.0%} of the utterances where {wanted:.0%} were wanted, because groups "
        "are not parted"
        for split, share, wanted in zip(splits, filled[:, 0], quota, strict=True)
        if not wanted / _MUCH_LARGER <= share <= wanted * _MUCH_LARGER
    ]
    for split, row in zip(splits, filled, strict=True):
        lacking = [name for name, share in zip(names, row[1:], strict=True) if share == 0]
        if lacking:
            warnings.append(f"{split} has no utterance labelled {', '.join(lacking)}")
    return warnings
