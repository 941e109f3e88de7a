"""Cross-fitting: answers known on paper, and what must hold of any predictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect_pipe.fusion.crossfit import best_epoch, cross_fit, halve, select_on_validation
from affect_pipe.pipeline.errors import UsageError


def accuracy(reference, estimate):
    return float(np.mean(reference == estimate))


@st.composite
def problems(draw):
    """Labels, predictions of some epochs, and a video for each utterance."""
    n_videos, n_epochs = draw(st.integers(2, 7)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = rng.integers(1, 6, n_videos)
    videos = np.repeat([f"v{i}" for i in range(n_videos)], sizes)
    n = len(videos)
    return rng.integers(0, 2, n), rng.integers(0, 2, (n_epochs, n)), videos


@given(problems(), st.integers(0, 99))
def test_halves_are_complements_of_whole_videos(problem, seed):
    _, _, videos = problem
    for first, second in halve(videos, 5, seed):
        assert (first != second).all()
        names = set(videos[first]), set(videos[second])
        assert not names[0] & names[1]
        assert abs(len(names[0]) - len(names[1])) <= 1


@settings(deadline=None)
@given(problems())
def test_against_a_plain_loop_over_the_definition(problem):
    reference, estimates, videos = problem
    found = cross_fit(reference, estimates, videos, accuracy, halvings=4, seed=3)
    expected = []
    for pair in halve(videos, 4, 3):
        for scored, choosing in (pair, pair[::-1]):
            on_choosing = [(e[choosing] == reference[choosing]).mean() for e in estimates]
            chosen = estimates[on_choosing.index(max(on_choosing))]
            expected.append((chosen[scored] == reference[scored]).mean())
    assert found.score == pytest.approx(np.mean(expected))


@settings(deadline=None)
@given(problems())
def test_it_lies_between_the_worst_and_the_best_epoch_of_each_half(problem):
    reference, estimates, videos = problem
    found = cross_fit(reference, estimates, videos, accuracy, halvings=6)
    for index, pair in enumerate(halve(videos, 6, 0)):
        for side, half in enumerate(pair):
            scores = [accuracy(reference[half], e[half]) for e in estimates]
            assert min(scores) <= found.scores[index, side] <= max(scores)
    assert ((found.epochs >= 1) & (found.epochs <= len(estimates))).all()


@settings(deadline=None)
@given(problems(), st.integers(0, 2**32 - 1))
def test_the_order_of_utterances_does_not_matter(problem, seed):
    reference, estimates, videos = problem
    order = np.random.default_rng(seed).permutation(len(videos))
    first = cross_fit(reference, estimates, videos, accuracy, halvings=3)
    second = cross_fit(reference[order], estimates[:, order], videos[order], accuracy, halvings=3)
    assert second.score == pytest.approx(first.score)
    np.testing.assert_array_equal(first.epochs, second.epochs)


@settings(deadline=None)
@given(problems())
def test_with_one_epoch_every_utterance_counts_by_its_half(problem):
    reference, estimates, videos = problem
    found = cross_fit(reference, estimates[:1], videos, accuracy, halvings=3)
    assert (found.epochs == 1).all()
    same = cross_fit(reference, np.repeat(estimates[:1], 4, axis=0), videos, accuracy, halvings=3)
    assert same.score == found.score


def test_the_labels_of_the_scored_half_do_not_choose():
    reference, videos = np.zeros(8, int), np.repeat(list("abcd"), 2)
    estimates = np.random.default_rng(0).integers(0, 2, (6, 8))
    found = cross_fit(reference, estimates, videos, accuracy, halvings=9)
    for index, pair in enumerate(halve(videos, 9, 0)):
        for side, half in enumerate(pair):
            spoilt = np.where(half, 1 - reference, reference)
            again = cross_fit(spoilt, estimates, videos, accuracy, halvings=9)
            assert again.epochs[index, side] == found.epochs[index, side]


def test_on_paper():
    # One video is right in the first epoch only, the other in the second only: whichever half
    # chooses, it chooses wrongly for the other.
    reference, videos = np.array([1, 1]), ["a", "b"]
    estimates = np.array([[1, 0], [0, 1]])
    found = cross_fit(reference, estimates, videos, accuracy)
    assert found.score == 0.0
    assert found.scores.shape == (50, 2)
    # Choosing on what is scored would have said one half.
    assert max(accuracy(reference, e) for e in estimates) == 0.5
    assert cross_fit(reference, np.array([[0, 0], [1, 1]]), videos, accuracy).usual_epoch == 2


def test_noise_is_not_rewarded():
    """The best of many coin-tossing epochs looks good; cross-fitted it is a coin toss."""
    rng = np.random.default_rng(4)
    reference, videos = rng.integers(0, 2, 600), np.repeat(np.arange(30), 20).astype(str)
    estimates = rng.integers(0, 2, (50, 600))
    best = max(accuracy(reference, e) for e in estimates)
    found = cross_fit(reference, estimates, videos, accuracy)
    assert best > 0.53
    # The standard error of 600 tosses is 0.02.
    assert found.score == pytest.approx(0.5, abs=0.02)


def test_a_metric_that_is_undefined_on_a_half_leaves_it_out():
    def only_b(reference, estimate):
        return float("nan") if len(reference) == 1 else accuracy(reference, estimate)

    reference, videos = np.array([1, 1, 1]), ["a", "b", "b"]
    estimates = np.array([[1, 1, 0], [1, 1, 1]])
    found = cross_fit(reference, estimates, videos, only_b, halvings=2)
    assert found.score == 0.5
    assert np.isnan(found.scores).sum() == 2
    with pytest.raises(UsageError, match="no half"):
        cross_fit(reference, estimates, videos, lambda *_: float("nan"))


def test_ordinary_selection():
    validation = (np.array([1, 0]), np.array([[0, 1], [1, 0], [1, 0]]))
    test = (np.array([1]), np.array([[1], [0], [1]]))
    assert select_on_validation(validation, test, accuracy) == (0.0, 2)
    with pytest.raises(UsageError, match="same epochs"):
        select_on_validation(validation, (test[0], test[1][:2]), accuracy)
    assert best_epoch(np.array([np.nan, 0.2, 0.3, 0.3])) == 3


@pytest.mark.parametrize("videos", [["a", "a"], ["a"]])
def test_what_does_not_fit_is_refused(videos):
    with pytest.raises(UsageError, match=r"two videos|a video for each"):
        cross_fit(np.zeros(2), np.zeros((3, 2)), videos, accuracy)
