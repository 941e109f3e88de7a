"""Annotation files in: as labels to train on, and as what predictions are measured by."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from affect_pipe.fusion.datasets.annotated import AnnotatedVideo, read_annotated
from affect_pipe.fusion.datasets.annotated_labels import label_file
from affect_pipe.fusion.gold import MIN_OVERLAP, evaluate_gold
from affect_pipe.fusion.gold_report import GoldReport
from affect_pipe.pipeline.annotation.files import SUFFIXES
from affect_pipe.pipeline.annotation.names import TEXT_TIERS
from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.media_files import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from affect_pipe.pipeline.preflight import SUFFIX
from affect_pipe.pipeline.results.result_file import read_named_result
from affect_pipe.pipeline.results.writing import write_result


def labels_from_annotations(
    files: Sequence[Path],
    out: Path,
    *,
    tiers: Sequence[str] = (),
    video: str | None = None,
) -> tuple[str, ...]:
    """Write the label file of annotated videos, as training reads it.

    Parameters
    ----------
    files : sequence of Path
        ``.eaf`` and ``.TextGrid`` files; folders, which are searched for them.
    out : Path
        CSV to write.
    tiers : sequence of str
        Names of the tiers whose annotations are the utterances; by default
        `affect_pipe.pipeline.annotation.names.TEXT_TIERS`.
    video : str, optional
        What the video is called, of one file; by default the media file it names, or else its own
        name without its ending.

    Returns
    -------
    tuple of str
        Warnings: what was not read.

    Raises
    ------
    AffectPipeError
        If a file cannot be read or has values that mean nothing, two are of the same video, or
        nothing is labelled.
    """
    paths = _annotation_files(files)
    if video is not None and len(paths) > 1:
        raise UsageError("--video is the name of one video: name one annotation file.")
    videos: dict[str, AnnotatedVideo] = {}
    endings: dict[str, str] = {}
    for path in paths:
        found = read_annotated(path, tiers or TEXT_TIERS)
        name = video or found.media or _video_of(path)
        # "talk" is "talk.mp4", which "talk.mov" is not.
        same = {name, _bare(name)} if name != _bare(name) else {name, endings.get(name, name)}
        other = next((one for one in sorted(same) if one in videos), None)
        endings[_bare(name)] = name
        if other is not None:
            raise UsageError(
                f"{videos[other].path} and {path} are both of the video {quoted(name)}: name one "
                "of them."
            )
        videos[name] = found
    if not any(u.labels.any for one in videos.values() for u in one.utterances):
        raise UsageError(f"{', '.join(map(str, paths[:3]))} labels nothing: annotate a tier first.")
    data, warnings = label_file(videos)
    write_result(out, data)
    return warnings


def _video_of(path: Path) -> str:
    """Return what the video of a file is called that names none, as every TextGrid.

    As the result beside it says, from which it was made; else the file's own name without endings.
    """
    stem = path.name.removesuffix(path.suffix).removesuffix(".affect")
    beside = path.with_name(stem + SUFFIX)
    if beside.is_file():
        with suppress(AffectPipeError):
            return read_named_result(beside).media
    return stem


def _bare(name: str) -> str:
    """Return a video's name without its ending, if it is one of media: ``talk.v2`` has none."""
    path = PurePath(name)
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES | AUDIO_SUFFIXES else name


def _annotation_files(given: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            found += sorted(inside)
        else:
            found.append(path)
    if not found:
        raise UsageError(f"{given[0]} holds no annotation files, .eaf or .TextGrid: name some.")
    return list(dict.fromkeys(found))


def evaluate_against(
    gold: Path,
    result: Path,
    *,
    tiers: Sequence[str] = (),
    least_overlap: float = MIN_OVERLAP,
) -> GoldReport:
    """Measure a result against an annotation file of the same video.

    Parameters
    ----------
    gold : Path
        ``.eaf`` or ``.TextGrid``.
    result : Path
        ``<video>.affect.json``.
    tiers : sequence of str
        Names of the tiers whose annotations are the utterances; by default
        `affect_pipe.pipeline.annotation.names.TEXT_TIERS`.
    least_overlap : float
        From which two utterances are the same: see `affect_pipe.fusion.gold`.

    Raises
    ------
    AffectPipeError
        If either cannot be read, or the overlap is not in (0, 1].
    """
    if not 0 < least_overlap <= 1:
        raise UsageError(f"--overlap {least_overlap:g} is none: give a number above 0, at most 1.")
    return evaluate_gold(
        read_annotated(gold, tiers or TEXT_TIERS), read_named_result(result), least_overlap
    )
