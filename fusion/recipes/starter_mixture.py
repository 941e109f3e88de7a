"""What the starter sees in an epoch: paired dialogues and every corpus by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import SENTIMENTS, Settings, TaskName
from affect_pipe.fusion.recipes.starter_data import FaceCorpus, Rows, TextCorpus, VoiceCorpus
from affect_pipe.fusion.recipes.starter_pairing import Pairer, thin
from affect_pipe.pipeline.records import MODALITIES, FloatArray


class MixtureSettings(Settings):
    """How much of what an epoch holds."""

    emotion_balance: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="MELD lines weigh as their emotion's share to minus this power: 0 leaves the "
        "corpus as it is, 1 makes all emotions count the same.",
    )
    meld_weight: float = Field(default=1.5, gt=0, description="Factor of the loss of MELD lines.")
    misheard_share: float = Field(
        default=0.25, ge=0, le=1, description="Share of sentences given with misheard words."
    )
    implied_intensity_weight: float = Field(
        default=0.3,
        ge=0,
        description="Weight of the sentiment intensity that a paired line's sentiment class "
        "implies: the mean intensity of SST-5's sentences of that class.",
    )
    cut_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of dialogues and monologues that are cut in two at a random place: the "
        "same line is met with more and with less around it.",
    )
    n_goemotions: int = Field(default=10000, gt=0, description="Comments an epoch.")
    n_faces: int = Field(default=20000, gt=0, description="Single faces an epoch.")
    voice_rounds: int = Field(
        default=2, ge=0, description="How often an epoch goes through the voices by themselves."
    )
    whole_share: float = Field(
        default=0.4, ge=0, le=1, description="Share of paired dialogues that keep all modalities."
    )
    gap_share: float = Field(
        default=0.08, ge=0, le=1, description="Share of single utterances' modalities dropped."
    )


# Clips in a row: from videos of one remark to long ones, so that normalisation by a video's own
# statistics is met at every strength.
VOICE_LENGTHS = (1, 3, 6, 10, 20, 30, 60)


@dataclass(frozen=True, eq=False)
class TrainingCorpora:
    """The train split, complete."""

    meld: TextCorpus
    mosi: TextCorpus
    sst5: TextCorpus
    goemotions: TextCorpus
    ravdess: VoiceCorpus
    fer2013: FaceCorpus


class Mixture:
    """Epochs of training dialogues; the same generator draws the same epoch.

    Parameters
    ----------
    corpora : TrainingCorpora
    settings : MixtureSettings
    """

    def __init__(self, corpora: TrainingCorpora, settings: MixtureSettings) -> None:
        self._corpora = corpora
        self._settings = settings
        self._pairer = Pairer(corpora.meld, corpora.ravdess, corpora.fer2013)
        self._balance = emotion_weights(corpora.meld, settings.emotion_balance)
        self._implied = intensity_of_classes(corpora.sst5)

    def epoch(self, number: int, rng: np.random.Generator) -> list[Dialogue]:
        """Draw an epoch; see `affect_pipe.fusion.training.train`."""
        return self._paired(rng) + self._words(rng) + self._voices(rng) + self._faces(rng)

    def _paired(self, rng: np.random.Generator) -> list[Dialogue]:
        settings, meld = self._settings, self._corpora.meld
        vectors = meld.misheard(settings.misheard_share, rng)
        paired = self._weighted(self._pairer.dialogues(self._pairer.draw(rng), vectors))
        paired = cut(paired, settings.cut_share, rng)
        thinned = [thin(d, rng, settings.whole_share, settings.gap_share) for d in paired]
        return [self._with_intensity(dialogue) for dialogue in thinned]

    def _with_intensity(self, dialogue: Dialogue) -> Dialogue:
        """Add the intensity that the sentiment class implies, where there is a voice or a face.

        Only sentences by themselves have a known intensity; without this, what is predicted
        beside a voice or a face is never held to anything.
        """
        beside = dialogue.present[:, [MODALITIES.index("acoustic"), MODALITIES.index("visual")]]
        classes = dialogue.targets["sentiment_class"].reshape(-1).astype(np.int64)
        implied = np.where(beside.any(axis=1), self._implied[classes], np.float32(np.nan))
        weights = np.full(len(dialogue), self._settings.implied_intensity_weight, np.float32)
        return replace(
            dialogue,
            targets={**dialogue.targets, "sentiment_intensity": implied},
            task_weights={**dialogue.task_weights, "sentiment_intensity": weights},
        )

    def _weighted(self, dialogues: Sequence[Dialogue]) -> list[Dialogue]:
        """Weigh MELD's dialogues, all of them and in order.

        The balance is of the emotion tasks alone: with it in the sentiment task, whose classes
        are less uneven, the model calls too much negative.
        """
        found = []
        for dialogue, rows in zip(dialogues, self._corpora.meld.sequences, strict=True):
            weights = np.full(len(rows), self._settings.meld_weight, np.float32)
            balance = self._balance[rows]
            tasks: dict[TaskName, FloatArray] = {
                "emotion_class": balance,
                "emotion_intensity": balance,
            }
            found.append(replace(dialogue, weights=weights, task_weights=tasks))
        return found

    def _words(self, rng: np.random.Generator) -> list[Dialogue]:
        corpora, share = self._corpora, self._settings.misheard_share
        comments = corpora.goemotions
        found = self._weighted(corpora.meld.dialogues(corpora.meld.misheard(share, rng)))
        found += corpora.mosi.dialogues(corpora.mosi.misheard(share, rng))
        found = cut(found, self._settings.cut_share, rng)
        found += corpora.sst5.dialogues(corpora.sst5.misheard(share, rng))
        chosen = _some(len(comments.sequences), self._settings.n_goemotions, rng)
        return found + comments.dialogues(chosen=chosen)

    def _voices(self, rng: np.random.Generator) -> list[Dialogue]:
        """Each actor's clips, shuffled: in the order of their names the context would tell."""
        voices = self._corpora.ravdess
        found: list[Dialogue] = []
        for turn in range(self._settings.voice_rounds):
            for actor in np.unique(voices.actors):
                rows = rng.permutation(np.flatnonzero(voices.actors == actor))
                found += [
                    voices.dialogue(f"{actor}-{turn}-{start}", rows[start:end])
                    for start, end in _pieces(len(rows), rng)
                ]
        return found

    def _faces(self, rng: np.random.Generator) -> list[Dialogue]:
        faces = self._corpora.fer2013
        share = -(-self._settings.n_faces // len(faces.views))
        found: list[Dialogue] = []
        for view, seen in enumerate(faces.found):
            rows = np.flatnonzero(seen)
            found += faces.dialogues(view, rows[_some(len(rows), share, rng)])
        return found


def cut(dialogues: Sequence[Dialogue], share: float, rng: np.random.Generator) -> list[Dialogue]:
    """Cut about ``share`` of the dialogues of two utterances or more in two, anywhere."""
    found = []
    for dialogue in dialogues:
        if len(dialogue) > 1 and rng.random() < share:
            place = int(rng.integers(1, len(dialogue)))
            found += [_part(dialogue, 0, place), _part(dialogue, place, len(dialogue))]
        else:
            found.append(dialogue)
    return found


def _part(dialogue: Dialogue, start: int, end: int) -> Dialogue:
    here = slice(start, end)
    return replace(
        dialogue,
        id=f"{dialogue.id}[{start}:{end}]",
        features={name: values[here] for name, values in dialogue.features.items()},
        present=dialogue.present[here],
        targets={name: values[here] for name, values in dialogue.targets.items()},
        weights=None if dialogue.weights is None else dialogue.weights[here],
        task_weights={name: values[here] for name, values in dialogue.task_weights.items()},
    )


def intensity_of_classes(corpus: TextCorpus) -> FloatArray:
    """Mean sentiment intensity of the sentences of each sentiment class, float32 [3]."""
    classes = corpus.targets["sentiment_class"].reshape(-1)
    intensities = corpus.targets["sentiment_intensity"].reshape(-1)
    means = [intensities[classes == i].mean() for i in range(len(SENTIMENTS))]
    return np.array(means, np.float32)


def emotion_weights(corpus: TextCorpus, power: float) -> FloatArray:
    """Weight of each line: its emotion's share to the power of ``-power``, mean one."""
    labels = corpus.targets["emotion_class"]
    shares = np.maximum(labels.mean(axis=0, dtype=np.float64), 1.0 / len(labels))
    weights = (shares**-power)[labels.argmax(axis=1)]
    scaled: FloatArray = (weights / weights.mean()).astype(np.float32)
    return scaled


def _some(n: int, wanted: int, rng: np.random.Generator) -> Rows:
    """Draw ``wanted`` of n numbers, or all of them, each once."""
    return rng.permutation(n)[:wanted].astype(np.int64)


def _pieces(n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Cut n elements into runs of random lengths."""
    pieces, start = [], 0
    while start < n:
        end = min(n, start + int(rng.choice(VOICE_LENGTHS)))
        pieces.append((start, end))
        start = end
    return pieces
