"""Acoustic functionals against openSMILE itself and against what must hold of sound."""

import math

import numpy as np
import pytest

from affect_pipe.extractors.acoustic import level
from affect_pipe.extractors.acoustic.egemaps import EGeMAPS
from affect_pipe.extractors.corpora import ClipSource
from affect_pipe.pipeline.media import probe, read_audio
from affect_pipe.pipeline.records import Audio, Interval, Media, Utterance, Word

RATE_HZ = 16000
# The same numbers through float32 text-free paths; only the gain multiplication differs.
EXACT = 1e-5


def source_of(samples, speech, start_s=0.0):
    audio = None if samples is None else Audio(np.asarray(samples, np.float32), start_s=start_s)
    media = Media("clip", "", "wav", 0.0 if audio is None else audio.duration_s, None, None)
    return ClipSource(media, audio, tuple(Interval(a, b) for a, b in speech))


def voice(seconds=2.0, f0_hz=120.0, amplitude=0.1, seed=0):
    """A buzz with a syllable rhythm: harmonics of ``f0_hz`` and a little noise."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    harmonics = sum(np.sin(2 * np.pi * k * f0_hz * t) / k for k in range(1, 20))
    rhythm = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)
    noise = np.random.default_rng(seed).normal(0, 1e-3, t.size)
    return (amplitude * harmonics * rhythm + noise).astype(np.float32)


@pytest.fixture(scope="module")
def egemaps():
    return EGeMAPS()


def test_matches_opensmile_on_the_scaled_signal(egemaps):
    import opensmile

    samples = voice()
    block = egemaps.extract(source_of(samples, [(0, 2)]), [Utterance(0, 0.0, 2.0, "")])
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    rms_db = 10 * math.log10(np.mean(samples.astype(float) ** 2))
    scaled = (samples * 10 ** ((-26 - rms_db) / 20)).astype(np.float32)
    expected = smile.process_signal(scaled, RATE_HZ)
    assert tuple(expected.columns) == egemaps.spec().columns
    np.testing.assert_allclose(block.values[0], expected.to_numpy()[0], rtol=EXACT, atol=EXACT)


def test_pitch_of_a_known_voice(egemaps):
    column = egemaps.spec().columns.index("F0semitoneFrom27.5Hz_sma3nz_amean")
    block = egemaps.extract(
        source_of(voice(f0_hz=220.0), [(0, 2)]), [Utterance(0, 0.0, 2.0, "", ())]
    )
    # 220 Hz is three octaves, 36 semitones, above 27.5 Hz.
    assert block.values[0, column] == pytest.approx(36.0, abs=0.3)


def test_distance_from_the_microphone_does_not_matter(egemaps):
    near = egemaps.extract(source_of(voice(), [(0, 2)]), [Utterance(0, 0.0, 2.0, "")])
    far = egemaps.extract(source_of(0.1 * voice(), [(0, 2)]), [Utterance(0, 0.0, 2.0, "")])
    np.testing.assert_allclose(near.values, far.values, rtol=1e-2, atol=1e-2)


def test_loudness_within_a_recording_does_matter(egemaps):
    samples = np.concatenate([voice(amplitude=0.02), voice(amplitude=0.2)])
    utterances = [Utterance(0, 0.0, 2.0, ""), Utterance(1, 2.0, 4.0, "")]
    block = egemaps.extract(source_of(samples, [(0, 4)]), utterances)
    column = egemaps.spec().columns.index("equivalentSoundLevel_dBp")
    assert block.values[1, column] - block.values[0, column] == pytest.approx(20.0, abs=1.0)


def test_what_cannot_be_described_is_absent_with_a_reason(egemaps):
    samples = np.concatenate([voice(1.0), np.zeros(RATE_HZ, np.float32), voice(1.0)])
    utterances = [
        Utterance(0, 0.0, 0.05, ""),
        Utterance(1, 1.1, 1.9, ""),
        Utterance(2, 2.0, 3.0, ""),
        Utterance(3, 9.0, 10.0, ""),
    ]
    block = egemaps.extract(source_of(samples, [(0, 1)]), utterances)
    assert not block.present.any()
    assert block.reasons == (
        "less than 0.2 s of audio",
        "silence",
        "no speech detected",
        "less than 0.2 s of audio",
    )


@pytest.mark.parametrize("seconds", [0.2, 0.21, 0.3, 0.5])
def test_the_shortest_utterances_are_finite(egemaps, seconds):
    words = (Word("yes", 0.0, seconds),)
    block = egemaps.extract(
        source_of(voice(), [(0, 2)]), [Utterance(0, 0.0, seconds, "yes", words)]
    )
    assert block.present.all()


def test_no_audio_track(egemaps):
    block = egemaps.extract(source_of(None, []), [Utterance(0, 0.0, 1.0, "hello")])
    assert block.reasons == ("no audio track",)


def test_times_are_on_the_clock_of_the_media(egemaps):
    late = egemaps.extract(source_of(voice(), [(5, 7)], start_s=5.0), [Utterance(0, 5.0, 7.0, "")])
    here = egemaps.extract(source_of(voice(), [(0, 2)]), [Utterance(0, 0.0, 2.0, "")])
    np.testing.assert_array_equal(late.values, here.values)


@pytest.mark.parametrize("true_db", [0.0, 10.0, 30.0])
def test_signal_to_noise_ratio_of_a_known_mixture(true_db):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.01, 4 * RATE_HZ).astype(np.float32)
    speech = voice(2.0)
    speech *= np.float32(0.01 * 10 ** (true_db / 20) / np.sqrt(np.mean(speech**2)))
    samples = noise.copy()
    samples[RATE_HZ : 3 * RATE_HZ] += speech
    audio, activity = Audio(samples), (Interval(1.0, 3.0),)
    background = level.noise_power(audio, activity)
    assert level.snr_db(samples[RATE_HZ : 3 * RATE_HZ], background) == pytest.approx(
        true_db, abs=0.5
    )


def test_the_sample_has_a_voice_in_every_sentence(egemaps, sample):
    audio = read_audio(probe(sample))
    source = source_of(audio.samples, [(0, audio.duration_s)])
    utterances = [Utterance(i, 3.0 * i, 3.0 * i + 3, "") for i in range(int(audio.duration_s / 3))]
    block = egemaps.extract(source, utterances)
    assert block.present.all()
    assert (block.quality["speech_s"] > 0).all()
