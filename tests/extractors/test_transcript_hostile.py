"""Whatever a transcript file holds: a transcript in order, or one clear refusal."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect_pipe.extractors.speech.subtitles import read_srt, read_vtt
from affect_pipe.extractors.speech.text_file import decode
from affect_pipe.extractors.speech.transcript import read_transcript
from affect_pipe.pipeline.errors import TranscriptError

PATH = Path("a.srt")
LINES = st.sampled_from(
    [
        "1",
        "",
        " ",
        "00:00:01,000 --> 00:00:02,500",
        "00:00:01.000 --> 00:00:02.500 align:start",
        "00:00:09,000 --> 00:00:02,000",
        "00:00:3 --> ",
        "-->",
        "WEBVTT",
        "NOTE x",
        "<v Ann>hello <b>there",
        "so<00:00:01.500><c> we</c>",
        "[music] ♪",
        "- ANN: (sighs) yes",
        ">>",
        "你好。世界",
        "\ufeff",
        "{\\an8}",
    ]
)
NUMBERS = st.one_of(st.floats(), st.integers(-3, 100), st.none(), st.text(max_size=2))
WORDS = st.fixed_dictionaries(
    {},
    optional={
        "word": st.one_of(st.text(max_size=5), st.none()),
        "start": NUMBERS,
        "end": NUMBERS,
        "probability": NUMBERS,
        "speaker": NUMBERS,
    },
)
SEGMENTS = st.fixed_dictionaries(
    {"start": NUMBERS, "end": NUMBERS},
    optional={"text": st.one_of(st.text(max_size=9), st.none()), "words": st.lists(WORDS)},
)


def read_or_refuse(path: Path) -> None:
    try:
        transcript = read_transcript(path, duration_s=5.0)
    except TranscriptError:
        return
    for segment in transcript.segments:
        assert segment.words
        assert all(math.isfinite(w.end_s) and w.text.strip() for w in segment.words)
        assert all(w.end_s <= 5.0 for w in segment.words)
    assert all(a.start_s <= b.start_s for a, b in pairwise(transcript.segments))


@settings(max_examples=80, deadline=None)
@given(lines=st.lists(LINES, max_size=12), suffix=st.sampled_from([".srt", ".vtt"]))
def test_scrambled_subtitles(tmp_path_factory, lines, suffix):
    path = tmp_path_factory.getbasetemp() / f"scrambled{suffix}"
    head = ["WEBVTT", ""] if suffix == ".vtt" else []
    path.write_text("\n".join([*head, *lines]), encoding="utf-8")
    read_or_refuse(path)


@settings(max_examples=80, deadline=None)
@given(segments=st.lists(SEGMENTS, max_size=4), beside=st.lists(WORDS, max_size=3))
def test_scrambled_json(tmp_path_factory, segments, beside):
    path = tmp_path_factory.getbasetemp() / "scrambled.json"
    path.write_text(json.dumps({"segments": segments, "words": beside}), encoding="utf-8")
    read_or_refuse(path)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused(data):
    for reader in (read_srt, read_vtt):
        try:
            text, _ = decode(data, PATH)
            reader(text, PATH)
        except TranscriptError:
            pass


CUE = "1\n00:00:00,100 --> 00:00:00,900\n{}\n"


@pytest.mark.parametrize(
    ("suffix", "text", "why"),
    [
        (".srt", CUE.format("a" * 6000), "a word of 6000 letters"),
        (".vtt", "WEBVTT\n\n00:00.100 --> 00:00.900\n" + "a" * 6000, "a word of 6000 letters"),
        (".json", json.dumps({"segments": [{"start": 0, "end": 1, "text": "b" * 9000}]}), "9000"),
        # Few words, but more letters than they can have.
        (".srt", CUE.format("antidisestablishmentarianism-" * 3 + " ") * 120, "another video"),
        # No words at all, but more text than its few words could need.
        (".srt", CUE.format("<b>" * 300_000), "another video"),
    ],
)
def test_what_no_length_of_speech_needs_is_refused_before_it_costs(tmp_path, suffix, text, why):
    path = tmp_path / f"a{suffix}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TranscriptError, match=why):
        read_transcript(path, duration_s=2.0)


def test_languages_without_spaces_are_no_long_words(tmp_path):
    path = tmp_path / "a.srt"
    path.write_text(CUE.format("今天天气很好我们一起去公园散步吧。" * 3), encoding="utf-8")
    assert read_transcript(path, duration_s=2.0).segments
