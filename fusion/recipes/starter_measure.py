"""Measuring the starter on parts of the corpora it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from affect_pipe.fusion import metrics
from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import EMOTION_CLASSES, SENTIMENTS, TaskName
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.fusion.recipes.starter_data import FaceCorpus, StarterData, TextCorpus, VoiceCorpus
from affect_pipe.fusion.recipes.starter_pairing import SUBSETS, Pairer, only
from affect_pipe.fusion.recipes.starter_report import Figure, StarterReport, subset_name
from affect_pipe.fusion.thresholds import positive_f1
from affect_pipe.pipeline.records import FloatArray

if TYPE_CHECKING:
    from affect_pipe.fusion.models.fusion import FusionModel

# Pairings and shuffles are drawn; several of them keep the luck of a draw small.
N_PAIRINGS, N_SHUFFLES = 5, 5
PAIRING_SEED, SHUFFLE_SEED = 100, 200
NEGATIVE, POSITIVE = SENTIMENTS.index("negative"), SENTIMENTS.index("positive")
# On the dev parts.
TARGETS: Mapping[tuple[str, str], float] = {
    ("MELD text", "emotion weighted F1"): 55.0,
    ("MELD text", "sentiment weighted F1"): 66.0,
    ("MOSI test videos, text", "sentiment accuracy"): 80.0,
    ("SST-5 text", "intensity Pearson"): 0.66,
    ("RAVDESS voice", "emotion UAR"): 58.0,
    ("FER-2013 face", "emotion accuracy, faces found"): 57.0,
}
Scores = Sequence[tuple[str, float, str]]


class Measurer:
    """One model, its normaliser and thresholds, put to every corpus.

    Parameters
    ----------
    model : FusionModel
    normaliser : Normaliser
    thresholds : mapping of objective to emotion to threshold
    """

    def __init__(
        self,
        model: FusionModel,
        normaliser: Normaliser,
        thresholds: Mapping[str, Mapping[str, float]],
    ) -> None:
        self._model, self._normaliser, self._thresholds = model, normaliser, thresholds

    def report(self, data: StarterData, checkpoint: str, split: str) -> StarterReport:
        """Measure everything that ``data`` holds."""
        figures: list[Figure] = []
        if data.meld is not None:
            figures += self._meld("MELD text", data.meld, data.meld.vectors)
            if data.meld.noisy is not None:
                figures += self._meld("MELD text, misheard", data.meld, data.meld.noisy)
        if data.mosi is not None:
            figures += self._mosi(data.mosi)
        if data.sst5 is not None:
            figures += self._sst5(data.sst5)
        if data.goemotions is not None:
            figures += self._goemotions(data.goemotions)
        if data.ravdess is not None:
            figures += self._ravdess(data.ravdess)
        if data.fer2013 is not None:
            figures += self._fer2013(data.fer2013)
        paired: Mapping[str, Mapping[str, float]] = {}
        if data.meld is not None and data.ravdess is not None and data.fer2013 is not None:
            paired = self._paired(data.meld, data.ravdess, data.fer2013)
        return StarterReport(
            checkpoint, split, tuple(figures), paired, N_PAIRINGS if paired else 0, data.absent
        )

    def outputs(
        self, dialogues: Sequence[Dialogue], task: TaskName
    ) -> tuple[FloatArray, FloatArray]:
        """Targets and predictions of a task over dialogues, end to end."""
        from affect_pipe.fusion.inference import fixed_threads, gather, predict_values

        with fixed_threads(1):
            values = predict_values(self._model, dialogues, self._normaliser)
        return gather(task, dialogues, values)

    def _meld(self, name: str, corpus: TextCorpus, vectors: FloatArray) -> list[Figure]:
        dialogues = corpus.dialogues(vectors)
        target, values = self.outputs(dialogues, "emotion_class")
        scores = _top_emotion(target, values) + self._decided(target, values)
        target, values = self.outputs(dialogues, "sentiment_class")
        truth, found = target[:, 0].astype(np.int64), values.argmax(axis=1)
        scores += [
            ("sentiment weighted F1", 100 * metrics.weighted_f1(truth, found), "%"),
            ("sentiment accuracy", 100 * metrics.accuracy(truth, found), "%"),
        ]
        return _figures(name, scores, len(corpus))

    def _mosi(self, corpus: TextCorpus) -> list[Figure]:
        target, values = self.outputs(corpus.dialogues(), "sentiment_class")
        truth = target[:, 0] == POSITIVE
        found = values[:, POSITIVE] > values[:, NEGATIVE]
        scores = [
            ("sentiment accuracy", 100 * metrics.accuracy(truth, found), "%"),
            ("sentiment weighted F1", 100 * metrics.weighted_f1(truth, found), "%"),
        ]
        return _figures("MOSI test videos, text", scores, len(corpus))

    def _sst5(self, corpus: TextCorpus) -> list[Figure]:
        target, values = self.outputs(corpus.dialogues(), "sentiment_intensity")
        scores = [
            ("intensity Pearson", metrics.pearson(target[:, 0], values[:, 0]), ""),
            # On the papers' [-3, 3].
            ("intensity MAE", 3 * metrics.mean_absolute_error(target, values), ""),
        ]
        return _figures("SST-5 text", scores, len(corpus))

    def _goemotions(self, corpus: TextCorpus) -> list[Figure]:
        target, values = self.outputs(corpus.dialogues(), "emotion_class")
        return _figures("GoEmotions text", self._decided(target, values), len(corpus))

    def _ravdess(self, corpus: VoiceCorpus) -> list[Figure]:
        """Each actor's clips are one video, in an order that tells nothing of their labels."""
        dialogues = []
        for shuffle in range(N_SHUFFLES):
            rng = np.random.default_rng([SHUFFLE_SEED, shuffle])
            for actor in np.unique(corpus.actors):
                rows = rng.permutation(np.flatnonzero(corpus.actors == actor))
                dialogues.append(corpus.dialogue(f"{actor}-{shuffle}", rows))
        target, values = self.outputs(dialogues, "emotion_class")
        scores = [
            (metric, value, unit)
            for metric, value, unit in _top_emotion(target, values)
            if metric in ("emotion UAR", "emotion accuracy")
        ]
        target, values = self.outputs(dialogues, "emotion_intensity")
        scores += [
            ("intensity Pearson", metrics.pearson(target.ravel(), values.ravel()), ""),
            ("intensity MAE", 3 * metrics.mean_absolute_error(target, values), ""),
        ]
        return _figures("RAVDESS voice", scores, len(corpus))

    def _fer2013(self, corpus: FaceCorpus) -> list[Figure]:
        rows = np.flatnonzero(corpus.found[0])
        target, values = self.outputs(corpus.dialogues(0, rows), "emotion_class")
        hits = int((target.argmax(axis=1) == values.argmax(axis=1)).sum())
        scores = dict((name, value) for name, value, _ in _top_emotion(target, values))
        found = [
            ("emotion accuracy, faces found", scores["emotion accuracy"], "%"),
            ("emotion UAR, faces found", scores["emotion UAR"], "%"),
        ]
        everywhere = [
            ("emotion accuracy, not found = wrong", 100 * hits / len(corpus), "%"),
            ("faces found", 100 * len(rows) / len(corpus), "%"),
        ]
        name = "FER-2013 face"
        return _figures(name, found, len(rows)) + _figures(name, everywhere, len(corpus))

    def _paired(
        self, text: TextCorpus, voices: VoiceCorpus, faces: FaceCorpus
    ) -> dict[str, dict[str, float]]:
        pairer = Pairer(text, voices, faces)
        drawn = [np.random.default_rng([PAIRING_SEED, n]) for n in range(N_PAIRINGS)]
        dialogues = [d for rng in drawn for d in pairer.dialogues(pairer.draw(rng))]
        table = {}
        for subset in SUBSETS:
            kept = [only(dialogue, subset) for dialogue in dialogues]
            target, values = self.outputs(kept, "emotion_class")
            row = {
                f"{metric.replace(' ', '_').lower()}": value
                for metric, value, _ in _top_emotion(target, values)
            }
            target, values = self.outputs(kept, "sentiment_class")
            truth, found = target[:, 0].astype(np.int64), values.argmax(axis=1)
            row["sentiment_weighted_f1"] = 100 * metrics.weighted_f1(truth, found)
            table[subset_name(subset)] = row
        return table

    def _decided(self, target: FloatArray, values: FloatArray) -> list[tuple[str, float, str]]:
        """Means over the emotions of decisions by threshold."""
        said: dict[str, Callable[..., float]] = {
            "f1": positive_f1,
            "w_acc": metrics.weighted_accuracy,
        }
        names = {"f1": "emotions F1 (mean)", "w_acc": "emotions W-Acc (mean)"}
        scores = []
        for objective, metric in said.items():
            limits = self._thresholds[objective]
            each = [
                metric(target[:, index] > 0, values[:, index] > limits[emotion])
                for index, emotion in enumerate(EMOTION_CLASSES)
            ]
            scores.append((names[objective], 100 * float(np.nanmean(each)), "%"))
        return scores


def _top_emotion(target: FloatArray, values: FloatArray) -> list[tuple[str, float, str]]:
    """Compare the most probable of the seven classes with the only label."""
    truth, found = target.argmax(axis=1), values.argmax(axis=1)
    return [
        ("emotion weighted F1", 100 * metrics.weighted_f1(truth, found), "%"),
        ("emotion macro F1", 100 * metrics.macro_f1(truth, found), "%"),
        ("emotion UAR", 100 * metrics.unweighted_average_recall(truth, found), "%"),
        ("emotion accuracy", 100 * metrics.accuracy(truth, found), "%"),
    ]


def _figures(corpus: str, scores: Scores, n: int) -> list[Figure]:
    return [
        Figure(corpus, metric, value, n, unit, TARGETS.get((corpus, metric)))
        for metric, value, unit in scores
    ]
