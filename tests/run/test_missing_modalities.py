"""Videos that lack something: a result that says what is missing, never an error."""

import pytest

from affect_pipe.api import RunSettings, analyze
from affect_pipe.pipeline.results.json_result import to_json
from affect_pipe.pipeline.run import NO_AUDIO, NO_SPEECH


@pytest.fixture
def run(untrained, tmp_path):
    return lambda path, **settings: analyze(
        path, RunSettings(model=str(untrained), cache_dir=str(tmp_path / "c"), **settings)
    )


def reasons(result, modality):
    return set(result.features.blocks[modality].reasons)


def test_video_without_audio_but_with_a_transcript(run, clip, make_media):
    silent = make_media("silent.mp4", "-i", clip, "-an", "-c:v", "copy")
    result = run(silent, transcript=clip.with_suffix(".srt"))
    assert reasons(result, "acoustic") == {"no audio track"}
    assert result.features.blocks["visual"].present.all()
    assert all(p is not None for p in result.prediction.utterances)


def test_video_without_audio_and_without_words_is_a_valid_empty_result(run, clip, make_media):
    result = run(make_media("mute.mp4", "-i", clip, "-an", "-c:v", "copy"))
    assert to_json(result)["utterances"] == []
    # Nothing about Whisper: there was nothing to hear.
    assert result.warnings == (NO_AUDIO,)


def test_audio_alone(run, clip, make_media):
    voice = make_media("voice.flac", "-i", clip, "-vn")
    result = run(voice, transcript=clip.with_suffix(".srt"))
    assert result.features.blocks["acoustic"].present.all()
    assert reasons(result, "visual") == {"no video track"}


def test_a_video_with_no_face_says_so(run, clip, make_media):
    source = "testsrc2=size=320x240:rate=25:duration=8"
    faceless = make_media(
        "faceless.mp4", "-f", "lavfi", "-i", source, "-i", clip, "-map", "0:v", "-map", "1:a"
    )
    result = run(faceless, transcript=clip.with_suffix(".srt"))
    assert not result.features.blocks["visual"].present.any()
    assert any("no face" in warning for warning in result.warnings)
    assert result.features.blocks["text"].present.all()


def test_tones_are_not_speech(run, make_media):
    result = run(make_media("tone.wav", "-f", "lavfi", "-i", "sine=frequency=440:duration=3"))
    assert result.features.utterances == ()
    assert result.warnings == (NO_SPEECH,)


def test_two_seconds(run, clip, make_media):
    short = make_media("short.mp4", "-ss", 1, "-i", clip, "-t", 2, "-preset", "ultrafast")
    result = run(short, asr="pocketsphinx")
    assert len(result.features.utterances) >= 1
    assert result.features.blocks["acoustic"].present.any()
    assert result.features.blocks["visual"].present.any()
