"""Pages of results: from a run that has just ended, or from a result file and what is in the cache.

Data flows one way: a result in its published shape, `Signals` of the recording and a `Player` make
a `ReportData`, and that a page. A result file holds no feature values. They come from running the
video again through the cache, where every stage is found; what is not there is left out and said,
unless it may be computed.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, Literal

from affect_pipe.pipeline.errors import AffectPipeError, MediaError, ResultError, UsageError
from affect_pipe.pipeline.fingerprint import digest_file
from affect_pipe.pipeline.media import probe
from affect_pipe.pipeline.preflight import REPORT_SUFFIX, SUFFIX
from affect_pipe.pipeline.records import Media, VideoResult
from affect_pipe.pipeline.results.json_result import to_json
from affect_pipe.pipeline.results.report.data import Player, ReportData, Signals
from affect_pipe.pipeline.results.report.preview import make_preview
from affect_pipe.pipeline.results.report.video_page import write_video_page
from affect_pipe.pipeline.results.result_file import read_named_result, stem_of
from affect_pipe.pipeline.settings import RunSettings
from affect_pipe.report_signals import NotInCacheError, look_again, signals_of, sound_of

VideoChoice = Literal["auto", "embed", "link", "none"]
VIDEO_CHOICES: tuple[VideoChoice, ...] = ("auto", "embed", "link", "none")
EMBED_MAX_S = 300.0
"""Longest recording that ``auto`` puts into the page; at most about 12 MB of preview."""
# What browsers play as it is.
_PLAYABLE = frozenset({".mp4", ".m4v", ".webm", ".ogg", ".ogv", ".oga", ".mp3", ".m4a", ".wav"})

Tell = Callable[[str], None]


def _ignore(line: str) -> None:
    """Tell nobody."""


class NoVideoError(ResultError):
    """A page was made without the video that it was to have."""


@dataclass(frozen=True)
class ReportOptions:
    """How pages are made.

    Attributes
    ----------
    video : {"auto", "embed", "link", "none"}
        ``auto`` embeds what is not longer than `EMBED_MAX_S` and links to what is.
    media : Path, optional
        The video, or a folder that holds it; by default it is looked for beside the result, in
        the folder above and in the current one.
    recompute : bool
        Compute stages again that are no longer in the cache.
    run : RunSettings
        Of the run that made the result: cache, source of the words, segmentation.

    Raises
    ------
    UsageError
        If the choice of video is unknown.
    """

    video: VideoChoice = "auto"
    media: Path | None = None
    recompute: bool = False
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        if self.video not in VIDEO_CHOICES:
            raise UsageError(f"unknown video {self.video!r}: use {', '.join(VIDEO_CHOICES)}.")


def report(
    result: str | Path,
    out: str | Path | None = None,
    options: ReportOptions | None = None,
    *,
    tell: Tell = _ignore,
) -> Path:
    """Make the page of a result file.

    Parameters
    ----------
    result : str or Path
        ``<stem>.affect.json``.
    out : str or Path, optional
        An ``.html`` file, or a folder; by default beside the result.
    options : ReportOptions, optional
    tell : callable (line)
        Hears what takes its time.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    AffectPipeError
        With one sentence that says what was wrong with which file and what to do. Where the
        video was to be embedded or linked to and is not to be had, the page is there all the same.
    """
    options, result = options or ReportOptions(), Path(result)
    document = read_named_result(result).published
    page = page_path(result, out)
    media, absent = _find_media(document, result, options)
    signals = Signals(missing={"waveform": absent, "values": absent})
    if media is not None:
        signals = _from_cache(document, media, options, tell)
    elif options.video in ("auto", "none"):
        tell(absent)
    player = _player(media, page, options, tell, absent)
    write_video_page(ReportData(document, signals, player, _version()), page)
    if media is None and options.video in ("embed", "link"):
        raise NoVideoError(f"{page} has no video to {options.video}: {absent}")
    return page


def report_of(
    result: VideoResult,
    out: str | Path,
    options: ReportOptions | None = None,
    *,
    tell: Tell = _ignore,
) -> Path:
    """Make the page of a run that has just ended.

    Parameters
    ----------
    result : VideoResult
    out : str or Path
        An ``.html`` file, or the folder of the results.
    options : ReportOptions, optional
        ``media`` and ``recompute`` are not looked at: the run knows its video.

    Raises
    ------
    AffectPipeError
        With one sentence that says what was wrong with which file and what to do.
    """
    options = options or ReportOptions()
    page = page_path(Path(out) / (result.media.path.stem + SUFFIX), out)
    signals = signals_of(result, options.run, recompute=True)
    player = _player(result.media, page, options, tell, "")
    # As it would come back from the file.
    document = json.loads(json.dumps(to_json(result)))
    write_video_page(ReportData(document, signals, player, _version()), page)
    return page


def page_path(result: Path, out: str | Path | None) -> Path:
    """Return where the page of a result file goes.

    Raises
    ------
    UsageError
        If the name is that of another kind of file.
    """
    stem = stem_of(result)
    if out is None:
        return result.with_name(stem + REPORT_SUFFIX)
    out = Path(out)
    if out.suffix and out.suffix.lower() not in (".html", ".htm") and not out.is_dir():
        raise UsageError(f"--out {out} is no page: name an .html file, or a folder.")
    return out if out.suffix.lower() in (".html", ".htm") else out / (stem + REPORT_SUFFIX)


def _version() -> str:
    return importlib.metadata.version("affect-pipe")


def _find_media(
    document: Mapping[str, Any], result: Path, options: ReportOptions
) -> tuple[Media | None, str]:
    """Return the recording of a result, or say why it is not to be had.

    It is looked for beside the result, in the folder above and in the current one: a run writes
    its results into a folder of the one it was started in. The digest tells whether it is it.

    Raises
    ------
    UsageError
        If the one that was named is not it.
    """
    name, digest = PurePath(document["media"]["file"]).name, document["media"]["digest"]
    given = options.media
    if given is not None:
        path = given / name if given.is_dir() else given
        # Of a name that no file can have, too.
        if not os.path.isfile(path):
            raise UsageError(f"--media {given}: there is no {name}; name the video or its folder.")
        if digest_file(path) != digest:
            raise UsageError(f"{path} is not the recording of {result}: its digest is another.")
        return _probed(path, digest, options)
    beside = Path(os.path.abspath(result)).parent
    places = dict.fromkeys((beside, beside.parent, Path.cwd()))
    there = [place / name for place in places if os.path.isfile(place / name)]
    for path in there:
        if _has_digest(path, digest):
            return _probed(path, digest, options)
    if there:
        return None, (
            f"The {name} at hand is not the file that was analysed, so it is not shown: make the "
            "page with --media FILE."
        )
    return None, (
        f"{name} is not beside the result, in the folder above or in the current one, so its "
        "sound, its picture and the values of its features are not shown: make the page with "
        "--media FILE."
    )


def _has_digest(path: Path, digest: str) -> bool:
    try:
        return digest_file(path) == digest
    except MediaError:  # not for this user to read: another place may have it
        return False


def _probed(path: Path, digest: str, options: ReportOptions) -> tuple[Media | None, str]:
    try:
        return probe(path, limits=options.run.limits, digest=lambda _: digest), ""
    except MediaError as error:
        return None, f"{path.name} cannot be read: {error}"


def _from_cache(
    document: Mapping[str, Any], media: Media, options: ReportOptions, tell: Tell
) -> Signals:
    """Return what the recording shows; what the cache no longer has is left out and said."""
    try:
        result = look_again(media, _as_before(document, options.run), recompute=options.recompute)
    except NotInCacheError as missing:
        why = (
            f"The cache no longer has the stage {missing.stage} of this recording (or the run had "
            "other settings), so the values of its features are not shown: make the page with "
            "--recompute, or with the flags of the run."
        )
        return sound_of(media, options.run, missing={"values": why})
    except AffectPipeError as error:
        why = f"The values of the features are not shown: {error}"
        return sound_of(media, options.run, missing={"values": why})
    if not _same(document, to_json(result)):
        why = (
            "With the settings at hand this recording gives other utterances than in the result, "
            "so the values of their features are not shown: make the page with the flags of the "
            "run."
        )
        return sound_of(media, options.run, missing={"values": why})
    return signals_of(result, options.run, recompute=options.recompute)


def _as_before(document: Mapping[str, Any], run: RunSettings) -> RunSettings:
    """Return the settings of the run that made a result, as far as it tells them.

    The source of the words is named, so that no other is fetched where it is gone.
    """
    known = {}
    if run.model == RunSettings().model:
        # A name alone: a result from elsewhere is to lead to no folder of this machine.
        known["model"] = PurePath(document["model"]["name"]).name
    if run.asr == "auto" and run.transcript is None:
        source, model = document["asr"]["source"], PurePath(document["asr"]["model"]).name
        if source in ("whisper", "faster-whisper"):
            known["asr"] = f"{source}:{model}"
        else:
            known["asr"] = source if source in ("moonshine", "pocketsphinx") else "transcript"
    return run.model_copy(update=known)


def _same(document: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two results are of the same utterances, described by the same features."""
    if document["features"] != json.loads(json.dumps(other["features"])):
        return False
    keys = ("start_s", "end_s", "text")
    cut = [
        [[utterance.get(key) for key in keys] for utterance in found["utterances"]]
        for found in (document, other)
    ]
    return cut[0] == cut[1]


def _player(
    media: Media | None, page: Path, options: ReportOptions, tell: Tell, absent: str
) -> Player:
    if options.video == "none":
        return Player()
    if media is None:
        return Player(note=absent)
    choice = options.video
    if choice == "auto":
        choice = "embed" if media.duration_s <= EMBED_MAX_S else "link"
    if choice == "link":
        return _linked(media.path, page)
    tell(f"making a preview of {media.path.name}")
    try:
        return Player("embed", preview=make_preview(media))
    except AffectPipeError as error:
        if options.video == "embed":
            raise
        return replace(_linked(media.path, page), note=f"The video is linked to: {error}")


def _linked(path: Path, page: Path) -> Player:
    try:
        relative = os.path.relpath(path.resolve(), page.parent.resolve())
    except ValueError:  # another drive of Windows
        return Player(
            note=f"{path.name} is on another drive than this page, so it is not linked to."
        )
    source = urllib.parse.quote(PurePath(relative).as_posix().encode("utf-8", "surrogateescape"))
    note = ""
    if path.suffix.lower() not in _PLAYABLE:
        note = (
            f"Browsers may not play {path.suffix or 'this kind of'} files: if the video stays "
            "black, make the page with --video embed."
        )
    return Player("link", source=source, note=note)
