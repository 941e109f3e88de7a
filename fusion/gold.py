"""Predictions measured against what a person annotated of the same video.

Utterances are matched by time. The overlap of a pair is the time they share over the time either
takes (intersection over union); pairs of 0.5 and more are matched, the largest overlap first, each
utterance once, the same speaker's before another's. Everything else is unmatched and counted, on
both sides. Metrics are over matched pairs in which both sides know the value:
`affect_pipe.fusion.metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from affect_pipe.fusion import metrics
from affect_pipe.fusion.config import LEVELS, SENTIMENT_LABELS, SENTIMENTS
from affect_pipe.fusion.datasets.annotated import AnnotatedUtterance, AnnotatedVideo
from affect_pipe.fusion.encoding import sentiment_classes
from affect_pipe.fusion.gold_report import GoldFigure, GoldReport
from affect_pipe.pipeline.results.result_file import Result
from affect_pipe.pipeline.results.result_parts import UtterancePart

MIN_OVERLAP = 0.5
Pair = tuple[AnnotatedUtterance, UtterancePart]


def match(
    gold: Sequence[AnnotatedUtterance],
    predicted: Sequence[UtterancePart],
    least: float = MIN_OVERLAP,
) -> list[tuple[float, int, int]]:
    """Match utterances by time.

    Returns
    -------
    list of (overlap, index in gold, index in predicted)
        In order of time; each index once; overlaps in ``[least, 1]``.
    """
    candidates = []
    first = 0
    ordered = sorted(range(len(predicted)), key=lambda i: predicted[i].start_s)
    longest_s = max((p.end_s - p.start_s for p in predicted), default=0.0)
    for g, one in sorted(enumerate(gold), key=lambda pair: pair[1].start_s):
        while first < len(ordered) and predicted[ordered[first]].start_s < one.start_s - longest_s:
            first += 1
        for p in ordered[first:]:
            other = predicted[p]
            if other.start_s >= one.end_s:
                break
            overlap = _overlap(one, other)
            if overlap >= least and overlap > 0:
                candidates.append((-overlap, one.speaker != other.speaker, g, p))
    pairs, gold_taken, predicted_taken = [], set[int](), set[int]()
    for negative, _, g, p in sorted(candidates):
        if g not in gold_taken and p not in predicted_taken:
            gold_taken.add(g)
            predicted_taken.add(p)
            pairs.append((-negative, g, p))
    return sorted(pairs, key=lambda pair: pair[1:])


def _overlap(one: AnnotatedUtterance, other: UtterancePart) -> float:
    common_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    either_s = max(one.end_s, other.end_s) - min(one.start_s, other.start_s)
    return common_s / either_s if either_s > 0 and common_s > 0 else 0.0


def evaluate_gold(gold: AnnotatedVideo, result: Result, least: float = MIN_OVERLAP) -> GoldReport:
    """Measure a result against an annotation.

    Parameters
    ----------
    gold : AnnotatedVideo
    result : Result
    least : float
        Overlap from which two utterances are the same, in (0, 1].
    """
    found = match(gold.utterances, result.utterances, least)
    pairs = [(gold.utterances[g], result.utterances[p]) for _, g, p in found]
    figures = tuple(_figures(pairs))
    warnings = list(gold.warnings)
    if gold.media and gold.media != result.media:
        warnings.append(f"the annotation is of {gold.media}, the result of {result.media}")
    if not pairs:
        warnings.append("no utterance of the annotation lies where one of the result does")
    elif not any(one.labels.any for one, _ in pairs):
        warnings.append(f"{gold.path.name} labels nothing there: annotate a tier first")
    elif not figures:
        warnings.append("what is annotated is nothing that the result predicts")
    return GoldReport(
        gold=gold.path.name,
        result=f"{result.stem}",
        matched=len(pairs),
        gold_unmatched=len(gold.utterances) - len(pairs),
        predicted_unmatched=len(result.utterances) - len(pairs),
        gold_without_labels=sum(not one.labels.any for one, _ in pairs),
        mean_overlap=float(np.mean([o for o, _, _ in found])) if found else float("nan"),
        figures=figures,
        warnings=tuple(warnings),
    )


def _figures(pairs: Sequence[Pair]) -> Iterator[GoldFigure]:
    classes = [_sentiment_pair(*pair) for pair in pairs]
    yield from _class_figures("sentiment", [pair for pair in classes if pair is not None])
    degrees = [
        (one.labels.sentiment, other.sentiment.intensity)
        for one, other in pairs
        if other.sentiment is not None
    ]
    yield from _sentiment_degrees(_known(degrees))
    yield from _emotion_figures(pairs)
    for name in ("arousal", "valence"):
        levels = [
            (getattr(one.labels, name), getattr(other, name).label)
            for one, other in pairs
            if isinstance(getattr(one.labels, name), str) and getattr(other, name) is not None
        ]
        numbered = [(LEVELS.index(a), LEVELS.index(b)) for a, b in levels if b in LEVELS]
        yield from _class_figures(name, numbered)


def _sentiment_pair(one: AnnotatedUtterance, other: UtterancePart) -> tuple[int, int] | None:
    """Return both classes in the finest scheme that both sides know, or None."""
    if other.sentiment is None or other.sentiment.label is None:
        return None
    named, degree = one.labels.sentiment_class, one.labels.sentiment
    predicted = other.sentiment.label
    # The scheme of the model is that of the labels it gives probabilities to.
    labels = tuple(other.sentiment.probabilities or ())
    scheme = next((n for n, names in SENTIMENT_LABELS.items() if set(names) == set(labels)), None)
    if scheme is not None:
        names = SENTIMENT_LABELS[scheme]
        if named in names:
            return names.index(named), names.index(predicted)
        if named is None and degree is not None:
            return int(sentiment_classes(degree, scheme)), names.index(predicted)
    if named is None and degree is not None:
        named = SENTIMENTS[int(sentiment_classes(degree, 3))]
    left, right = (_coarse(label) for label in (named or "", predicted))
    if predicted == "non-negative" or scheme == 2:
        if left is None:
            return None
        return int(left > 0), int(predicted == "non-negative")
    return None if left is None or right is None else (left, right)


def _coarse(label: str) -> int | None:
    """Return the index in `SENTIMENTS` of a class, also of one such as "weak positive"."""
    last = label.rpartition(" ")[2]
    return SENTIMENTS.index(last) if last in SENTIMENTS else None


def _class_figures(of: str, pairs: Sequence[tuple[int, int]]) -> Iterator[GoldFigure]:
    if not pairs:
        return
    reference, estimate = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
    for name, metric in (
        ("accuracy", metrics.accuracy),
        ("weighted_f1", metrics.weighted_f1),
        ("macro_f1", metrics.macro_f1),
        ("uar", metrics.unweighted_average_recall),
    ):
        yield GoldFigure(of, name, metric(reference, estimate), len(pairs))


def _sentiment_degrees(pairs: Sequence[tuple[float, float]]) -> Iterator[GoldFigure]:
    yield from _degree_figures("sentiment intensity", pairs)
    if not pairs:
        return
    reference, estimate = (np.array(side, np.float64) for side in zip(*pairs, strict=True))
    nonzero = int((reference != 0).sum())
    yield GoldFigure("sentiment intensity", "acc2", metrics.acc2(reference, estimate), len(pairs))
    yield GoldFigure(
        "sentiment intensity",
        "acc2_nonzero",
        metrics.acc2(reference, estimate, zeros="excluded"),
        nonzero,
    )
    yield GoldFigure("sentiment intensity", "acc7", metrics.acc7(reference, estimate), len(pairs))


def _degree_figures(of: str, pairs: Sequence[tuple[float, float]]) -> Iterator[GoldFigure]:
    if not pairs:
        return
    reference, estimate = (np.array(side, np.float64) for side in zip(*pairs, strict=True))
    for name, metric in (
        ("mae", metrics.mean_absolute_error),
        ("pearson", metrics.pearson),
        ("ccc", metrics.ccc),
    ):
        yield GoldFigure(of, name, metric(reference, estimate), len(pairs))


def _emotion_figures(pairs: Sequence[Pair]) -> Iterator[GoldFigure]:
    """F1 and W-Acc of every emotion's presence and the errors of its intensity, and their means.

    As in training: F1 is weighted by class, both are undefined where all or none have the emotion,
    and means are over the emotions in which they are defined.
    """
    names = list(dict.fromkeys(name for _, other in pairs for name in other.emotions or ()))
    found: dict[str, list[GoldFigure]] = {"emotion": [], "emotion intensity": []}
    for name in names:
        present = [
            (one.labels.present[name], other.emotions[name].present)
            for one, other in pairs
            if other.emotions and name in other.emotions and name in one.labels.present
        ]
        found["emotion"] += _presence_figures(name, _known(present))
        degrees = [
            (_degree(one.labels.degrees, one.labels.present, name), other.emotions[name].intensity)
            for one, other in pairs
            if other.emotions and name in other.emotions
        ]
        if any(name in one.labels.degrees for one, _ in pairs):
            found["emotion intensity"] += _degree_figures(f"{name} intensity", _known(degrees))
    for of, figures in found.items():
        yield from figures
        for metric in dict.fromkeys(figure.metric for figure in figures):
            values = [f.value for f in figures if f.metric == metric and math.isfinite(f.value)]
            n = max(f.n for f in figures if f.metric == metric)
            mean = float(np.mean(values)) if values else float("nan")
            yield GoldFigure(f"{of}, mean", metric, mean, n)


def _degree(degrees: Mapping[str, float], present: Mapping[str, bool], name: str) -> float | None:
    """Return an annotated degree: 0 of what is not present."""
    return 0.0 if present.get(name) is False else degrees.get(name)


def _presence_figures(of: str, pairs: Sequence[tuple[bool, bool]]) -> Iterator[GoldFigure]:
    if not pairs:
        return
    reference, estimate = (np.array(side, np.bool_) for side in zip(*pairs, strict=True))
    both = bool(reference.any() and not reference.all())
    f1 = metrics.weighted_f1(reference, estimate) if both else float("nan")
    yield GoldFigure(of, "f1", f1, len(pairs))
    yield GoldFigure(of, "w_acc", metrics.weighted_accuracy(reference, estimate), len(pairs))


def _known(pairs: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [(a, b) for a, b in pairs if a is not None and b is not None]
