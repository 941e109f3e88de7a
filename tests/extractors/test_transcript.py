"""Transcript files in their real formats, good and broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from affect_pipe.extractors.speech.transcript import (
    TranscriptFile,
    read_transcript,
)
from affect_pipe.pipeline.errors import TranscriptError, UsageError

SRT = """1
00:00:01,000 --> 00:00:03,000
<i>I said</i> hello there.

2
00:00:03,500 --> 00:00:05,000 X1:10 X2:20
{\\an8}[door slams] What? (sighs)

3
00:00:06,000 --> 00:00:08,000
♪ la la ♪

4
00:00:08,000 --> 00:00:09,000
[LAUGHTER]

5
00:00:10,000 --> 00:00:12,000
- Who is it?
- It is me (your friend).

6
00:00:13,000 --> 00:00:15,000
>> JOHN: Tom &amp; I went

7
00:00:15,100 --> 00:00:16,000
home at 10:30.

8
00:00:17,000 --> 00:00:18,000
MARY ANN: Really?
"""


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def told(path: Path, duration_s: float | None = None) -> list[tuple[str | None, str]]:
    return [(s.speaker, s.text) for s in read_transcript(path, duration_s=duration_s).segments]


def test_srt(tmp_path):
    path = write(tmp_path / "a.srt", SRT)
    assert told(path) == [
        (None, "I said hello there."),
        (None, "What?"),
        (None, "la la"),
        (None, "Who is it?"),
        (None, "It is me (your friend)."),
        ("JOHN", "Tom & I went"),
        ("JOHN", "home at 10:30."),
        ("MARY ANN", "Really?"),
    ]
    transcript = read_transcript(path)
    assert (transcript.source, transcript.word_times) == ("srt", "spread")
    assert transcript.warnings == ()
    first = transcript.segments[0]
    assert [w.text for w in first.words] == ["I", "said", "hello", "there."]
    assert (first.words[0].start_s, first.words[-1].end_s) == (1.0, 3.0)
    # "hello" is five letters and a space of the 20 that fill two seconds.
    assert first.words[2].end_s - first.words[2].start_s == pytest.approx(2.0 * 6 / 20)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings(tmp_path, encoding, newline):
    text = "1\n00:00:01,000 --> 00:00:02,000\nDéjà vu “là”\n".replace("\n", newline)
    path = write(tmp_path / "a.srt", text, encoding)
    assert told(path) == [(None, "Déjà vu “là”")]
    guessed = encoding in ("utf-16-le", "cp1252")
    assert bool(read_transcript(path).warnings) == guessed


VTT = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

NOTE a comment

intro
00:01.000 --> 00:02.500 align:start position:10%
<v.loud Ann Lee>Hello <b>you</b></v> <v Bob>Hi!</v>

01:00:03.000 --> 01:00:04.000
after an hour &lt;3
"""


def test_vtt(tmp_path):
    path = write(tmp_path / "a.vtt", VTT)
    assert told(path) == [("Ann Lee", "Hello you"), ("Bob", "Hi!"), (None, "after an hour <3")]
    segments = read_transcript(path).segments
    assert segments[0].end_s == segments[1].start_s == pytest.approx(1.0 + 1.5 * 9 / 12)
    assert segments[2].start_s == 3603.0


def test_rolling_automatic_captions(tmp_path):
    text = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%
\x20
so<00:00:00.400><c> we</c><00:00:01.000><c> begin</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
so we begin
\x20

00:00:02.010 --> 00:00:04.000 align:start position:0%
so we begin
[Music]<00:00:02.500><c> again</c>
"""
    transcript = read_transcript(write(tmp_path / "a.vtt", text))
    assert [(w.text, w.start_s, w.end_s) for w in transcript.words] == [
        ("so", 0.0, 0.4),
        ("we", 0.4, 1.0),
        ("begin", 1.0, 2.0),
        ("again", 2.5, 4.0),
    ]
    assert transcript.word_times == "measured"


def test_openai_whisper_json(tmp_path):
    words = [
        {"word": " Twenty", "start": 0.0, "end": 0.5, "probability": 0.9},
        {"word": "-five", "start": 0.5, "end": 0.8, "probability": 0.8},
        {"word": " [door", "start": 0.8, "end": 0.9, "probability": 0.3},
        {"word": " slams]", "start": 0.9, "end": 1.0, "probability": 0.3},
        {"word": " men.", "start": 1.0, "end": 1.5, "probability": 0.7},
    ]
    segments = [
        {"id": 0, "start": 0.0, "end": 1.5, "text": " Twenty-five men.", "words": words},
        {"id": 1, "start": 2.0, "end": 3.0, "text": " [Music]", "words": []},
        {"id": 2, "start": 3.0, "end": 4.0, "text": " No times", "words": []},
    ]
    data = {"text": "", "segments": segments, "language": "en"}
    transcript = read_transcript(write(tmp_path / "a.json", json.dumps(data)))
    assert [(w.text, w.start_s, w.end_s, w.confidence) for w in transcript.words[:2]] == [
        ("Twenty-five", 0.0, 0.8, 0.9),
        ("men.", 1.0, 1.5, 0.7),
    ]
    assert [w.text for w in transcript.words[2:]] == ["No", "times"]
    assert (transcript.source, transcript.language) == ("whisper-json", "en")


def test_whisperx_json(tmp_path):
    words = [
        {"word": "It", "start": 0.0, "end": 0.2, "score": 0.9, "speaker": "SPEAKER_00"},
        {"word": "cost"},
        {"word": "1999"},
        {"word": "pounds.", "start": 1.2, "end": 1.6, "score": 0.5, "speaker": "SPEAKER_00"},
        {"word": "No!", "start": 1.7, "end": 2.0, "score": 1.2, "speaker": "SPEAKER_01"},
        {"word": "£5"},
    ]
    segment = {
        "start": 0.0,
        "end": 2.5,
        "text": " It cost",
        "words": words,
        "speaker": "SPEAKER_00",
    }
    data = {"segments": [segment], "word_segments": words}
    transcript = read_transcript(write(tmp_path / "a.json", json.dumps(data)))
    assert transcript.source == "whisperx-json"
    times = [(w.text, w.start_s, pytest.approx(w.end_s)) for w in transcript.words]
    assert times[:4] == [
        ("It", 0.0, 0.2),
        ("cost", 0.2, 0.7),
        ("1999", 0.7, 1.2),
        ("pounds.", 1.2, 1.6),
    ]
    assert [(s.speaker, s.text) for s in transcript.segments] == [
        ("SPEAKER_00", "It cost 1999 pounds."),
        ("SPEAKER_01", "No!"),
        ("SPEAKER_00", "£5"),
    ]
    assert transcript.words[4].confidence == 1.0


def test_words_beside_segments_and_whisper_cpp(tmp_path):
    beside = {
        "text": "a b c",
        "segments": [{"start": 0, "end": 1, "text": "a b"}, {"start": 1, "end": 2, "text": "c"}],
        "words": [{"word": w, "start": i * 0.5, "end": i * 0.5 + 0.4} for i, w in enumerate("abc")],
    }
    transcript = read_transcript(write(tmp_path / "a.json", json.dumps(beside)))
    assert [len(s.words) for s in transcript.segments] == [2, 1]
    assert transcript.word_times == "measured"
    cpp = {
        "result": {"language": "de"},
        "transcription": [
            {"timestamps": {}, "offsets": {"from": 500, "to": 1500}, "text": " Guten Tag"}
        ],
    }
    transcript = read_transcript(write(tmp_path / "b.json", json.dumps(cpp)))
    assert (transcript.language, transcript.segments[0].start_s) == ("de", 0.5)


def srt_of(*times: str) -> str:
    return "".join(f"{i}\n{t}\nword {i}\n\n" for i, t in enumerate(times, start=1))


def test_bad_times_are_repaired_with_warnings(tmp_path):
    text = srt_of(
        "00:00:05,000 --> 00:00:06,000",
        "00:00:01,000 --> 00:00:03,000",
        "00:00:02,000 --> 00:00:01,000",
        "00:00:08,000 --> 00:00:12,000",
        "00:00:08,000 --> 00:00:12,000",
    )
    transcript = read_transcript(write(tmp_path / "a.srt", text))
    assert [s.text for s in transcript.segments] == [
        "word 2",
        "word 3",
        "word 1",
        "word 4",
        "word 5",
    ]
    assert [(s.start_s, s.end_s) for s in transcript.segments[2:]] == [(5, 6), (8, 10), (10, 12)]
    for a, b in zip(transcript.segments, transcript.segments[1:], strict=False):
        assert a.start_s <= a.end_s <= b.start_s
    said = " ".join(transcript.warnings)
    assert "out of order" in said
    assert "overlap" in said
    assert "end before they begin" in said


def test_transcript_of_another_video(tmp_path):
    times = [f"00:00:{i:02},000 --> 00:00:{i + 1:02},000" for i in range(10)]
    path = write(tmp_path / "a.srt", srt_of(*times))
    with pytest.raises(TranscriptError, match="another video"):
        read_transcript(path, duration_s=3.5)
    transcript = read_transcript(path, duration_s=8.5)
    assert "1 of 10 cues begin after the media ends" in transcript.warnings[0]
    assert transcript.segments[-1].end_s == 8.5


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.srt", b"", "is empty"),
        ("a.srt", b"\x00\x01\xff\x00\x02" * 64, "not a text file|damaged"),
        ("a.srt", b"just some prose", "no subtitle times"),
        ("a.srt", (SRT + "\n\n99\n00:00:xx --> 00:01\nbad\n\n").encode(), "near line 3"),
        ("a.srt", b"junk here\n\n" + SRT.encode(), "line 1"),
        ("a.srt", b"1\n99999999999999:00:00,000 --> 99999999999999:00:01,000\nx\n", "impossible"),
        ("a.vtt", SRT.encode(), "WEBVTT"),
        ("a.vtt", b"WEBVTT\n\nx --> y\nhello\n", "readable times"),
        ("a.json", b"{", "no valid JSON"),
        ("a.json", b"[" * 100_000, "no valid JSON"),
        ("a.json", b'{"schema": "affect-pipe/1", "segments": []}', "no transcript"),
        ("a.json", b'{"segments": [{"start": 0, "text": "x"}]}', "segment 0"),
        ("a.json", b'{"segments": [{"start": NaN, "end": 1, "text": "x"}]}', "segment 0"),
        ("a.json", b'{"segments": [[]]}', "segment 0 .*it is a list"),
        ("a.json", b'{"segments": null}', "is no transcript"),
        ("a.json", b'{"segments": {}}', "is no transcript"),
        ("a.json", b'{"segments": [{"start": 0, "end": 1, "text": []}]}', "text is list"),
        ("a.json", b'{"segments": [{"start": 0, "end": 1, "words": 5}]}', "words are a int"),
        ("a.json", b'{"segments": [{"start": 0, "end": 1, "words": {}}]}', "words are a dict"),
        ("a.json", b'{"segments": [{"start": 0, "end": 1, "words": [1]}]}', "a word is a int"),
        ("a.json", b'{"segments": [{"start": 0, "text": "x"}]}', "end is missing"),
        ("a.json", b'{"segments": [{"end": %s}]}' % (b"9" * 5000), "no valid JSON"),
        (
            "a.json",
            b'{"segments": [{"start": 0, "end": %s}]}' % (b"9" * 400),
            "digits, not a number",
        ),
        ("a.docx", b"x", "expected"),
    ],
)
def test_broken_files_are_one_sentence(tmp_path, name, content, match):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TranscriptError, match=match) as caught:
        read_transcript(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UsageError, match="no transcript file"):
        TranscriptFile(tmp_path / "no.srt")
    (tmp_path / "dir.srt").mkdir()
    for folder in (tmp_path / "dir.srt", tmp_path):
        with pytest.raises(UsageError, match="is a folder"):
            TranscriptFile(folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.srt", srt_of(*["00:00:01,000 --> 00:00:02,000"] * 1000)),
        ("b.srt", "1\n00:00:01,000 --> 00:00:02,000\n" + "word " * 1000),
        ("a.json", json.dumps({"segments": [{"start": 0, "end": 1, "text": "x"}] * 1000})),
    ],
)
def test_more_words_than_anybody_says(tmp_path, name, text):
    path = write(tmp_path / name, text)
    with pytest.raises(TranscriptError, match=r"1000 words or more.*max_words_per_s"):
        read_transcript(path, duration_s=6.0)
    assert len(read_transcript(path, duration_s=6.0, max_words_per_s=1000.0).words) >= 1000


def test_half_a_character_in_json_is_replaced(tmp_path):
    segment = {"start": 0, "end": 1, "text": "so \ud83d sad \ud83d\ude22", "speaker": "\udc00"}
    path = write(tmp_path / "a.json", json.dumps({"segments": [segment]}))
    (found,) = read_transcript(path).segments
    assert found.text == "so \N{REPLACEMENT CHARACTER} sad \N{CRYING FACE}"
    assert found.speaker == "\N{REPLACEMENT CHARACTER}"


def test_words_free_file_is_an_empty_transcript_with_a_warning(tmp_path):
    transcript = read_transcript(write(tmp_path / "a.vtt", "WEBVTT\n"))
    assert transcript.segments == ()
    assert "no words" in transcript.warnings[0]


def test_spec_follows_content_not_name(tmp_path):
    specs = [
        TranscriptFile(write(tmp_path / name, text)).spec()
        for name, text in [("a.srt", SRT), ("b.srt", SRT), ("c.srt", SRT + " ")]
    ]
    assert specs[0] == specs[1] != specs[2]


def test_warnings_and_model_name_the_file_of_this_run(tmp_path, heard):
    text = srt_of("00:00:02,000 --> 00:00:03,000", "00:00:01,000 --> 00:00:02,000")
    first, second = (TranscriptFile(write(tmp_path / name, text)) for name in ("a.srt", "b.srt"))
    kept = first.transcribe(heard(None, (), 9.0))
    assert "a.srt" not in repr(kept)
    signed = second.signed(kept)
    assert signed.model == "b.srt"
    assert signed.warnings == ("b.srt: 1 of 2 cues are out of order, sorted.",)


def test_what_whisper_tells_of_a_segment_is_kept(tmp_path):
    told = {"no_speech_prob": 0.25, "avg_logprob": -0.5, "compression_ratio": "1.5"}
    segment = {"start": 0.0, "end": 1.0, "text": "Hello.", **told}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"segments": [segment]}))
    (read,) = read_transcript(path).segments
    assert read.quality == {"no_speech_probability": 0.25, "mean_log_probability": -0.5}
    assert read.doubt is None
