"""The transcript that lies beside a media file."""

from __future__ import annotations

import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from affect_pipe.extractors.speech.annotation_transcript import has_named_tiers
from affect_pipe.extractors.speech.sidecar import check_sidecar
from affect_pipe.extractors.speech.text_file import decode, read_bytes
from affect_pipe.extractors.speech.transcript import FORMATS
from affect_pipe.extractors.speech.whisper_json import is_whisper_json
from affect_pipe.pipeline.errors import TranscriptError, UsageError

# Files of these names may hold anything; only what is known to be words is taken by itself.
_LOOKED_INTO = (".json", ".eaf", ".textgrid")
_ELSE = "or remove it from beside the video, or choose other words with --asr."
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
# A folder changed twice within one tick of its file system's clock keeps its time stamp.
_SETTLED_NS = 2_000_000_000


def find_transcript(media_path: Path) -> Path | None:
    """Return the transcript that lies beside a media file, or None.

    ``talk.mp4`` is matched by ``talk.srt``, then ``talk.en.srt``, ``talk.<language>.srt``, then
    the same with ``.vtt``, ``.json`` (only a Whisper or WhisperX transcript), ``.eaf`` and
    ``.TextGrid`` (only with tiers of words by their names) and ``.txt``.

    Raises
    ------
    TranscriptError
        As `TranscriptsBeside.find`.
    """
    return TranscriptsBeside().find(media_path)


class TranscriptsBeside:
    """Finds the transcripts of many media files, whose folders may hold a hundred thousand.

    A folder is listed again only after it has changed; the last one is remembered.

    Parameters
    ----------
    warn : callable (sentence), optional
        Hears of annotation files that are passed over.
    """

    def __init__(self, warn: Callable[[str], None] | None = None) -> None:
        self._last: _Listing | None = None
        self._warn = warn

    def find(self, media_path: Path) -> Path | None:
        """Return the transcript beside one media file; see `find_transcript`.

        Raises
        ------
        TranscriptError
            If the best candidate is damaged, or cannot be a transcript (`sidecar.check_sidecar`):
            words that somebody put there are not replaced by what a recogniser hears.
        """
        folder = media_path.parent
        try:
            candidates = self._listed(folder).get(media_path.stem, ())
        except (OSError, ValueError):
            return None
        for _, name in candidates:
            path = folder / name
            if path == media_path:
                continue
            check_sidecar(path, media_path, "transcript")
            if path.suffix.lower() not in _LOOKED_INTO or _holds_transcript(path):
                return path
            if self._warn is not None and path.suffix.lower() != ".json":
                self._warn(
                    f"{name} has no tier of words by its name, so it is not taken for the "
                    "transcript: call that tier 'text', or name the file with --transcript."
                )
        return None

    def _listed(self, folder: Path) -> _Candidates:
        found = os.stat(folder)
        state = (found.st_dev, found.st_ino, found.st_mtime_ns)
        if self._last is None or (self._last.folder, self._last.state) != (folder, state):
            listing = _Listing(folder, state, _candidates(os.listdir(folder)))
            if time.time_ns() - found.st_mtime_ns <= _SETTLED_NS:
                return listing.candidates
            self._last = listing
        return self._last.candidates


_Rank = tuple[int, bool, bool, str]
_Candidates = Mapping[str, Sequence[tuple[_Rank, str]]]


@dataclass(frozen=True)
class _Listing:
    """What a folder held, by the stem of the media file, best first; and what tells a change."""

    folder: Path
    state: tuple[int, int, int]
    candidates: _Candidates


def _candidates(names: Iterable[str]) -> _Candidates:
    found: defaultdict[str, list[tuple[_Rank, str]]] = defaultdict(list)
    for name in names:
        if not name.lower().endswith(FORMATS):
            continue
        path = PurePath(name)
        suffix = path.suffix.lower()
        if suffix not in FORMATS:  # a hidden file that is all suffix
            continue
        base, _, tag = path.stem.rpartition(".")
        tags = [(path.stem, "")] + ([(base, tag)] if _LANGUAGE.fullmatch(tag) else [])
        for stem, language in tags:
            # No language first, then English, then the others by name.
            rank = (FORMATS.index(suffix), language != "", language.lower() != "en", name)
            found[stem].append((rank, name))
    return {stem: sorted(several) for stem, several in found.items()}


def _holds_transcript(path: Path) -> bool:
    try:
        text = decode(read_bytes(path), path)[0]
        if path.suffix.lower() == ".json":
            return is_whisper_json(json.loads(text))
        return has_named_tiers(text, path)
    except (TranscriptError, UsageError) as error:
        raise TranscriptError(f"{str(error).rstrip('.')}, {_ELSE}") from error
    except (ValueError, RecursionError) as error:
        raise TranscriptError(
            f"{path} is no valid JSON ({str(error)[:80]}): write it again, {_ELSE}"
        ) from error
