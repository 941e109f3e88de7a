"""Who speaks when, from an RTTM file, as diarisers write it.

NIST (2009), "The 2009 Rich Transcription Meeting Recognition Evaluation Plan", appendix A. Of its
line types only ``SPEAKER`` matters here; the others are skipped.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from affect_pipe.extractors.speech.sidecar import check_sidecar
from affect_pipe.extractors.speech.text_file import decode, read_bytes
from affect_pipe.pipeline.errors import TranscriptError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.records import Diarisation, SpeakerTurn

_SUFFIXES = (".rttm", ".RTTM")
_MAX_TURNS = 200_000
_LINE = "SPEAKER <file> <channel> <start> <duration> <NA> <NA> <speaker> <NA> <NA>"
# type, file, channel, start, duration, two unused, speaker: what follows may be left out.
_LEAST_FIELDS = 8


def find_diarisation(media_path: Path, given: Path | None = None) -> Diarisation | None:
    """Return who speaks when in a media file: from a file that is named, or one beside it.

    Parameters
    ----------
    media_path : Path
        ``talk.mp4`` is matched by ``talk.rttm`` beside it.
    given : Path, optional
        An RTTM file.

    Raises
    ------
    UsageError
        If the named file is not there or may not be read.
    TranscriptError
        If the file is no RTTM, or tells of other recordings; if one beside the video cannot be
        its diarisation (`sidecar.check_sidecar`).
    """
    if given is not None:
        return read_rttm(given, media_path.stem)
    found = diarisation_beside(media_path)
    return None if found is None else read_rttm(found, media_path.stem)


def diarisation_beside(media_path: Path) -> Path | None:
    """Return the RTTM file beside a media file, or None.

    Raises
    ------
    TranscriptError
        As `sidecar.check_sidecar`.
    """
    try:
        beside = (media_path.with_suffix(suffix) for suffix in _SUFFIXES)
        found = next((path for path in beside if os.path.lexists(path)), None)
    except (OSError, ValueError):
        return None
    if found is not None:
        check_sidecar(found, media_path, "diarisation")
    return found


def read_rttm(path: Path, recording: str) -> Diarisation:
    """Read the turns of one recording.

    Parameters
    ----------
    path : Path
    recording : str
        The file name, without its suffix, of the recording; needed where the RTTM tells of
        several. One that tells of a single recording is taken to be of this one, and a name that
        is another is kept (`Diarisation.other`).

    Raises
    ------
    UsageError
        If there is no such file, or it cannot be read.
    TranscriptError
        If a line is malformed, no turn is there, or none of several recordings has that name.
    """
    text, _ = decode(read_bytes(path, "diarisation"), path)
    by_recording: dict[str, list[SpeakerTurn]] = {}
    for name, turn in _turns(text, path):
        by_recording.setdefault(name, []).append(turn)
    if not by_recording:
        raise TranscriptError(f"{path} holds no speaker turns: expected lines as {_LINE}.")
    # Some write the name of the file, others leave its suffix off.
    names = [n for n in (recording, *by_recording) if n == recording or _stem(n) == recording]
    other = ""
    if len(by_recording) == 1:
        ((name, turns),) = by_recording.items()
        other = "" if name in names or path.stem == recording else name
    else:
        turns = next((by_recording[n] for n in names if n in by_recording), [])
        if not turns:
            raise TranscriptError(
                f"{path} tells of {len(by_recording)} recordings, none of them "
                f"{quoted(recording)}: name the right file with --diarisation."
            )
    ordered = sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))
    return Diarisation(tuple(ordered), path.name, other)


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _turns(text: str, path: Path) -> Iterator[tuple[str, SpeakerTurn]]:
    count = 0
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        # Two semicolons begin a comment.
        if not fields or fields[0].startswith(";;") or fields[0] != "SPEAKER":
            continue
        count += 1
        if count > _MAX_TURNS:
            raise TranscriptError(f"{path} holds more than {_MAX_TURNS} turns: which file is it?")
        if len(fields) < _LEAST_FIELDS:
            raise TranscriptError(
                f"{path}, line {number}, has {len(fields)} fields: expected {_LINE}."
            )
        start_s = _seconds(fields[3], path, number)
        end_s = start_s + _seconds(fields[4], path, number)
        if not math.isfinite(end_s):
            raise TranscriptError(f"{path}, line {number}, ends at no finite time: mend it.")
        if end_s > start_s:
            yield fields[1], SpeakerTurn(start_s, end_s, fields[7])


def _seconds(field: str, path: Path, number: int) -> float:
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise TranscriptError(
            f"{path}, line {number}: {quoted(field)} is no time in seconds: expected {_LINE}."
        )
    return value
