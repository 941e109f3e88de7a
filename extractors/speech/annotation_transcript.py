"""Words from annotation files: ELAN's ``.eaf`` and Praat's ``.TextGrid``.

What was said is on tiers called ``text``, ``utterances`` or ``transcript``, with ``@Ann`` behind
the name for each speaker; or, with word times, on tiers called ``words``, as forced aligners write
them. A file that is named by its user may also have a single tier with words on it, or one for each
participant, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from affect_pipe.extractors.speech.cues import Cue, CueFile, plain, without_sounds
from affect_pipe.pipeline.annotation.elan import read_eaf
from affect_pipe.pipeline.annotation.names import (
    TEXT_TIERS,
    WORD_TIERS,
    speaker_of,
    split_name,
)
from affect_pipe.pipeline.annotation.names import plain as plain_name
from affect_pipe.pipeline.annotation.praat import read_textgrid
from affect_pipe.pipeline.annotation.tiers import Annotation, AnnotationError, AnnotationFile, Tier
from affect_pipe.pipeline.errors import TranscriptError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.records import Word

# A longer pause parts cues made of words; utterances are cut later, by the settings.
_PAUSE_S = 0.5
# Marks of aligners for silence and noise.
_NO_WORDS = frozenset({"sp", "sil", "spn", "<eps>", "<unk>", "{sl}", "{ns}"})
_LISTED = 10


def read_eaf_words(text: str, path: Path) -> CueFile:
    """Read the words of an ELAN file.

    Raises
    ------
    TranscriptError
        If it cannot be read, or which tier holds the words is not clear.
    """
    return _cues(_file(read_eaf, text, path), path, "eaf")


def read_textgrid_words(text: str, path: Path) -> CueFile:
    """Read the words of a TextGrid.

    Raises
    ------
    TranscriptError
        As `read_eaf_words`.
    """
    return _cues(_file(read_textgrid, text, path), path, "textgrid")


def has_named_tiers(text: str, path: Path) -> bool:
    """Tell whether an annotation file has tiers of words by their names.

    Other files that lie beside a video may be of gestures or of anything.

    Raises
    ------
    TranscriptError
        If it cannot be read, so that nobody knows.
    """
    reader = read_eaf if path.suffix.lower() == ".eaf" else read_textgrid
    found = _file(reader, text, path)
    tiers = _called(found, TEXT_TIERS) or _called(found, WORD_TIERS)
    return any(tier.annotations for tier in tiers)


def _file(reader: Callable[[str, Path], AnnotationFile], text: str, path: Path) -> AnnotationFile:
    try:
        return reader(text, path)
    except AnnotationError as error:
        raise TranscriptError(str(error)) from error


def _cues(file: AnnotationFile, path: Path, source: str) -> CueFile:
    words = _called(file, WORD_TIERS)
    said = _called(file, TEXT_TIERS)
    if words and not said:
        cues = [cue for tier in words for cue in _of_words(tier)]
    else:
        tiers = said or _only(file, path)
        cues = [cue for tier in tiers for cue in _of_utterances(tier)]
    cues.sort(key=lambda cue: cue.start_s)
    return CueFile(tuple(cues), source, warnings=file.warnings)


def _called(file: AnnotationFile, names: Sequence[str]) -> list[Tier]:
    return [tier for tier in file.tiers if plain_name(split_name(tier.name)[0]) in names]


def _only(file: AnnotationFile, path: Path) -> list[Tier]:
    """Return the one tier with words that is under no other, or one for each participant."""
    top = [tier for tier in file.tiers if tier.parent is None and _speaks(tier)]
    people = {tier.participant for tier in top}
    if len(top) == 1 or (len(people) == len(top) > 0 and None not in people):
        return top
    if not top:
        raise TranscriptError(f"{path} has no tier with words on it: it is no transcript.")
    listed = ", ".join(quoted(tier.name, 40) for tier in top[:_LISTED])
    raise TranscriptError(
        f"{path} has several tiers that may be what was said ({listed}): call that one 'text', or "
        "'text@NAME' for each speaker."
    )


def _speaks(tier: Tier) -> bool:
    return any(any(map(str.isalpha, annotation.value)) for annotation in tier.annotations)


def _of_utterances(tier: Tier) -> list[Cue]:
    speaker = speaker_of(tier)
    spoken = [(a, without_sounds(plain(a.value))) for a in tier.annotations]
    return [
        Cue(a.start_s, a.end_s, text, speaker) for a, text in spoken if any(map(str.isalnum, text))
    ]


def _of_words(tier: Tier) -> list[Cue]:
    """Put words together that no pause parts."""
    runs: list[list[Annotation]] = []
    for annotation in tier.annotations:
        if annotation.value.casefold() in _NO_WORDS or not annotation.value:
            continue
        if not runs or annotation.start_s - runs[-1][-1].end_s > _PAUSE_S:
            runs.append([])
        runs[-1].append(annotation)
    speaker = speaker_of(tier)
    return [
        Cue(
            run[0].start_s,
            run[-1].end_s,
            " ".join(word.value for word in run),
            speaker,
            tuple(Word(word.value, word.start_s, word.end_s) for word in run),
        )
        for run in runs
    ]
