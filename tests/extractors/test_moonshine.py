"""Moonshine hears English, its words lie where they are spoken, and what it makes up is caught."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from affect_pipe.extractors.speech.guards import REPEATED, compression_ratio, loops, made_up
from affect_pipe.extractors.speech.moonshine_asr import (
    NOT_UNDERSTOOD,
    USED,
    Moonshine,
    model_folder,
    runtime_installed,
)
from affect_pipe.extractors.speech.moonshine_network import MoonshineNetwork, Piece, join_pieces
from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.media import probe, read_audio

RATE = 16000
# Word boundaries in speech are a matter of opinion to about this much.
NEAR_S = 0.3
installed = pytest.mark.skipif(
    model_folder() is None or not runtime_installed(),
    reason="needs moonshine-voice==0.1.0 and onnxruntime",
)


@installed
def test_hears_sentences_in_their_place(speech_of):
    sentences = ("The weather was lovely yesterday.", "We want to go to the library.")
    source, truth = speech_of(*sentences, silence_s=1.5)
    transcript = Moonshine().transcribe(source)
    assert (transcript.source, transcript.word_times) == ("moonshine", "aligned")
    assert not transcript.guesses
    assert USED in transcript.warnings
    assert len(transcript.segments) == len(truth)
    heard = {word.text.strip(".,").lower() for word in transcript.words}
    assert len(heard & {"weather", "lovely", "yesterday", "want", "go", "library"}) >= 4
    for segment, interval in zip(transcript.segments, truth, strict=True):
        assert segment.start_s == pytest.approx(interval.start_s, abs=NEAR_S)
        assert segment.end_s == pytest.approx(interval.end_s, abs=NEAR_S)
    assert Moonshine().transcribe(source) == transcript
    for segment in transcript.believed:
        assert all(word.confidence is not None for word in segment.words)
        assert all(0 <= word.confidence <= 1 for word in segment.words)


@installed
def test_other_languages_are_not_heard_and_english_among_them_is(speech_of):
    english = "We want to go to the library on Saturday morning."
    source, truth = speech_of(
        english,
        ("de", "Das Wetter wird morgen hoffentlich besser, sonst bleiben wir zu Hause."),
        ("es", "El perro de mi vecino ladra toda la noche y no me deja dormir."),
        ("hi", "आज मौसम बहुत अच्छा है, चलो बाहर घूमने चलें।"),
        english,
        silence_s=1.5,
    )
    transcript = Moonshine().transcribe(source)
    doubts = [transcript.doubt_during(place.start_s, place.end_s) for place in truth]
    assert doubts == [None, NOT_UNDERSTOOD, NOT_UNDERSTOOD, NOT_UNDERSTOOD, None]
    assert any(f"not heard: {NOT_UNDERSTOOD}" in warning for warning in transcript.warnings)
    sure = [segment.quality["mean_log_probability"] for segment in transcript.segments]
    assert max(sure[1:4]) < min(sure[0], sure[4]) <= 0


@installed
@pytest.mark.data
def test_a_video_in_another_language_has_no_words(media_dir, heard):
    media = probe(media_dir / "latentsync_demo1_video.mp4")
    audio = read_audio(media)
    source = heard(audio.samples, SileroVAD().detect(audio), media.duration_s)
    transcript = Moonshine().transcribe(source)
    assert transcript.segments
    assert transcript.words == ()


@installed
@pytest.mark.data
def test_what_the_packages_own_library_hears(media_dir):
    from moonshine_voice.transcriber import ModelArch, Transcriber

    audio = read_audio(probe(media_dir / "jfk.flac"))
    options = {"vad_threshold": "0.0", "return_audio_data": "false"}
    with Transcriber(model_folder(), ModelArch.TINY, options=options) as library:
        lines = library.transcribe_without_streaming(audio.samples.tolist(), RATE).lines
    network = MoonshineNetwork(model_folder(), feature="a test", extra="offline")
    words = [text for text, _ in join_pieces(network.hear(audio.samples))]
    assert " ".join(words) == " ".join(line.text.strip() for line in lines)


def test_pieces_make_words():
    pieces = (
        Piece(b"\xe2\x96\x81caf", 0.0),
        Piece(b"\xc3", -1.0),
        Piece(b"\xa9", -2.0),
        Piece(b"\xe2\x96\x81au", -0.5),
        Piece(b"", -3.0),
    )
    (first, p_first), (second, p_second) = join_pieces(pieces)
    assert (first, second) == ("café", "au")
    assert (p_first, p_second) == pytest.approx((np.exp(-1.0), np.exp(-0.5)))
    assert join_pieces(()) == ()


@installed
@pytest.mark.data
def test_a_known_recording_word_for_word(media_dir, heard):
    media = probe(media_dir / "jfk.flac")
    audio = read_audio(media)
    source = heard(audio.samples, SileroVAD().detect(audio), media.duration_s)
    words = [word.text.strip(".,?!").lower() for word in Moonshine().transcribe(source).words]
    assert " ".join(words) == (
        "and so my fellow americans ask not what your country can do for you "
        "ask what you can do for your country"
    )


@installed
def test_nothing_to_hear_is_an_empty_transcript_and_no_word_about_whisper(heard):
    recogniser = Moonshine(note="Whisper is away.")
    for nothing in (heard(None, (), 3.0), heard(np.zeros(RATE, np.float32), (), 1.0)):
        transcript = recogniser.signed(recogniser.transcribe(nothing))
        assert transcript.segments == ()
        assert transcript.warnings == ()


@installed
def test_why_it_was_chosen_comes_first(speech_of):
    source, _ = speech_of("Hello.")
    noted = Moonshine(note="Whisper is away.")
    assert noted.signed(noted.transcribe(source)).warnings[:2] == ("Whisper is away.", USED)


@installed
def test_knows_english_alone():
    assert Moonshine(language="en-GB").spec() == Moonshine().spec()
    with pytest.raises(UsageError, match="English"):
        Moonshine(language="de")


def test_a_release_without_the_model_is_told_from_one_with_it(tmp_path, monkeypatch):
    (tmp_path / "moonshine_voice").mkdir()
    (tmp_path / "moonshine_voice" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "moonshine_voice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert model_folder() is None
    with pytest.raises(AffectPipeError, match=r"affect-pipe\[offline\]"):
        choose("moonshine", media_path=tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "text",
    [
        "you you you you you you",
        "Thank you. Thank you. Thank you. Thank you! Thank you.",
        "It is what it is, " * 20,
        "and I said that this was the very long phrase which comes again, " * 12,
    ],
)
def test_loops_are_made_up(text):
    assert made_up(text, duration_s=60.0) == REPEATED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No, no, no, no!",
        "It was very, very, very good.",
        "Ask not what your country can do for you, ask what you can do for your country.",
    ],
)
def test_what_people_say_twice_is_no_loop(text):
    assert made_up(text, duration_s=10.0) is None
    assert not loops(text)


def test_more_words_than_can_be_said():
    text = "the quick brown fox jumps over lazy dogs while eleven pigs watch them all"
    assert made_up(text, duration_s=5.0) is None
    assert "more words" in str(made_up(text, duration_s=1.0))


def test_compression_is_whispers():
    whisper_utils = pytest.importorskip("whisper.utils")
    for text in ("a", "It is what it is. " * 9, "Grüße " * 30):
        assert compression_ratio(text) == whisper_utils.compression_ratio(text)
