"""From cells to numbers: means over seeds, intervals over videos, tests between rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.config import TaskName
from affect_pipe.fusion.reproduce.cells import CellResult
from affect_pipe.fusion.reproduce.crossfit import assemble, choose, halves_of
from affect_pipe.fusion.reproduce.moments import Sums, Thresholds, evaluate, video_sums
from affect_pipe.fusion.reproduce.tables import LOWER_IS_BETTER, PERCENT, Claim, Entry, Setup
from affect_pipe.fusion.statistics import Interval, PairedTest, paired_t_test

Load = Callable[[Setup], Mapping[int, CellResult]]
"""Results of a setup by seed; seeds that failed are left out."""
N_RESAMPLES = 2000
BOOTSTRAP_SEED = 0
CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Score:
    """One number of ours.

    Attributes
    ----------
    entry : Entry
    by_seed : mapping of int to float
        In the units of the table.
    interval : Interval
        Of the mean over seeds, by resampling the videos it was measured on.
    sums : float64 [n_videos, n_draws, ...], or None
        Ingredients of the metric: a draw is a seed, or a seed and a halving.
    ids : tuple of str
        The videos.
    """

    entry: Entry
    by_seed: Mapping[int, float]
    interval: Interval
    sums: Sums | None
    ids: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(list(self.by_seed.values())))

    @property
    def std(self) -> float:
        """Standard deviation over seeds (n - 1); NaN of one seed."""
        values = list(self.by_seed.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


@dataclass(frozen=True)
class Comparison:
    """Two rows over the same seeds and videos; positive where the claim's better row is better.

    Attributes
    ----------
    claim : Claim
    better, worse : Entry
    test : PairedTest
        Over seeds.
    interval : Interval
        Of the mean difference, by resampling videos.
    """

    claim: Claim
    better: Entry
    worse: Entry
    test: PairedTest
    interval: Interval


def score(entry: Entry, load: Load) -> Score | None:
    """Score an entry of a table; None where no seed has finished."""
    results = load(entry.setup)
    if not results:
        return None
    seeds = sorted(results)
    if entry.setup.protocol == "none":
        values = {seed: (results[seed].facts or {})[entry.metric] for seed in seeds}
        return Score(entry, values, Interval(float("nan"), float("nan")), None, ())
    drawn = [_draws(entry, results[seed]) for seed in seeds]
    scale = 100.0 if entry.metric in PERCENT else 1.0
    by_seed = {
        seed: scale * _mean_metric(entry, sums.sum(axis=0))
        for seed, sums in zip(seeds, drawn, strict=True)
    }
    ids = results[seeds[0]].ids
    # Videos are resampled by place: every seed must have been judged on the same ones.
    same = all(results[seed].ids == ids for seed in seeds)
    sums = np.concatenate(drawn, axis=1) if same else None
    interval = Interval(float("nan"), float("nan"))
    if sums is not None:
        interval = _percentiles(scale * _resampled(entry, sums, _weights(len(ids))))
    return Score(entry, by_seed, interval, sums, ids)


def _draws(entry: Entry, result: CellResult) -> Sums:
    """Ingredients of a metric ``[n_videos, n_draws, ...]`` of one seed."""
    setup, task = entry.setup, entry.task
    if setup.protocol == "cross-fit":
        by_epoch = _by_epoch(entry.metric, setup, task, result)
        selector = _by_epoch(_selector(task), setup, task, result)
        halves = halves_of(result.ids)
        chosen = choose(selector, halves, lambda sums: _signed(task, _selector(task), sums))
        return np.moveaxis(assemble(by_epoch, halves, chosen), 0, 1)
    values = result.values[task]
    return _sums(entry.metric, setup, task, result, values)[:, None]


def _by_epoch(metric: str, setup: Setup, task: TaskName, result: CellResult) -> Sums:
    epochs = [_sums(metric, setup, task, result, values) for values in result.values[task]]
    return np.stack(epochs)


def _sums(
    metric: str,
    setup: Setup,
    task: TaskName,
    result: CellResult,
    values: npt.NDArray[np.float32],
) -> Sums:
    limits = Thresholds(setup.f1_threshold, setup.w_acc_threshold)
    return video_sums(
        task, metric, result.targets[task], values, result.videos, len(result.ids), limits
    )


def _selector(task: TaskName) -> str:
    """Name what cross-fitting chooses the epoch by."""
    if task == "sentiment_class" or task.endswith(("arousal_class", "valence_class")):
        return "accuracy"
    return "emotion_f1" if task == "emotion_class" else "pearson"


def _signed(task: TaskName, metric: str, sums: Sums) -> Sums:
    found = evaluate(task, metric, sums)
    return -found if metric in LOWER_IS_BETTER else found


def _mean_metric(entry: Entry, sums: Sums) -> float:
    """Metric of ``[n_draws, ...]``, mean over draws."""
    return float(np.mean(evaluate(entry.task, entry.metric, sums)))


def _weights(n_videos: int) -> Sums:
    """How often each resample holds each video, ``[N_RESAMPLES, n_videos]``; always the same."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = rng.integers(n_videos, size=(N_RESAMPLES, n_videos))
    return np.stack([np.bincount(row, minlength=n_videos) for row in drawn]).astype(np.float64)


def _resampled(entry: Entry, sums: Sums, weights: Sums) -> Sums:
    """Mean over draws of the metric in each resample, ``[n_resamples]``."""
    flat = sums.reshape(len(sums), -1)
    found = np.empty(len(weights))
    # A few hundred resamples at a time: with 50 halvings the products are large.
    for start in range(0, len(weights), 250):
        part = weights[start : start + 250]
        total = (part @ flat).reshape(len(part), *sums.shape[1:])
        found[start : start + 250] = evaluate(entry.task, entry.metric, total).mean(axis=1)
    return found


def _percentiles(values: Sums) -> Interval:
    finite = values[np.isfinite(values)]
    if len(finite) < len(values) / 2:
        return Interval(float("nan"), float("nan"))
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(finite, [tail, 100 - tail])
    return Interval(float(low), float(high))


def compare(claims: Sequence[Claim], scores: Sequence[Score]) -> tuple[Comparison, ...]:
    """Test each claim wherever both its rows have the same number."""
    by_place = {_place(found.entry, found.entry.setup.row): found for found in scores}
    comparisons = []
    for claim in claims:
        for better in scores:
            if better.entry.setup.row != claim.better:
                continue
            worse = by_place.get(_place(better.entry, claim.worse))
            if worse is not None:
                found = _compared(claim, better, worse)
                if found is not None:
                    comparisons.append(found)
    return tuple(comparisons)


def _place(entry: Entry, row: str) -> tuple[object, ...]:
    classes = tuple(task.classes for task in entry.setup.tasks if task.name == entry.task)
    return (
        row,
        entry.setup.source,
        entry.setup.modalities,
        entry.setup.protocol,
        entry.task,
        classes,
        entry.metric,
    )


def _compared(claim: Claim, better: Score, worse: Score) -> Comparison | None:
    seeds = sorted(set(better.by_seed) & set(worse.by_seed))
    if len(seeds) < 2:
        return None
    sign = -1.0 if better.entry.metric in LOWER_IS_BETTER else 1.0
    test = paired_t_test(
        [sign * worse.by_seed[seed] for seed in seeds],
        [sign * better.by_seed[seed] for seed in seeds],
    )
    interval = Interval(float("nan"), float("nan"))
    if better.sums is not None and worse.sums is not None and better.ids == worse.ids:
        scale = sign * (100.0 if better.entry.metric in PERCENT else 1.0)
        weights = _weights(len(better.ids))
        # The same resamples for both, so that what they share cancels.
        left = _resampled(worse.entry, worse.sums, weights)
        right = _resampled(better.entry, better.sums, weights)
        interval = _percentiles(scale * (right - left))
    return Comparison(claim, better.entry, worse.entry, test, interval)
