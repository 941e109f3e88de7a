"""Dialogues with words, voice and face, from corpora that each hold one of them.

No labelled talking video is within reach, so each line of a MELD dialogue is given the voice of a
RAVDESS clip and a FER-2013 face of the same emotion. One actor speaks for a speaker throughout a
dialogue; faces are of different people, since FER-2013 names nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import EMOTION_CLASSES, TaskName
from affect_pipe.fusion.recipes.starter_data import FaceCorpus, Rows, TextCorpus, VoiceCorpus
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import MODALITIES, FloatArray, Modality

# Every set of modalities, in the order they are reported: parts, pairs, all.
SUBSETS: tuple[tuple[Modality, ...], ...] = (
    ("text",),
    ("acoustic",),
    ("visual",),
    ("text", "acoustic"),
    ("text", "visual"),
    ("acoustic", "visual"),
    ("text", "acoustic", "visual"),
)


@dataclass(frozen=True, eq=False)
class Pairing:
    """Which clip and which face each line of a corpus was given.

    Attributes
    ----------
    clips, faces : int64 [n]
        Rows of the voice corpus, and of one view of the face corpus.
    view : int
        Which view of the faces.
    """

    clips: Rows
    faces: Rows
    view: int


class Pairer:
    """Pairs the lines of a text corpus with voices and faces of the same emotion.

    Parameters
    ----------
    text : TextCorpus
        With speakers and exactly one emotion a line.
    voices : VoiceCorpus
    faces : FaceCorpus

    Raises
    ------
    UsageError
        If an emotion of the text has no clip by some actor, or no face.
    """

    def __init__(self, text: TextCorpus, voices: VoiceCorpus, faces: FaceCorpus) -> None:
        self._text, self._voices, self._faces = text, voices, faces
        self._emotions = text.targets["emotion_class"].argmax(axis=1)
        self._actors: Rows = np.unique(voices.actors)
        self._clips_of = {
            (actor, emotion): np.flatnonzero(
                (voices.actors == actor) & (voices.emotions == emotion) & voices.present
            )
            for actor in self._actors.tolist()
            for emotion in range(len(EMOTION_CLASSES))
        }
        self._faces_of = [
            [np.flatnonzero(found & (faces.emotions == e)) for e in range(len(EMOTION_CLASSES))]
            for found in faces.found
        ]
        self._check()

    def _check(self) -> None:
        for emotion in np.unique(self._emotions).tolist():
            name = EMOTION_CLASSES[emotion]
            silent = [a for a in self._actors.tolist() if not len(self._clips_of[a, emotion])]
            if silent or not len(self._actors):
                raise UsageError(
                    f"pairing needs a clip of {name!r} by every actor, but actors {silent} have "
                    "none: complete the RAVDESS folder."
                )
            if not all(len(view[emotion]) for view in self._faces_of):
                raise UsageError(
                    f"pairing needs a face of {name!r} that can be found, but there is none: "
                    "complete the FER-2013 file."
                )

    def draw(self, rng: np.random.Generator) -> Pairing:
        """Draw a pairing: an actor for each speaker of each dialogue, then clips and faces."""
        n = len(self._text)
        clips, faces = np.zeros(n, np.int64), np.zeros(n, np.int64)
        view = int(rng.integers(len(self._faces_of)))
        for rows in self._text.sequences:
            cast = self._cast([self._text.speakers[row] for row in rows], rng)
            for row, actor in zip(rows, cast, strict=True):
                emotion = int(self._emotions[row])
                clips[row] = rng.choice(self._clips_of[actor, emotion])
                faces[row] = rng.choice(self._faces_of[view][emotion])
        return Pairing(clips, faces, view)

    def _cast(self, speakers: Sequence[str], rng: np.random.Generator) -> list[int]:
        """Draw an actor for each line; different speakers get different actors while there are."""
        order = rng.permutation(self._actors).tolist()
        role = {name: order[i % len(order)] for i, name in enumerate(dict.fromkeys(speakers))}
        return [role[name] for name in speakers]

    def dialogues(
        self,
        pairing: Pairing,
        vectors: FloatArray | None = None,
    ) -> list[Dialogue]:
        """Make paired dialogues.

        Emotion intensity is the paired clip's: it stays the target where the voice is dropped,
        so that words and faces learn the degree to expect.

        Parameters
        ----------
        vectors : float32 [n, d], optional
            Text vectors to use in place of the corpus's.
        """
        words = self._text.vectors if vectors is None else vectors
        voices, faces = self._voices.vectors, self._faces.views[pairing.view]
        intensities = self._voices.intensities(pairing.clips)
        found = []
        for number, rows in enumerate(self._text.sequences):
            targets: dict[TaskName, FloatArray] = {
                task: target[rows] for task, target in self._text.targets.items()
            }
            targets["emotion_intensity"] = intensities[rows]
            features: dict[Modality, FloatArray] = {
                "text": words[rows],
                "acoustic": voices[pairing.clips[rows]],
                "visual": faces[pairing.faces[rows]],
            }
            present = np.ones((len(rows), len(MODALITIES)), np.bool_)
            found.append(Dialogue(str(number), "paired", features, present, targets))
        return found


def only(dialogue: Dialogue, subset: Sequence[Modality]) -> Dialogue:
    """Return a dialogue with the modalities of ``subset`` alone."""
    return dialogue.without(np.array([modality not in subset for modality in MODALITIES]))


def thin(
    dialogue: Dialogue, rng: np.random.Generator, whole_share: float, gap_share: float
) -> Dialogue:
    """Take modalities away at random, as videos lack them.

    Parameters
    ----------
    whole_share : float
        Chance that the dialogue keeps all its modalities; otherwise any subset is as likely.
    gap_share : float
        Chance of each modality of each utterance to be missing besides. An utterance keeps at
        least one.
    """
    whole = rng.random() < whole_share
    subset = SUBSETS[-1] if whole else SUBSETS[int(rng.integers(len(SUBSETS)))]
    kept = np.tile([modality in subset for modality in MODALITIES], (len(dialogue), 1))
    thinned = kept & (rng.random(kept.shape) >= gap_share)
    bare = ~(thinned & dialogue.present).any(axis=1)
    thinned[bare] = kept[bare]
    return dialogue.without(~thinned)
