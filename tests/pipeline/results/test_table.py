import io
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from affect_pipe.pipeline.records import Prediction, VideoFeatures, VideoResult
from affect_pipe.pipeline.results.table import caption, clock, to_table
from affect_pipe.pipeline.results.terminal_text import printable


def drawn(result: VideoResult, width: int = 80, **how: object) -> str:
    file = io.StringIO()
    Console(file=file, width=width, **how).print(to_table(result, width))  # type: ignore[arg-type]
    return file.getvalue()


def words(text: str) -> list[str]:
    return text.split()


def test_it_reads_at_80_columns_without_colours(result: VideoResult) -> None:
    text = drawn(result)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    found = words(text)
    for expected in ("0:00.5-0:02.0", "1:01.2-1:04.0", "1:01:40.0-1:01:42.0", "+1.2", "positive"):
        assert expected in found
    assert "happy 1.5" in text
    assert "surprise 2.5" in text
    assert "…" not in text
    # Folded over lines, the words are all there.
    for word in result.features.utterances[0].text.split():
        assert word in found


@pytest.mark.parametrize("width", [20, 40, 60, 71, 72, 200])
def test_nothing_is_lost_at_any_width(result: VideoResult, width: int) -> None:
    text = drawn(result, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    joined = "".join(words(text))
    said = [utterance.text for utterance in result.features.utterances]
    for expected in (*said, "1:01:40.0-1:01:42.0", "+1.2", "positive", "surprise 2.5", "happy 1.5"):
        assert "".join(words(expected)) in joined or width >= 72
    for word in words(" ".join(said)):
        assert word in joined


def test_a_text_that_would_fill_the_screen_is_cut(result: VideoResult) -> None:
    long = replace(result.features.utterances[0], text="word " * 100_000)
    odd = replace(result, features=VideoFeatures((long,), {}), prediction=Prediction((None,)))
    text = drawn(odd)
    assert "[...]" in text
    assert len(text) < 10_000


def test_nothing_is_minus_zero(result: VideoResult) -> None:
    assert "-0.0" not in drawn(result)
    assert "+0.0" in drawn(result)


def test_one_utterance_is_one(result: VideoResult) -> None:
    text = "Of 1 utterance, without words in 1."
    block = replace(
        result.features.blocks["text"],
        values=result.features.blocks["text"].values[2:],
        present=result.features.blocks["text"].present[2:],
        reasons=("no words recognised",),
    )
    assert caption(VideoFeatures((result.features.utterances[0],), {"text": block})) == text


def test_emotions_come_strongest_first(result: VideoResult) -> None:
    text = drawn(result)
    assert text.index("surprise 2.5") < text.index("happy 1.5")


def test_no_emotion_has_no_strength(result: VideoResult) -> None:
    assert "no-emotion " in drawn(result)
    assert "no-emotion 3.0" not in drawn(result)


@pytest.mark.parametrize("width", [40, 120])
def test_arousal_valence_and_doubt(levels: VideoResult, width: int) -> None:
    text = " ".join(words(drawn(levels, width)))
    assert "0:00.5-0:02.0 ?" in text
    assert "1:01.2-1:04.0 ?" not in text
    assert text.count("very low") == 2
    assert text.count("high") == 2
    assert "marked ?: too little evidence to rely on." in text
    assert "entiment" not in text
    assert "motions" not in text


@pytest.mark.parametrize("width", [40, 120])
def test_seven_classes_and_intensities_alone(seven: VideoResult, width: int) -> None:
    text = drawn(seven, width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("moderate negative") == 2
    assert text.count("sad 1.2") == 2
    assert "fear" not in text
    assert "None" not in text
    assert "\N{HORIZONTAL ELLIPSIS}" not in text


def test_the_caption_says_what_is_missing(result: VideoResult, empty: VideoResult) -> None:
    text = " ".join(words(drawn(result)))
    assert "Of 3 utterances, without words in 1, without voice in 1, without face in 2." in text
    assert "nobody speaks" in drawn(empty)


def test_it_is_drawn_where_only_ascii_can_be(result: VideoResult) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    Console(file=file, width=80).print(to_table(result))
    file.flush()


def test_a_terminal_sequence_in_a_transcript_is_plain_text(result: VideoResult) -> None:
    text = "[red]x[/red] \x1b]0;title\x07 \x1b[2J \x9b31m \u202eesrever\u202c :smile: [/]"
    utterances = (replace(result.features.utterances[0], text=text),)
    features = VideoFeatures(utterances, {})
    odd = replace(result, features=features, prediction=Prediction((None,)))
    found = drawn(odd, width=200)
    assert "[red]x[/red] ]0;title [2J 31m esrever :smile: [/]" in found
    for how in ({}, {"force_terminal": True, "no_color": True}):
        shown = drawn(odd, width=200, **how)
        assert "\x1b]" not in shown
        assert "\x1b[2J" not in shown
        assert "\x07" not in shown


@given(st.text())
def test_printable_text_has_no_controls_and_can_be_encoded(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    shown.encode("utf-8")
    assert printable(shown) == shown


@given(st.text(alphabet=st.characters(categories=["L", "N", "P"])))
def test_printable_text_is_left_alone(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("emoji", ["👩‍👩‍👧", "❤️", "🇪🇺"])
def test_joined_emoji_stay_joined(emoji: str) -> None:
    assert printable(emoji) == emoji


@pytest.mark.parametrize(
    ("time_s", "expected"),
    [
        (0, "0:00.0"),
        (59.94, "0:59.9"),
        (59.96, "1:00.0"),
        (3599.96, "1:00:00.0"),
        (36610.25, "10:10:10.2"),
    ],
)
def test_a_time_is_written_as_a_clock_shows_it(time_s: float, expected: str) -> None:
    assert clock(time_s) == expected
