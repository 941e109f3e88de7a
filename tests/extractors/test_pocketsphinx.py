"""PocketSphinx hears something, says how sure it is, and warns."""

from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.extractors.speech.pocketsphinx_asr import MISHEARS, PocketSphinx
from affect_pipe.extractors.speech.regions import pcm16, speech_regions
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import Audio, Interval

RATE = 16000


def test_hears_words_in_their_place(speech_of):
    source, truth = speech_of("The weather was lovely yesterday.", "My brother is in the office.")
    transcript = PocketSphinx().transcribe(source)
    assert transcript.guesses
    assert MISHEARS in transcript.warnings
    words = [word.text for word in transcript.words]
    assert {"weather", "yesterday"} & set(words)
    assert not any(set(word) & set("()<>[]") for word in words)
    assert all(0.0 <= word.confidence <= 1.0 for word in transcript.words)
    for segment, interval in zip(transcript.segments, truth, strict=True):
        assert interval.start_s - 0.1 <= segment.start_s < segment.end_s <= interval.end_s + 0.1
    assert PocketSphinx().transcribe(source) == transcript


def test_nothing_to_hear_is_an_empty_transcript_and_no_word_about_whisper(heard):
    recogniser = PocketSphinx(note="Whisper is away.")
    for nothing in (heard(None, (), 3.0), heard(np.zeros(RATE, np.float32), (), 1.0)):
        transcript = recogniser.signed(recogniser.transcribe(nothing))
        assert transcript.segments == ()
        assert transcript.warnings == ()


def test_why_it_was_chosen_belongs_to_the_run_and_not_to_the_words(heard):
    source = heard(np.zeros(RATE, np.float32), (Interval(0.2, 0.8),), 1.0)
    noted, plain = PocketSphinx(note="Whisper is away."), PocketSphinx()
    kept = noted.transcribe(source)
    assert noted.signed(kept).warnings == ("Whisper is away.", MISHEARS)
    assert plain.signed(kept).warnings == (MISHEARS,)


def test_knows_english_alone():
    assert PocketSphinx(language="en-GB").spec() == PocketSphinx().spec()
    with pytest.raises(UsageError, match="English"):
        PocketSphinx(language="de")


def test_regions_are_bridged_padded_and_bounded():
    samples = np.random.default_rng(0).normal(0, 0.1, 50 * RATE).astype(np.float32)
    samples[25 * RATE : 25 * RATE + RATE // 10] = 0.0
    audio = Audio(samples)
    activity = [Interval(0.0, 1.0), Interval(1.3, 2.0), Interval(2.9, 48.0), Interval(49.95, 50.0)]
    regions = list(speech_regions(activity, audio))
    assert (regions[0].start_s, regions[0].end_s) == (0.0, pytest.approx(2.1))
    assert regions[1].end_s == pytest.approx(25.05, abs=0.05)
    assert regions[2].start_s == regions[1].end_s
    assert regions[-1].end_s == 50.0
    assert all(region.duration_s <= 30.0 for region in regions)
    assert len(pcm16(audio, regions[0])) == 2 * round(2.1 * RATE)
