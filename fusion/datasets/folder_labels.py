"""A folder of videos and a label file: what a user has who wants a model of their own.

Whoever trains reads the labels here, runs the pipeline on each `MediaPart` with the utterances of
`utterances_of`, puts the clips of a video together with `join_blocks`, and gets dialogues from
`build_dialogues`. Nothing outside the folder is looked at, whatever the label file says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from affect_pipe.fusion.config import EMOTION_CLASSES, SENTIMENTS
from affect_pipe.fusion.datasets.label_rows import (
    BadRow,
    LabelError,
    LabelRow,
    Layout,
    read_rows,
)
from affect_pipe.fusion.datasets.splits import SplitItem
from affect_pipe.fusion.encoding import MAX_INTENSITY
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import FeatureBlock, Utterance

# In this order where one name has several: a video tells more than its sound track.
MEDIA_SUFFIXES = (
    *(".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".flv"),
    *(".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus"),
)
# Where MMSA's and MELD's archives put the clips, below the folder that is given.
_SUBFOLDERS: dict[Layout, tuple[str, ...]] = {
    "own": ("",),
    "mmsa": ("", "Raw"),
    "meld": ("", "train_splits", "dev_splits_complete", "output_repeated_splits_test"),
}
# A label may end a little after the media does: containers round.
_OVERHANG_S = 1.0


@dataclass(frozen=True)
class MediaPart:
    """One media file and the segments of its video that it shows.

    Attributes
    ----------
    path : Path
        Inside the folder, links followed.
    segments : tuple of int
        Indices into the video's segments, ascending.
    whole : bool
        Whether the file is the one segment, from its start to its end.
    """

    path: Path
    segments: tuple[int, ...]
    whole: bool


@dataclass(frozen=True)
class LabelledVideo:
    """One video or dialogue: its segments in order and the files that show them."""

    id: str
    segments: tuple[LabelRow, ...]
    media: tuple[MediaPart, ...]

    @property
    def speakers(self) -> frozenset[str]:
        """Who is named as speaking."""
        return frozenset(s.speaker for s in self.segments if s.speaker is not None)

    def __repr__(self) -> str:
        return f"LabelledVideo({self.id!r}, {len(self.segments)} segments)"


@dataclass(frozen=True)
class MissingMedia:
    """A labelled segment without a file: where its row is and what was looked for."""

    line: int
    video: str
    segment: str
    looked_for: tuple[str, ...]


@dataclass(frozen=True)
class LabelledFolder:
    """A label file joined with the media files of a folder.

    Attributes
    ----------
    videos : tuple of LabelledVideo
        Those with at least one file; segments without one are in ``missing`` instead.
    intensities : bool
        Whether emotion values are degrees in [0, 3] rather than 0 and 1.
    """

    layout: Layout
    labels: Path
    folder: Path
    videos: tuple[LabelledVideo, ...]
    missing: tuple[MissingMedia, ...]
    intensities: bool
    warnings: tuple[str, ...] = ()

    @cached_property
    def segments(self) -> tuple[LabelRow, ...]:
        """All segments, video by video."""
        return tuple(segment for video in self.videos for segment in video.segments)

    def split_items(self) -> tuple[SplitItem, ...]:
        """Describe the videos to `affect_pipe.fusion.datasets.splits.assign_splits`."""
        return tuple(
            SplitItem(
                video=video.id,
                speakers=video.speakers,
                labels=_label_counts(video),
                weight=float(len(video.segments)),
                given=video.segments[0].split,
            )
            for video in self.videos
        )


def read_labels(
    labels: Path, folder: Path, sentiment_scale: float = MAX_INTENSITY
) -> LabelledFolder:
    """Read a label file (see `label_rows`) and find the media it speaks of.

    Parameters
    ----------
    labels : Path
    folder : Path
        Holds ``<video>`` (own layout with times; the ending may be left out), or one clip a
        segment: ``<video>/<segment>.mp4`` (own layout without times, MMSA) or
        ``dia<D>_utt<U>.mp4`` (MELD), there or in the folders of the published archives.
    sentiment_scale : float
        Of MMSA's ``label``.

    Raises
    ------
    UsageError
        If the label file or the folder is missing, nothing is labelled, or no media file is
        found at all.
    LabelError, CorpusError
        If the label file is wrong; see `affect_pipe.fusion.datasets.label_rows.read_rows`. A path
        that leads out of the folder and a video in two splits are wrong as well.
    """
    if not labels.is_file():
        raise UsageError(f"there is no label file {labels}: give a CSV file.")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: give the one that holds the videos.")
    rows = read_rows(labels, sentiment_scale)
    if not any(_has_label(row) for row in rows.rows):
        raise UsageError(
            f"{labels} labels nothing: give one of the columns sentiment, emotion, "
            f"{', '.join(EMOTION_CLASSES)}, arousal, valence, arousal_class or valence_class."
        )
    finder = _Finder(folder.resolve(), rows.layout)
    found: dict[str, list[tuple[LabelRow, Path]]] = {}
    # The same file under two names is one video: its parts must not end up in two splits.
    names: dict[Path, str] = {}
    clips: dict[Path, int] = {}
    missing: list[MissingMedia] = []
    bad: list[BadRow] = []
    for row in rows.rows:
        paths = finder.find(row)
        if not paths:
            looked_for = finder.names(row)
            missing.append(MissingMedia(row.line, row.video, row.segment, looked_for))
            continue
        path, *others = paths
        column = "segment" if _is_clip(row) and rows.layout == "own" else "video"
        if not path.is_relative_to(finder.root):
            bad.append(BadRow(row.line, column, "a file inside the folder", str(row.video)))
        elif others:
            wanted = f"one file; {path} and {others[0]} are both there, give one's folder"
            bad.append(BadRow(row.line, column, wanted, row.video))
        elif _is_clip(row) and clips.setdefault(path, row.line) != row.line:
            wanted = f"another clip than that of line {clips[path]}"
            bad.append(BadRow(row.line, column, wanted, str(path)))
        else:
            video = row.video if _is_clip(row) else names.setdefault(path, row.video)
            found.setdefault(video, []).append((row, path))
    bad += _two_splits(found)
    if bad:
        raise LabelError(labels, sorted(bad, key=lambda item: item.line))
    if not found:
        raise UsageError(
            f"none of the {len(rows.rows)} rows of {labels} has its video in {folder}: looked for "
            f"{', '.join(missing[0].looked_for[:3])}; give the folder that holds them."
        )
    videos = tuple(_video(name, parts) for name, parts in sorted(found.items()))
    return LabelledFolder(
        rows.layout, labels, folder, videos, tuple(missing), rows.intensities, rows.warnings
    )


def utterances_of(
    video: LabelledVideo, part: MediaPart, duration_s: float
) -> tuple[Utterance, ...]:
    """Make the utterances that the pipeline is to describe in one media file.

    Parameters
    ----------
    video, part
        One of the video's own parts.
    duration_s : float
        Of the media; labels that end a little later are cut to it.

    Returns
    -------
    tuple of Utterance
        Numbered from 0, in the order of ``part.segments``. Text is the label file's, or empty:
        `affect_pipe.pipeline.given_times.fill_words` adds what a recogniser heard.

    Raises
    ------
    UsageError
        If a segment lies beyond the end of the media.
    """
    made = []
    for index, place in enumerate(part.segments):
        row = video.segments[place]
        start_s, end_s = (0.0, duration_s) if part.whole else (row.start_s, row.end_s)
        if start_s is None or end_s is None:
            raise ValueError(f"segment {row.segment} of {video.id} has no times")
        if start_s >= duration_s or end_s > duration_s + _OVERHANG_S:
            raise UsageError(
                f"line {row.line} labels {start_s:g} to {end_s:g} s of {part.path}, which ends at "
                f"{duration_s:g} s: correct the times."
            )
        made.append(
            Utterance(
                index=index,
                start_s=start_s,
                end_s=min(end_s, duration_s),
                text=row.text or "",
                speaker=row.speaker,
                text_reason=None if row.text else "no text in the label file",
            )
        )
    return tuple(made)


def join_blocks(video: LabelledVideo, blocks: Mapping[Path, FeatureBlock]) -> FeatureBlock:
    """Put one modality's blocks of all parts of a video into the order of its segments.

    Parameters
    ----------
    video : LabelledVideo
    blocks : mapping of media path to FeatureBlock
        Of every part, with one row for each of its segments.

    Raises
    ------
    ValueError
        If a part has no block, a block another number of rows, or the feature sets differ.
    """
    given = [blocks[part.path] for part in video.media if part.path in blocks]
    rows = [len(block.reasons) for block in given]
    if rows != [len(part.segments) for part in video.media]:
        raise ValueError(f"{video.id}: the blocks have {rows} rows, not one for each segment")
    spec = given[0].spec
    if not all(spec.compatible_with(block.spec) for block in given):
        raise ValueError(f"{video.id}: its parts have different feature sets")
    order = np.argsort([place for part in video.media for place in part.segments])
    reasons = [reason for block in given for reason in block.reasons]
    measures = {name for block in given for name in block.quality}
    unknown = np.float32(np.nan)
    return FeatureBlock(
        spec=spec,
        values=np.concatenate([block.values for block in given])[order],
        present=np.concatenate([block.present for block in given])[order],
        reasons=tuple(reasons[index] for index in order),
        quality={
            name: np.concatenate(
                [b.quality.get(name, np.full(len(b.reasons), unknown)) for b in given]
            )[order]
            for name in sorted(measures)
        },
    )


class _Finder:
    """Looks for media files under one folder."""

    def __init__(self, root: Path, layout: Layout) -> None:
        self.root = root
        self._layout = layout

    def names(self, row: LabelRow) -> tuple[str, ...]:
        """Where a row's file may lie, relative to the folder, without trying endings."""
        if self._layout == "meld":
            name = f"{row.video}_{row.segment}"
        elif _is_clip(row):
            name = f"{row.video}/{row.segment}"
        else:
            name = row.video
        return tuple(f"{sub}/{name}" if sub else name for sub in _SUBFOLDERS[self._layout])

    def find(self, row: LabelRow) -> list[Path]:
        """Files of a row, one a folder, links followed."""
        found = {p for name in self.names(row) for p in self._media(name)}
        return sorted(found)

    def _media(self, name: str) -> Iterator[Path]:
        here = self.root / name
        # The ending belongs to the name where the label file gives it.
        named = here.suffix.lower() in MEDIA_SUFFIXES
        for path in (here,) if named else (self.root / f"{name}{s}" for s in MEDIA_SUFFIXES):
            if path.is_file():
                yield path.resolve()
                return


def _is_clip(row: LabelRow) -> bool:
    return row.start_s is None


def _has_label(row: LabelRow) -> bool:
    single = (row.sentiment, row.sentiment_class, row.arousal, row.valence)
    levels = (row.arousal_class, row.valence_class)
    return bool(row.emotions) or any(value is not None for value in (*single, *levels))


def _video(name: str, parts: Sequence[tuple[LabelRow, Path]]) -> LabelledVideo:
    ordered = sorted(parts, key=lambda part: part[0].order)
    places: dict[Path, list[int]] = {}
    for index, (_row, path) in enumerate(ordered):
        places.setdefault(path, []).append(index)
    media = tuple(
        MediaPart(path, tuple(indices), whole=_is_clip(ordered[indices[0]][0]))
        for path, indices in places.items()
    )
    return LabelledVideo(name, tuple(row for row, _ in ordered), media)


def _two_splits(found: Mapping[str, Sequence[tuple[LabelRow, Path]]]) -> list[BadRow]:
    """Rows of a video that is in another split already."""
    bad = []
    for video, parts in found.items():
        first = parts[0][0].split
        for row, _path in parts:
            if row.split != first:
                wanted = f"{first or 'nothing'}, as the rows of {video} before it"
                bad.append(BadRow(row.line, "split", wanted, str(row.split or "nothing")))
    return bad


def _label_counts(video: LabelledVideo) -> dict[str, float]:
    """How many segments carry each class; rarer kinds of label are left to chance."""
    counts: dict[str, float] = {}
    for row in video.segments:
        kinds = [f"emotion {name}" for name, value in row.emotions.items() if value > 0]
        sentiment = row.sentiment_class
        if sentiment is None and row.sentiment is not None:
            sentiment = int(np.sign(row.sentiment)) + 1
        if sentiment is not None:
            kinds.append(f"sentiment {SENTIMENTS[sentiment]}")
        levels = {"arousal": row.arousal_class, "valence": row.valence_class}
        kinds += [f"{name} {level}" for name, level in levels.items() if level is not None]
        for kind in kinds:
            counts[kind] = counts.get(kind, 0.0) + 1.0
    return counts
