"""Captions with emotion tags, read by the formats' own libraries and by our transcript reader."""

from __future__ import annotations

import html
import re

import pytest
import srt
import webvtt

from affect_pipe.extractors.speech.beside import find_transcript
from affect_pipe.extractors.speech.transcript import read_transcript
from affect_pipe.pipeline.results.exports.captions import srt_bytes, vtt_bytes


def written(tmp_path, data, suffix):
    path = tmp_path / f"out{suffix}"
    path.write_bytes(data)
    return path


def words(text):
    return [word for word in text.replace("\x07", "").split() if any(c.isalnum() for c in word)]


def test_webvtt_is_valid_to_the_letter(talk):
    found = webvtt.WebVTT.from_string(vtt_bytes(talk).decode("utf-8"), strict=True)
    assert [caption.identifier for caption in found.captions] == ["0", "1", "2", "3", "5"]
    assert "::cue(.happy)" in found.styles[0].text
    first, second, *_ = found.captions
    assert (first.start, first.end) == ("00:00:00.500", "00:00:02.000")
    assert first.voice == "Ann"
    assert first.text == "[happy 2.1, surprise 2.1, positive +1.2] I am glad to see you!"
    assert "<c.positive.happy.surprise>" in first.raw_text
    # WebVTT's own escapes for its own characters.
    assert "So &lt; am I &amp; more -- &gt; &lt;b&gt;you&lt;/b&gt;." in second.raw_text
    assert html.unescape(second.text).endswith("So < am I & more -- > <b>you</b>.")
    assert found.captions[-1].text.startswith("[neutral +0.0?] Tab")


def test_every_tag_of_webvtt_is_closed(talk):
    for caption in webvtt.WebVTT.from_string(vtt_bytes(talk).decode("utf-8")).captions:
        open_tags = re.findall(r"<([cv])[ .]", caption.raw_text)
        assert re.findall(r"</([cv])>", caption.raw_text) == open_tags[::-1]


def test_subrip_is_read_by_its_library(talk):
    found = list(srt.parse(srt_bytes(talk).decode("utf-8"), ignore_errors=False))
    assert [item.index for item in found] == [1, 2, 3, 4, 5]
    assert found[0].content == (
        "[Ann]: [happy 2.1, surprise 2.1, positive +1.2] I am glad to see you!"
    )
    assert found[0].start.total_seconds() == 0.5
    # Something that takes no time is shown for the least there is.
    assert found[3].end > found[3].start


@pytest.mark.parametrize(("make", "suffix"), [(vtt_bytes, ".vtt"), (srt_bytes, ".srt")])
def test_our_reader_finds_the_words_and_nothing_else(talk, tmp_path, make, suffix):
    transcript = read_transcript(written(tmp_path, make(talk), suffix), duration_s=61)
    spoken = [u for u in talk.published["utterances"] if u["text"]]
    assert [" ".join(words(s.text)) for s in transcript.segments] == [
        " ".join(words(u["text"])) for u in spoken
    ]
    named = [s.speaker for s in transcript.segments[:3]]
    assert named == ["Ann", "Bo B", "Bo B"]


@pytest.mark.parametrize(("make", "suffix"), [(vtt_bytes, ".vtt"), (srt_bytes, ".srt")])
@pytest.mark.parametrize(
    "text",
    [
        "a <i>b</i> c",
        "x --> y",
        "R&D &amp; AT&T &lt;",
        "{\\an8}up",
        "1\n\n2\n00:00:01,000 --> 00:00:02,000\nagain",
        "<00:00:01.000> karaoke",
        "NOTE this is said",
        "Äpfel \N{PARTY POPPER} 你好 שלום",
    ],
)
def test_text_that_looks_like_markup_is_no_markup(saying, tmp_path, make, suffix, text):
    transcript = read_transcript(written(tmp_path, make(saying(text)), suffix))
    assert len(transcript.segments) == 1
    assert transcript.segments[0].text == " ".join(text.split())


def test_an_exported_caption_is_not_taken_for_a_transcript(tmp_path, talk):
    (tmp_path / "talk.mp4").write_bytes(b"")
    for suffix, make in ((".srt", srt_bytes), (".vtt", vtt_bytes)):
        (tmp_path / f"talk.affect{suffix}").write_bytes(make(talk))
    assert find_transcript(tmp_path / "talk.mp4") is None


def test_nobody_speaking_gives_valid_empty_files(nobody):
    assert webvtt.WebVTT.from_string(vtt_bytes(nobody).decode(), strict=True).captions == []
    assert srt_bytes(nobody) == b""
