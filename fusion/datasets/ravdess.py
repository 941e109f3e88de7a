"""RAVDESS speech (Livingstone and Russo 2018): actors say two sentences in eight emotions.

Calm counts as no emotion, as neutral does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.fusion.config import EMOTION_CLASSES
from affect_pipe.fusion.datasets.files import CorpusError, Split, existing
from affect_pipe.pipeline.errors import UsageError

NAME = "RAVDESS"
ACTORS: dict[Split, tuple[int, ...]] = {
    "train": tuple(range(1, 15)),
    "dev": tuple(range(15, 19)),
    "test": tuple(range(19, 25)),
}
# Modality-channel-emotion-intensity-statement-repetition-actor; 03-01 is audio-only speech.
_CLIP = re.compile(r"03-01-0([1-8])-0([12])-0([12])-0([12])-(\d\d)\.(?:flac|wav)")
_EMOTIONS = ("no-emotion", "no-emotion", "happy", "sad", "anger", "fear", "disgust", "surprise")
_SUFFIXES = (".flac", ".wav")


@dataclass(frozen=True)
class Clip:
    """One sentence by one actor.

    Attributes
    ----------
    emotion : int
        Index into `EMOTION_CLASSES`.
    strong : bool
        Acted with strong rather than normal intensity.
    """

    path: Path
    actor: int
    emotion: int
    strong: bool


def folder(data: Path) -> Path:
    """Where the actors' folders lie in the data folder."""
    return data / "ravdess"


def read(data: Path, split: Split) -> tuple[Clip, ...]:
    """List the clips of a split's actors, by actor and file name.

    Raises
    ------
    UsageError
        If there is no clip of these actors.
    CorpusError
        If a sound file in an actor's folder is not named as RAVDESS names them.
    """
    actors = ACTORS[split]
    clips = []
    for actor in actors:
        here = folder(data) / f"Actor_{actor:02d}"
        files = sorted(here.iterdir()) if here.is_dir() else []
        clips += [_clip(file, actor) for file in files if file.suffix.lower() in _SUFFIXES]
    if not clips:
        raise UsageError(
            f"{NAME}: {folder(data)} has no clips of actors {actors[0]} to {actors[-1]}: give the "
            "folder that holds the corpora, laid out as docs/data.md says."
        )
    return tuple(clips)


def _clip(file: Path, actor: int) -> Clip:
    match = _CLIP.fullmatch(file.name.lower())
    if match is None or int(match[5]) != actor:
        raise CorpusError(
            f"{NAME}: {file} is not named as the clips of actor {actor} are, "
            f"03-01-EE-II-SS-RR-{actor:02d}: remove it or restore its name."
        )
    existing(file, NAME)
    emotion = EMOTION_CLASSES.index(_EMOTIONS[int(match[1]) - 1])
    return Clip(file, actor, emotion, match[2] == "2")
