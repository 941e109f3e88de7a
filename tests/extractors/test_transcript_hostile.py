"""Whatever a transcript file holds: a transcript in order, or one clear refusal."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

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
