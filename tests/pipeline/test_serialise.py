"""Round trips through a real cache: what comes back equals what was stored."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.fingerprint import digest_json
from affect_pipe.pipeline.records import (
    ClassPrediction,
    EmotionPrediction,
    Evidence,
    FeatureBlock,
    FeatureSpec,
    Interval,
    Prediction,
    Segment,
    Transcript,
    UtterancePrediction,
    Word,
)
from affect_pipe.pipeline.serialise import (
    block_digest,
    block_from_entry,
    block_to_entry,
    intervals_from_entry,
    intervals_to_entry,
    prediction_from_entry,
    prediction_to_entry,
    spec_from_json,
    spec_to_json,
    transcript_from_entry,
    transcript_to_entry,
)

KEY = digest_json("key")
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
unit = st.floats(0, 1)
times = st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)).map(sorted)
maybe_text = st.none() | st.text()


def there_and_back(
    record: Any, to_entry: Callable[..., Any], from_entry: Callable[..., Any]
) -> Any:
    arrays, meta = to_entry(record)
    cache = Cache("memory://serialise")
    cache.put(KEY, "s", arrays, meta)
    entry = cache.get(KEY)
    assert entry is not None
    return from_entry(entry)


def assert_same(found: Any, expected: Any) -> None:
    """Equal in type, order and every bit; dataclass equality cannot compare arrays."""
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        assert found.shape == expected.shape
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


words = st.builds(
    lambda text, span, confidence: Word(text, *span, confidence), st.text(), times, st.none() | unit
)
qualities = st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False), max_size=2)
# The cache writes sorted keys.
qualities = qualities.map(lambda quality: dict(sorted(quality.items())))
segments = st.builds(
    lambda span, text, said, *rest: Segment(*span, text, tuple(said), *rest),
    times, st.text(), st.lists(words, max_size=3), maybe_text, qualities, maybe_text,
)  # fmt: skip
transcripts = st.builds(
    Transcript,
    segments=st.lists(segments, max_size=3).map(tuple),
    source=st.text(),
    model=st.text(),
    language=maybe_text,
    word_times=st.sampled_from(["measured", "aligned", "spread"]),
    guesses=st.booleans(),
    warnings=st.lists(st.text(), max_size=2).map(tuple),
)


@given(transcripts)
def test_transcripts(transcript: Transcript) -> None:
    assert_same(there_and_back(transcript, transcript_to_entry, transcript_from_entry), transcript)


@given(st.lists(times.map(lambda span: Interval(*span)), max_size=5).map(tuple))
def test_intervals(intervals: tuple[Interval, ...]) -> None:
    assert_same(there_and_back(intervals, intervals_to_entry, intervals_from_entry), intervals)


@st.composite
def blocks(draw: st.DrawFn) -> FeatureBlock:
    n, dim = draw(st.integers(0, 4)), draw(st.integers(1, 4))
    values = draw(hnp.arrays(np.float32, (n, dim), elements=finite))
    present = draw(hnp.arrays(np.bool_, (n,)))
    values = np.where(present[:, None], values, np.float32(0))
    quality = draw(
        st.dictionaries(
            st.text(min_size=1),
            hnp.arrays(np.float32, (n,), elements=st.floats(width=32)),
            max_size=3,
        )
    )
    settings = draw(
        st.dictionaries(st.text(), st.integers() | finite | st.lists(st.text(), max_size=2))
    )
    spec = FeatureSpec(
        draw(st.text()),
        draw(st.sampled_from(["text", "acoustic", "visual"])),
        dim,
        tuple(draw(st.text()) for _ in range(dim)),
        draw(st.text()),
        dict(sorted(settings.items())),
        draw(st.text()),
        draw(st.text()),
    )
    reasons = tuple(None if p else draw(st.text()) for p in present)
    return FeatureBlock(spec, values, present, reasons, quality)


@given(blocks())
def test_feature_blocks(block: FeatureBlock) -> None:
    found = there_and_back(block, block_to_entry, block_from_entry)
    assert_same(found, block)
    assert found.spec.compatible_with(block.spec)
    assert block_digest(found) == block_digest(block)


@given(blocks())
def test_specs(block: FeatureBlock) -> None:
    assert_same(spec_from_json(spec_to_json(block.spec)), block.spec)


emotions = st.builds(
    EmotionPrediction,
    st.none() | unit,
    st.none() | st.booleans(),
    st.none() | st.floats(0, 3),
)
probabilities = st.dictionaries(st.text(), unit, max_size=3)
classes = st.none() | st.builds(ClassPrediction, st.text(), probabilities)
reasons = st.lists(st.text(), max_size=2).map(tuple)
judgements = st.builds(
    UtterancePrediction,
    st.none() | st.text(),
    probabilities,
    st.none() | st.floats(-3, 3),
    st.dictionaries(st.text(), emotions, max_size=3),
    classes,
    classes,
    st.none() | reasons.map(lambda found: Evidence(not found, found)),
)


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    judged = draw(st.lists(st.none() | judgements, max_size=3))
    n = len(judged)
    matrices = hnp.arrays(np.float32, (n, n), elements=finite)
    attention = draw(st.dictionaries(st.text(min_size=1), matrices, max_size=3))
    return Prediction(tuple(judged), attention)


@given(predictions())
def test_predictions(prediction: Prediction) -> None:
    assert_same(there_and_back(prediction, prediction_to_entry, prediction_from_entry), prediction)


def test_labels_keep_their_order() -> None:
    judged = UtterancePrediction(
        "positive",
        {"positive": 0.75, "negative": 0.25},
        1.0,
        {
            "sad": EmotionPrediction(0.5, True, 1.0),
            "no-emotion": EmotionPrediction(0.5, False, 0.0),
        },
    )
    found = there_and_back(Prediction((judged,)), prediction_to_entry, prediction_from_entry)
    assert list(found.utterances[0].emotions) == ["sad", "no-emotion"]
    assert list(found.utterances[0].sentiment_probabilities) == ["positive", "negative"]


def test_numpy_scalars_in_a_prediction_are_stored_as_numbers() -> None:
    judged = UtterancePrediction(
        "neutral",
        {"neutral": np.float32(0.5)},  # type: ignore[dict-item]
        np.float64(0.25),
        {"sad": EmotionPrediction(np.float32(0.5), np.True_, np.float32(1))},  # type: ignore[arg-type]
    )
    found = there_and_back(Prediction((judged,)), prediction_to_entry, prediction_from_entry)
    assert type(found.utterances[0].emotions["sad"].present) is bool
    assert type(found.utterances[0].sentiment_probabilities["neutral"]) is float


def test_an_entry_of_another_record_is_refused() -> None:
    entry = intervals_to_entry(())
    for from_entry in (transcript_from_entry, block_from_entry, prediction_from_entry):
        with pytest.raises(ValueError, match="holds 'intervals'"):
            from_entry(entry)


def test_the_digest_of_a_block_follows_its_numbers_and_its_evidence() -> None:
    spec = FeatureSpec("x", "text", 1, ("a",), "1")

    def block(value: float, snr_db: float) -> FeatureBlock:
        quality = {"snr_db": np.array([snr_db], np.float32)}
        return FeatureBlock(
            spec, np.array([[value]], np.float32), np.array([True]), (None,), quality
        )

    digests = {block_digest(block(*pair)) for pair in [(1, 2), (1, 3), (2, 2), (1, 2)]}
    assert len(digests) == 3
