"""The speaking face, from mouths whose owner is known."""

import numpy as np
import pytest

from affect_pipe.extractors.visual.speaker import Candidate, choose_speaker, loudness
from affect_pipe.pipeline.records import Audio

RATE_HZ, SECONDS = 10.0, 4.0
TIMES = np.arange(0, SECONDS, 1 / RATE_HZ)
# Syllables at 2 a second: slow enough for 10 frames a second to draw them.
VOICE = 0.5 + 0.5 * np.sin(2 * np.pi * 2.0 * TIMES)


@pytest.fixture(scope="module")
def audio():
    time_s = np.arange(int(16000 * SECONDS)) / 16000
    loudness = 0.5 + 0.5 * np.sin(2 * np.pi * 2.0 * time_s)
    return Audio((0.3 * loudness * np.sin(2 * np.pi * 200 * time_s)).astype(np.float32))


def face(track, mouth, size=50.0):
    return Candidate(track, TIMES, np.asarray(mouth, np.float32), size)


def test_loudness_of_a_tone_follows_its_envelope(audio):
    heard = loudness(audio, TIMES, 1 / RATE_HZ)
    assert np.corrcoef(heard, VOICE)[0, 1] > 0.95
    # A tone ten times as strong has a hundred times the energy: 100 ** 0.3 times the loudness.
    loud = loudness(Audio(audio.samples * np.float32(10)), TIMES, 1 / RATE_HZ)
    np.testing.assert_allclose(loud, heard * 10**0.6, rtol=1e-5)
    late = Audio(audio.samples, start_s=2.0)
    np.testing.assert_allclose(loudness(late, TIMES + 2.0, 0.1), heard[:], atol=1e-9)
    assert (loudness(audio, np.array([-3.0, 99.0]), 0.1) == 0).all()


def test_the_mouth_that_moves_speaks_though_it_is_smaller(audio):
    still = np.full(len(TIMES), 0.02)
    chosen = choose_speaker([face(0, still, 90.0), face(1, 0.1 * VOICE, 40.0)], audio, 0.1)
    assert chosen.track == 1
    assert chosen.confidence > 0.9


def test_the_mouth_that_follows_the_voice_beats_the_one_that_chews(audio):
    chewing = 0.1 * (0.5 + 0.5 * np.sin(2 * np.pi * 1.3 * TIMES + 1.0))
    chosen = choose_speaker([face(0, chewing), face(1, 0.1 * VOICE)], audio, 0.1)
    assert chosen.track == 1
    assert 0.5 < chosen.confidence < 1.0


def test_the_lips_may_move_a_little_early(audio):
    early = 0.1 * np.roll(VOICE, -1)
    slow = 0.1 * (0.5 + 0.5 * np.sin(2 * np.pi * 0.7 * TIMES))
    assert choose_speaker([face(0, slow), face(1, early)], audio, 0.1).track == 1


def test_the_largest_face_breaks_ties(audio):
    still = np.zeros(len(TIMES))
    faces = [face(0, still, 30.0), face(1, still, 60.0), face(2, still, 50.0)]
    assert choose_speaker(faces, audio, 0.1).track == 1
    assert choose_speaker(faces, None, 0.1).confidence == pytest.approx(1 / 3)
    same = [face(0, 0.1 * VOICE, 60.0), face(1, 0.1 * VOICE, 30.0)]
    assert choose_speaker(same, audio, 0.1).track == 0
    assert choose_speaker(same[::-1], audio, 0.1).track == 0
