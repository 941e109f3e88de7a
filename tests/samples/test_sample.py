"""The sample is what its README says: short, small, and a face in every frame that is looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import srt

from affect_pipe.pipeline.media import iter_frames, probe, read_audio
from affect_pipe.pipeline.timebase import slice_audio

SAMPLES = Path(__file__).parents[2] / "samples"
VIDEO = SAMPLES / "talking.mp4"


@pytest.fixture(scope="module")
def cues():
    return list(srt.parse((SAMPLES / "talking.srt").read_text(encoding="utf-8")))


def test_short_and_small():
    media = probe(VIDEO)
    assert media.audio is not None
    assert media.video is not None
    assert media.video.codec == "h264"
    assert media.audio.codec == "aac"
    assert 20 <= media.duration_s <= 40
    assert VIDEO.stat().st_size <= 3_000_000


def test_speech_is_where_the_subtitles_say(cues):
    audio = read_audio(probe(VIDEO))
    assert 6 <= len(cues) <= 8
    previous_end_s = 0.0
    for cue in cues:
        start_s, end_s = cue.start.total_seconds(), cue.end.total_seconds()
        pause = slice_audio(audio, previous_end_s + 0.1, start_s - 0.1)
        speech = slice_audio(audio, start_s, end_s)
        assert np.sqrt(np.mean(speech**2)) > 10 * np.sqrt(np.mean(pause**2))
        previous_end_s = end_s
    assert previous_end_s < audio.duration_s


def test_readme_quotes_every_sentence(cues):
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    for cue in cues:
        assert cue.content in readme


@pytest.mark.backend
def test_a_face_can_be_found():
    import mediapipe

    frames = list(iter_frames(probe(VIDEO), 1))
    with mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True) as mesh:
        found = [bool(mesh.process(frame.image).multi_face_landmarks) for frame in frames]
    assert np.mean(found) >= 0.95
