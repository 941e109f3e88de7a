"""Audio: level, pitch, length and place in time survive decoding and resampling."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from affect_pipe.pipeline.errors import MediaError
from affect_pipe.pipeline.media import MediaLimits, probe, read_audio

RATE_HZ = 16000


def sine(frequency_hz=1000, duration_s=2, rate_hz=44100, layout="mono", amplitude=0.5):
    wave_form = f"{amplitude}*sin(2*PI*{frequency_hz}*t)"
    n_channels = 2 if layout == "stereo" else 1
    channels = "|".join([wave_form] * n_channels)
    source = f"aevalsrc={channels}:s={rate_hz}:d={duration_s}:c={layout}"
    return ("-f", "lavfi", "-i", source)


def pitch_hz(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * RATE_HZ / len(samples)


def write_wav(path, samples, rate_hz):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    "suffix", ["wav", "flac", "mp3", "ogg", "m4a", "mp4", "mkv", "webm", "avi"]
)
@pytest.mark.parametrize("rate_hz", [48000, 44100])
def test_a_sine_stays_a_sine(make_media, suffix, rate_hz):
    if (suffix, rate_hz) == ("webm", 44100):
        pytest.skip("Opus has no 44.1 kHz")
    media = probe(make_media(f"a.{suffix}", *sine(rate_hz=rate_hz)))
    audio = read_audio(media)
    assert audio.samples.dtype == np.float32
    assert audio.sample_rate_hz == RATE_HZ
    assert audio.start_s == pytest.approx(0.0, abs=0.03)
    # Encoders pad the end by up to a codec frame or two.
    assert audio.duration_s == pytest.approx(2.0, abs=0.08)
    middle = audio.samples[RATE_HZ // 2 : 3 * RATE_HZ // 2]
    assert pitch_hz(middle) == pytest.approx(1000, abs=1)
    # LAME scales by 0.95 of its own accord.
    level = 0.475 if media.audio.codec.startswith("mp3") else 0.5
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(level, rel=0.03)


def test_channels_are_averaged(make_media):
    both = read_audio(probe(make_media("both.wav", *sine(layout="stereo"))))
    middle = both.samples[RATE_HZ // 2 : 3 * RATE_HZ // 2]
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, rel=0.01)


def test_loud_stereo_is_not_clipped(make_media):
    flags = ("-c:a", "pcm_f32le")
    audio = read_audio(probe(make_media("a.wav", *sine(layout="stereo", amplitude=0.95), *flags)))
    assert np.abs(audio.samples).max() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
def test_a_click_stays_where_it_was(tmp_path, rate_hz):
    samples = np.zeros(2 * rate_hz)
    samples[rate_hz] = 0.9
    audio = read_audio(probe(write_wav(tmp_path / "a.wav", samples, rate_hz)))
    assert len(audio.samples) == 2 * RATE_HZ
    # Half a sample of the coarser rate.
    tolerance = max(1, RATE_HZ // rate_hz)
    assert abs(int(np.argmax(np.abs(audio.samples))) - RATE_HZ) <= tolerance


def test_16_khz_mono_passes_through(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, RATE_HZ)
    audio = read_audio(probe(write_wav(tmp_path / "a.wav", samples, RATE_HZ)))
    want = (samples * 32767).astype("<i2").astype(np.float32) / 32768
    np.testing.assert_array_equal(audio.samples, want)


def test_offset_of_the_stream_is_kept(make_media):
    picture = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=3")
    for name in ("a.mp4", "a.mkv", "a.ts", "a.mov"):
        path = make_media(name, *picture, "-itsoffset", 1.0, *sine())
        audio = read_audio(probe(path))
        assert audio.start_s == pytest.approx(1.0, abs=0.05), name
        assert audio.duration_s == pytest.approx(2.0, abs=0.08), name


def test_a_hole_in_the_stamps_is_silence(make_media):
    gap = ("-af", "aselect='not(between(t,1,2))'", "-c:a", "pcm_s16le")
    path = make_media("a.mkv", *sine(duration_s=4, rate_hz=48000), *gap)
    audio = read_audio(probe(path))
    assert audio.duration_s == pytest.approx(4.0, abs=0.03)
    assert np.abs(audio.samples[int(1.05 * RATE_HZ) : int(1.95 * RATE_HZ)]).max() == 0
    late = audio.samples[int(2.5 * RATE_HZ) : int(3.5 * RATE_HZ)]
    assert pitch_hz(late) == pytest.approx(1000, abs=1)


def test_long_audio_is_mapped_and_the_same(make_media):
    media = probe(make_media("a.flac", *sine(duration_s=5)))
    in_memory = read_audio(media)
    mapped = read_audio(media, limits=MediaLimits(audio_in_memory_s=1.0))
    assert isinstance(mapped.samples, np.memmap)
    assert not isinstance(in_memory.samples, np.memmap)
    np.testing.assert_array_equal(mapped.samples, in_memory.samples)
    for audio in (in_memory, mapped):
        assert not audio.samples.flags.writeable


def test_limit_reached_after_the_temporary_file_was_begun(make_media):
    media = probe(make_media("a.flac", *sine(duration_s=5)))
    with pytest.raises(MediaError, match="runs past the limit of 2 s"):
        read_audio(media, limits=MediaLimits(audio_in_memory_s=1.0, max_duration_s=2.0))


def test_same_bytes_every_time(make_media):
    media = probe(make_media("a.mp3", *sine()))
    np.testing.assert_array_equal(read_audio(media).samples, read_audio(media).samples)


def test_float_audio_that_is_not_a_number(make_media, tmp_path):
    path = make_media("a.wav", *sine(rate_hz=16000), "-c:a", "pcm_f32le")
    content = bytearray(path.read_bytes())
    content[-4000:-3000] = np.full(250, np.nan, "<f4").tobytes()
    content[-2000:-1000] = np.full(250, 1e30, "<f4").tobytes()
    path.write_bytes(content)
    audio = read_audio(probe(path))
    assert np.isfinite(audio.samples).all()
    assert np.abs(audio.samples).max() <= 1.0


def test_truncated_audio_gives_what_decodes_and_says_so(make_media):
    noise = ("-f", "lavfi", "-i", "anoisesrc=duration=10:sample_rate=16000:seed=1")
    path = make_media("a.flac", *noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    warnings = []
    audio = read_audio(probe(path), warn=warnings.append)
    assert 3 < audio.duration_s < 7
    assert any("cut off or damaged" in warning for warning in warnings)


def test_no_audio(make_media):
    media = probe(make_media("a.mp4", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=1"))
    with pytest.raises(ValueError, match="has no audio"):
        read_audio(media)
