"""What an index draws of all its videos: bars of counts, added up over the videos that are shown.

Each chart gives every video a row of counts, so that a filter needs no more than a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from affect_pipe.pipeline.results.report.index_rows import (
    BIN_WIDTH,
    INTENSITY_BINS,
    IndexRow,
)

Counts = tuple[int, ...]
MISSING = {"text": "words", "acoustic": "voice", "visual": "face"}
"""What a missing modality is called."""
_LENGTHS_S = (10, 30, 60, 120, 300, 600, 1800, 3600)
_LENGTHS = ("under 10 s", "10 to 30 s", "30 to 60 s", "1 to 2 min", "2 to 5 min", "5 to 10 min",
            "10 to 30 min", "30 to 60 min", "over 1 h")  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """Bars of one question.

    Attributes
    ----------
    name : str
        For scripts.
    title : str
    unit : {"utterances", "videos"}
        What is counted.
    labels : tuple of str
        Of the bars, in order.
    counts : tuple of tuple of int
        One row a video, one number a bar.
    centres : tuple of float
        Of the bins of a histogram, on its axis; empty where bars have names alone.
    """

    name: str
    title: str
    unit: str
    labels: tuple[str, ...]
    counts: tuple[Counts, ...]
    centres: tuple[float, ...] = ()


def charts(rows: Sequence[IndexRow]) -> tuple[Chart, ...]:
    """Return the charts that have anything to tell of these videos."""
    return tuple(_charts(rows))


def _charts(rows: Sequence[IndexRow]) -> Iterator[Chart]:
    if not rows:
        return
    yield from _named("sentiment", "Sentiment", rows, lambda row: row.sentiments)
    if any(row.intensity_mean is not None for row in rows):
        edges = (*INTENSITY_BINS, INTENSITY_BINS[-1] + BIN_WIDTH)
        labels = tuple(f"{low:g} to {high:g}" for low, high in pairwise(edges))
        counts = tuple(row.intensities for row in rows)
        centres = tuple(low + BIN_WIDTH / 2 for low in INTENSITY_BINS)
        yield Chart("intensity", "Intensity", "utterances", labels, counts, centres)
    yield from _named("emotions", "Emotions", rows, lambda row: row.emotions)
    yield from _named("arousal", "Arousal", rows, lambda row: row.arousal)
    yield from _named("valence", "Valence", rows, lambda row: row.valence)
    lacked = tuple(lacking(row) for row in rows)
    if any(map(any, lacked)):
        labels = (*(f"no {name}" for name in MISSING.values()), "little evidence")
        yield Chart("missing", "Missing", "utterances", labels, lacked)
    lengths = tuple(_one_of(row.duration_s) for row in rows)
    yield Chart("length", "Length", "videos", _LENGTHS, lengths)


def lacking(row: IndexRow) -> Counts:
    """Return how many utterances lack words, voice, face, and enough evidence."""
    return (*(row.missing.get(m, 0) for m in ("text", "acoustic", "visual")), row.n_insufficient)


def _named(
    name: str,
    title: str,
    rows: Sequence[IndexRow],
    of: Callable[[IndexRow], Mapping[str, int] | None],
) -> Iterator[Chart]:
    """Yield a chart of classes that models name, in their order; none where no model does."""
    found = [of(row) or {} for row in rows]
    labels = tuple(dict.fromkeys(label for counts in found for label in counts))
    if labels:
        counts = tuple(tuple(one.get(label, 0) for label in labels) for one in found)
        yield Chart(name, title, "utterances", labels, counts)


def _one_of(duration_s: float) -> Counts:
    place = sum(duration_s >= edge for edge in _LENGTHS_S)
    return tuple(int(number == place) for number in range(len(_LENGTHS)))
