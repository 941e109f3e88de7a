"""Synthesised speech and a video made of it, as recognisers see one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.pipeline.records import Audio, AudioInfo, Interval, Media

RATE = 16000


@dataclass
class Heard:
    """The part of a source that recognisers use."""

    audio: Audio | None
    voice_activity: tuple[Interval, ...]
    media: Media


def _heard(samples: np.ndarray | None, activity: tuple[Interval, ...], duration_s: float) -> Heard:
    info = None if samples is None else AudioInfo("pcm", RATE, 1)
    audio = None if samples is None else Audio(samples)
    return Heard(audio, activity, Media(Path("a.wav"), "0" * 32, "wav", duration_s, info, None))


@pytest.fixture(scope="session")
def heard() -> Callable[..., Heard]:
    """Return a builder of sources: samples or None, voice activity, length of the media."""
    return _heard


@pytest.fixture(scope="session")
def say(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., np.ndarray]:
    """Return float32 [n_samples] at 16 kHz of a sentence, trimmed to its sound."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng to speak")
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    folder = tmp_path_factory.mktemp("speech")

    def speak(text: str, voice: str = "en-us") -> np.ndarray:
        path = folder / "a.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", str(path), text], check=True)
        rate, samples = wavfile.read(path)
        spoken = resample_poly(samples / 32768.0, RATE, rate).astype(np.float32)
        loud = np.flatnonzero(np.abs(spoken) > 0.01)
        return spoken[loud[0] : loud[-1] + 1]

    return speak


@pytest.fixture(scope="session")
def speech_of(say) -> Callable[..., tuple[Heard, list[Interval]]]:
    """Return a source of sentences with silences, and where each sentence truly is.

    A sentence is an English text, or a voice of espeak-ng and what it says.
    """

    def build(
        *sentences: str | tuple[str, str], silence_s: float = 1.0
    ) -> tuple[Heard, list[Interval]]:
        quiet = np.random.default_rng(0).normal(0, 1e-3, round(silence_s * RATE))
        parts, truth, at = [quiet], [], len(quiet)
        for sentence in sentences:
            voice, text = ("en-us", sentence) if isinstance(sentence, str) else sentence
            spoken = say(text, voice)
            truth.append(Interval(at / RATE, (at + len(spoken)) / RATE))
            parts += [spoken, quiet]
            at += len(spoken) + len(quiet)
        samples = np.concatenate(parts).astype(np.float32)
        return _heard(samples, tuple(truth), len(samples) / RATE), truth

    return build
