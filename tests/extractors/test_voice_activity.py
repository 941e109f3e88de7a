"""Silero VAD run in batches against the package's own way of running it."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.extractors.speech.voice_activity import SileroVAD, speech_probabilities
from affect_pipe.pipeline.records import Audio

RATE = 16000
# Two runs of one network, summed in another order.
ROUNDING = 2e-4


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> np.ndarray:
    """Silence, a synthesised sentence, silence, the same again: about 10 s."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng to speak")
    path = tmp_path_factory.mktemp("vad") / "a.wav"
    said = "The weather was lovely yesterday, and we walked along the river."
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", str(path), said], check=True)
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    rate, samples = wavfile.read(path)
    sentence = resample_poly(samples / 32768.0, RATE, rate).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 1e-4, RATE + 77).astype(np.float32)
    return np.concatenate([noise, sentence, noise, sentence, noise])


def reference(samples: np.ndarray):
    import torch

    n_threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import silero_vad

        model = silero_vad.load_silero_vad()
    torch.set_num_threads(n_threads)
    return silero_vad, torch, model


def test_probabilities_equal_the_package(speech):
    _, torch, model = reference(speech)
    padded = np.pad(speech, (0, -len(speech) % 512))
    expected = [model(torch.from_numpy(c), RATE).item() for c in padded.reshape(-1, 512)]
    found = speech_probabilities(speech, SileroVAD()._network)
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


def test_batches_do_not_matter(speech, monkeypatch):
    network = SileroVAD()._network
    whole = speech_probabilities(speech, network)
    monkeypatch.setattr("affect_pipe.extractors.speech.voice_activity._BATCH", 7)
    np.testing.assert_allclose(speech_probabilities(speech, network), whole, atol=ROUNDING)


def test_intervals_equal_the_package(speech):
    silero_vad, torch, model = reference(speech)
    expected = silero_vad.get_speech_timestamps(torch.from_numpy(speech), model)
    found = SileroVAD().detect(Audio(speech))
    assert [(round(i.start_s * RATE), round(i.end_s * RATE)) for i in found] == [
        (item["start"], item["end"]) for item in expected
    ]
    assert len(found) >= 2


def test_clock_and_threads_and_determinism(speech):
    import torch

    n_threads = torch.get_num_threads()
    shifted = SileroVAD().detect(Audio(speech, start_s=2.5))
    assert torch.get_num_threads() == n_threads
    found = SileroVAD().detect(Audio(speech))
    assert [i.start_s for i in shifted] == [pytest.approx(i.start_s + 2.5) for i in found]
    assert SileroVAD().detect(Audio(speech)) == found


def test_silence_noise_and_nothing():
    vad = SileroVAD()
    assert vad.detect(Audio(np.zeros(0, np.float32))) == ()
    assert vad.detect(Audio(np.zeros(100, np.float32))) == ()
    assert vad.detect(Audio(np.zeros(3 * RATE, np.float32))) == ()
    with pytest.raises(ValueError, match="16000"):
        vad.detect(Audio(np.zeros(100, np.float32), sample_rate_hz=8000))


def test_spec_loads_nothing_and_tells_settings_apart():
    a, b = SileroVAD(), SileroVAD(threshold=0.4)
    assert a.spec() == SileroVAD().spec() != b.spec()
    assert "_network" not in vars(a)
    assert len(a.spec().weights_digest) == 32


@pytest.mark.data
def test_a_president_speaks_in_four_phrases():
    here = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    path = Path(os.environ.get("AFFECT_PIPE_DATA", here)).parent / "media" / "jfk.flac"
    if not path.exists():
        pytest.skip(f"needs {path}")
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    command += ["-ac", "1", "-ar", str(RATE), "-f", "f32le", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    found = SileroVAD().detect(Audio(np.frombuffer(raw, np.float32)))
    assert [round(i.start_s, 1) for i in found] == [0.3, 3.3, 5.4, 8.2]
