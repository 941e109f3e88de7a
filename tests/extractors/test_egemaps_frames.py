"""eGeMAPS by the frame: openSMILE's own numbers, at the right times."""

import math
import wave

import numpy as np
import pytest

from affect_pipe.extractors.acoustic.egemaps import EGeMAPS
from affect_pipe.extractors.corpora import ClipSource
from affect_pipe.pipeline.interfaces import FrameLevel
from affect_pipe.pipeline.media import probe, read_audio
from affect_pipe.pipeline.records import Audio, Interval, Media

RATE_HZ = 16000
# The published set of 25 (Eyben et al. 2016, table 3 and section 3.2), version 2.
N_DESCRIPTORS = 25


def source_of(samples, start_s=0.0):
    audio = None if samples is None else Audio(np.asarray(samples, np.float32), start_s=start_s)
    media = Media("clip", "", "wav", 0.0 if audio is None else audio.duration_s, None, None)
    speech = () if audio is None else (Interval(start_s, start_s + audio.duration_s),)
    return ClipSource(media, audio, speech)


@pytest.fixture(scope="module")
def smile():
    import opensmile

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.LowLevelDescriptors,
    )


@pytest.fixture(scope="module")
def speech(sample, tmp_path_factory, ffmpeg):
    """Six seconds of the sample's sound, as 16-bit samples in a file that anyone can read."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    ffmpeg("-i", sample, "-t", 6, "-vn", "-ac", 1, "-ar", RATE_HZ, "-c:a", "pcm_s16le", path)
    return path


def test_the_numbers_are_those_opensmile_finds_in_the_file(smile, speech):
    source = source_of(read_audio(probe(speech)).samples)
    extractor = EGeMAPS(speech_level_db=None)
    assert isinstance(extractor, FrameLevel)
    table = extractor.frame_table(source, ())
    expected = smile.process_file(str(speech))
    assert table.columns == tuple(expected.columns)
    assert len(table.columns) == len(table.units) == N_DESCRIPTORS
    assert len(table.values) > 500
    np.testing.assert_array_equal(table.values, expected.to_numpy())
    starts = expected.index.get_level_values("start").total_seconds()
    ends = expected.index.get_level_values("end").total_seconds()
    np.testing.assert_allclose(table.time_s, starts, atol=1e-9)
    np.testing.assert_allclose(table.end_s[:-1], ends[:-1], atol=1e-9)


def test_they_are_measured_at_the_level_the_functionals_are(smile, speech, tmp_path):
    samples = read_audio(probe(speech)).samples
    table = EGeMAPS().frame_table(source_of(samples), ())
    rms_db = 10 * math.log10(np.mean(samples.astype(float) ** 2))
    scaled = (samples * 10 ** ((-26 - rms_db) / 20)).astype(np.float32)
    expected = smile.process_signal(scaled, RATE_HZ).to_numpy()
    np.testing.assert_allclose(table.values, expected, rtol=1e-3, atol=1e-3)
    with wave.open(str(speech)) as file:
        assert file.getnframes() == len(samples)


def test_a_click_is_where_it_is_on_the_clock_of_the_media():
    samples = np.zeros(2 * RATE_HZ, np.float32)
    samples[RATE_HZ] = 0.9
    table = EGeMAPS(speech_level_db=None).frame_table(source_of(samples, start_s=5.0), ())
    loud = table.values[:, table.columns.index("Loudness_sma3")]
    heard = np.flatnonzero(loud > 10 * np.median(loud))
    # One row more on either side: openSMILE smooths over three.
    inside = (table.time_s <= 6.0) & (table.end_s > 6.0)
    np.testing.assert_array_equal(
        heard, np.arange(np.flatnonzero(inside)[0] - 1, np.flatnonzero(inside)[-1] + 2)
    )


def test_pitch_and_its_unit():
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 220 * k * t) / k for k in range(1, 12))
    table = EGeMAPS().frame_table(source_of(0.1 * buzz), ())
    column = table.columns.index("F0semitoneFrom27.5Hz_sma3nz")
    assert table.units[column] == "semitone from 27.5 Hz"
    # Three octaves above 27.5 Hz.
    assert np.median(table.values[:, column]) == pytest.approx(36.0, abs=0.3)


def test_the_slope_of_a_spectrum_is_in_decibels_a_hertz():
    rng, n = np.random.default_rng(0), 4 * RATE_HZ
    frequency = np.fft.rfftfreq(n, 1 / RATE_HZ)
    noise = np.fft.rfft(rng.normal(size=n))
    slopes = []
    for db_per_hz in (-0.05, -0.02):
        samples = np.fft.irfft(noise * 10 ** (db_per_hz * np.minimum(frequency, 2000) / 20))
        table = EGeMAPS().frame_table(source_of(0.1 * samples / samples.std()), ())
        column = table.columns.index("slope0-500_sma3")
        assert table.units[column] == "dB/Hz"
        slopes.append(table.values[:, column].mean())
    assert slopes[1] - slopes[0] == pytest.approx(0.03, rel=0.1)


@pytest.mark.parametrize("samples", [None, np.zeros(0), 0.1 * np.ones(900)])
def test_too_little_sound_is_a_table_without_rows(samples):
    table = EGeMAPS().frame_table(source_of(samples), ())
    assert table.values.shape == (0, N_DESCRIPTORS)


def test_every_functional_has_the_unit_its_name_tells():
    extractor = EGeMAPS()
    units = dict(zip(extractor.spec().columns, extractor.units(), strict=True))
    assert units["F1frequency_sma3nz_amean"] == "Hz"
    assert units["F1amplitudeLogRelF0_sma3nz_amean"] == "dB"
    assert units["F2bandwidth_sma3nz_stddevNorm"] == ""
    assert units["F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2"] == "semitone"
    assert units["F0semitoneFrom27.5Hz_sma3nz_meanRisingSlope"] == "semitone/s"
    assert units["MeanUnvoicedSegmentLength"] == "s"
    assert units["mfcc1V_sma3nz_amean"] == ""
    assert units["equivalentSoundLevel_dBp"] == "dB"
