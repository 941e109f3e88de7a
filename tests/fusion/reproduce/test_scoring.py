"""Cross-fitting by hand, intervals against the general bootstrap, tests between rows."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from affect_pipe.fusion.crossfit import cross_fit
from affect_pipe.fusion.reproduce.cells import CellResult
from affect_pipe.fusion.reproduce.crossfit import assemble, choose, halves_of
from affect_pipe.fusion.reproduce.moments import evaluate
from affect_pipe.fusion.reproduce.scoring import compare, score
from affect_pipe.fusion.reproduce.tables import SI, Claim, Entry
from affect_pipe.fusion.statistics import cluster_bootstrap

VIDEOS = 12
# Two bootstraps of 2,000 resamples each, on some sixty utterances, in percent.
BOOTSTRAP_TOLERANCE = 1.5


def made(n_epochs=None, seed=0, skill=0.3):
    """A result on VIDEOS videos; better than chance by ``skill``."""
    rng = np.random.default_rng(seed)
    videos = np.repeat(np.arange(VIDEOS), 3 + np.arange(VIDEOS) % 4)
    n = len(videos)
    target = np.random.default_rng(99).integers(2, size=(n, 1)).astype(np.float32)
    shape = (n, 2) if n_epochs is None else (n_epochs, n, 2)
    values = rng.random(shape).astype(np.float32)
    values += np.float32(skill) * np.eye(2, dtype=np.float32)[target[:, 0].astype(int)]
    ids = tuple(f"v{i:02d}" for i in range(VIDEOS))
    return CellResult(ids, videos, {"sentiment_class": target}, {"sentiment_class": values})


def test_cross_fitting_by_hand():
    # Two videos of 10 utterances; epoch 0 is right on the first, epoch 1 on the second.
    counts = np.zeros((2, 2, 2, 2))
    counts[0, 0], counts[0, 1] = np.diag([5, 5]), [[2, 3], [3, 2]]
    counts[1, 0], counts[1, 1] = [[1, 4], [4, 1]], np.diag([5, 5])
    halves = np.array([[True, False]])
    chosen = choose(counts, halves, lambda s: evaluate("sentiment_class", "accuracy", s))
    assert chosen.tolist() == [[0, 1]]
    taken = assemble(counts, halves, chosen)
    # Each video is scored by the epoch the other one chose: 2 of 10 and 4 of 10 are right.
    assert evaluate("sentiment_class", "accuracy", taken.sum(axis=1)) == pytest.approx(0.3)


def test_a_video_is_never_scored_by_an_epoch_it_chose():
    # Epoch e is right on video e alone: whoever scores itself would get everything right.
    counts = np.zeros((VIDEOS, VIDEOS, 2, 2))
    for epoch in range(VIDEOS):
        for video in range(VIDEOS):
            counts[epoch, video, 0, 0 if epoch == video else 1] = 1
    halves = halves_of([f"v{i:02d}" for i in range(VIDEOS)])
    chosen = choose(counts, halves, lambda s: evaluate("sentiment_class", "accuracy", s))
    taken = assemble(counts, halves, chosen)
    assert not evaluate("sentiment_class", "accuracy", taken).any()


def test_cross_fitted_accuracy_is_that_of_the_general_function(setup_of):
    result = made(n_epochs=6)
    found = score(Entry(setup_of("r"), "sentiment_class", "accuracy"), lambda s: {1: result})
    assert found is not None
    target = result.targets["sentiment_class"][:, 0].astype(int)
    decided = result.values["sentiment_class"].argmax(axis=2)
    names = np.array(result.ids)[result.videos]
    general = cross_fit(target, decided, names, lambda y, p: float(accuracy_score(y, p)))
    # Pooled over both halves here, the mean of the halves there: their sizes differ a little.
    assert found.mean == pytest.approx(100 * general.score, abs=1.0)


def test_interval_agrees_with_the_general_bootstrap(setup_of):
    results = {seed: made(seed=seed) for seed in (1, 2, 3)}
    setup = setup_of("r", protocol="validation")
    found = score(Entry(setup, "sentiment_class", "weighted_f1"), lambda s: results)
    assert found is not None
    from sklearn.metrics import f1_score

    def mean_f1(target, *values):
        scores = [f1_score(target, v.argmax(axis=1), average="weighted") for v in values]
        return 100 * float(np.mean(scores))

    target = results[1].targets["sentiment_class"][:, 0].astype(int)
    arrays = (target, *(r.values["sentiment_class"] for r in results.values()))
    assert found.mean == pytest.approx(mean_f1(*arrays))
    rng = np.random.default_rng(7)
    general = cluster_bootstrap(mean_f1, arrays, results[1].videos, rng, n_resamples=400)
    assert found.interval.low == pytest.approx(general.low, abs=BOOTSTRAP_TOLERANCE)
    assert found.interval.high == pytest.approx(general.high, abs=BOOTSTRAP_TOLERANCE)
    again = score(found.entry, lambda s: results)
    assert again is not None
    assert again.interval == found.interval


def test_deviation_is_over_seeds(setup_of):
    results = {seed: made(seed=seed) for seed in (1, 2, 3)}
    setup = setup_of("r", protocol="validation")
    found = score(Entry(setup, "sentiment_class", "accuracy"), lambda s: results)
    assert found is not None
    each = [
        100
        * accuracy_score(r.targets["sentiment_class"][:, 0], r.values["sentiment_class"].argmax(1))
        for r in results.values()
    ]
    assert list(found.by_seed.values()) == pytest.approx(each)
    assert found.std == pytest.approx(np.std(each, ddof=1))


def test_no_finished_seed_gives_no_score(setup_of):
    assert score(Entry(setup_of("r"), "sentiment_class", "accuracy"), lambda s: {}) is None


def test_a_lower_error_counts_as_better(setup_of):
    target = np.linspace(-1, 1, 24, dtype=np.float32)[:, None]
    videos = np.repeat(np.arange(6), 4)
    ids = tuple("abcdef")

    def said(error):
        return {
            seed: CellResult(
                ids,
                videos,
                {"sentiment_intensity": target},
                {"sentiment_intensity": target + np.float32(error + 0.01 * seed)},
            )
            for seed in (1, 2)
        }

    good, bad = (setup_of(row, tasks=(SI,), protocol="validation") for row in ("good", "bad"))
    scores = [
        score(Entry(setup, "sentiment_intensity", "mae"), lambda s, e=error: said(e))
        for setup, error in ((good, 0.1), (bad, 0.3))
    ]
    (found,) = compare((Claim("good", "bad", "here"),), [s for s in scores if s is not None])
    # MAE is on the papers' [-3, 3]: three times 0.2.
    assert found.test.difference == pytest.approx(0.6, abs=1e-5)
    assert found.interval.low == pytest.approx(0.6, abs=1e-5)


def test_rows_of_other_modalities_are_not_compared(setup_of):
    one = score(
        Entry(setup_of("a", protocol="validation"), "sentiment_class", "accuracy"),
        lambda s: {1: made(), 2: made(seed=1)},
    )
    other = score(
        Entry(
            setup_of("b", protocol="validation", modalities=("text",)),
            "sentiment_class",
            "accuracy",
        ),
        lambda s: {1: made(), 2: made(seed=1)},
    )
    assert one is not None
    assert other is not None
    assert compare((Claim("a", "b", "here"),), [one, other]) == ()
