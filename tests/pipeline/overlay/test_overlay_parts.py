"""Faces between looks, captions in lines, letters of many scripts, sizes that fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, features

from affect_pipe.pipeline.overlay.captions import pages, wrap
from affect_pipe.pipeline.overlay.faces import FaceTracks
from affect_pipe.pipeline.overlay.fonts import REPLACEMENT, Fonts
from affect_pipe.pipeline.overlay.layout import MAX_SIDE_PX, lay_out, picture_size, text_size
from affect_pipe.pipeline.overlay.moments import Moments
from affect_pipe.pipeline.overlay.writing import Pen, clean, reads_from_right
from affect_pipe.pipeline.records import Utterance, Word

HEBREW, ARABIC = "שלום, אני שמחה היום!", "أنا سعيد جدا اليوم"
SCRIPTS = {
    "latin": "Überraschung! Ça va? Łódź",
    "greek": "Καλημέρα κόσμε",
    "cyrillic": "Привет, мир",
    "hebrew": HEBREW,
    "arabic": ARABIC,
    "chinese": "我今天非常高兴，因为朋友来了。後天見",  # noqa: RUF001
    "japanese": "こんにちは、元気ですか",
    "korean": "안녕하세요",
}


def drawn(pen, text):
    image = Image.new("RGB", (900, 60))
    pen.write(ImageDraw.Draw(image), 20, 30, text, (255, 255, 255))
    return np.asarray(image)[..., 0]


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_letter_comes_out_as_a_box(script):
    fonts = Fonts()
    pen = Pen(fonts, 24)
    text = SCRIPTS[script]
    assert fonts.written(text) == text
    assert fonts.missing == set()
    # What a font draws for a character it does not have.
    private = "\U00100000"
    for character in set(text) - {" "}:
        font = pen._loaded(fonts.font_of(character))
        box, letter = (font.getmask(c, mode="L") for c in (private, character))
        assert (box.size, bytes(box)) != (letter.size, bytes(letter)), character


def test_letters_without_a_font_become_question_marks(monkeypatch):
    from affect_pipe.pipeline.overlay import fonts as module

    monkeypatch.setattr(module, "_system_fonts", list)
    fonts = Fonts()
    assert fonts.written("สวัสดี ok") == f"{REPLACEMENT * 4} ok"
    assert {"ส", "ว", "ด"} <= fonts.missing


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow's Raqm needs the system's FriBiDi")
@pytest.mark.parametrize("text", [HEBREW, ARABIC, "שלום Hello 123", "Hello שלום 123!"])
def test_two_ways_of_ordering_letters_agree(text):
    raqm, own = (drawn(Pen(Fonts(), 24, shaping=s), text).astype(float) for s in (True, False))
    # Columns of ink, not pixels: shaping places letters at parts of a pixel.
    smooth = np.ones(9) / 9
    columns = [np.convolve(image.sum(axis=0), smooth, "same") for image in (raqm, own)]
    assert np.corrcoef(*columns)[0, 1] > 0.95
    assert np.corrcoef(columns[0][20:][::-1], columns[1][20:])[0, 1] < 0.9


def test_a_paragraph_runs_as_its_first_letter_does():
    assert reads_from_right("123 שלום Hello")
    assert reads_from_right(ARABIC)
    assert not reads_from_right("Hello שלום")
    assert not reads_from_right("12 !")


words = st.text(st.sampled_from("abcdefg הש我今，。 \t\n\x00-"), max_size=120)  # noqa: RUF001


@given(words, st.integers(30, 400))
def test_lines_fit_and_hold_all_that_was_said(text, width):
    pen = Pen(Fonts(), 12)
    text = clean(text)
    lines = wrap(text, pen, width)
    assert all(pen.width(line) <= width + 1 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_long_utterance_is_paged_by_its_words():
    spoken = [Word(f"word{k}", 10 + k, 10.9 + k) for k in range(40)]
    utterance = Utterance(0, 10, 50, " ".join(w.text for w in spoken), tuple(spoken))
    found = pages(utterance, Pen(Fonts(), 16), 300, 2)
    assert len(found) > 2
    assert all(1 <= len(page.lines) <= 2 for page in found)
    starts = {word.text: word.start_s for word in spoken}
    for page in found:
        assert page.start_s == starts[page.lines[0].split()[0]]


def test_an_utterance_without_words_says_why():
    (page,) = pages(Utterance(0, 1, 2, "", text_reason="silent"), Pen(Fonts(), 16), 300, 3)
    assert page.lines == ("(silent)",)
    assert not page.spoken


spans = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8)), max_size=8)


@given(spans)
def test_the_utterance_that_began_last_is_spoken(given_spans):
    utterances = [Utterance(k, a, a + b, "") for k, (a, b) in enumerate(given_spans)]
    moments = Moments(utterances)
    for tick in range(60):
        time_s = tick / 2
        now = [u for u in utterances if u.start_s <= time_s < u.end_s]
        last = max(now, key=lambda u: (u.start_s, u.index), default=None)
        assert moments.row_at(time_s) == (None if last is None else last.index)


def tracks_of(looks, rows):
    """Looks at times, and rows of (time, track, left edge)."""
    times, numbers, left = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.stack([left, left * 0, left + 0.2, left * 0 + 0.2], axis=1).astype(np.float32)
    units = left[:, None].astype(np.float32)
    looks, times = np.asarray(looks, float), times.astype(float)
    return FaceTracks(looks, times, numbers.astype(np.int32), boxes, units, ("AU12",))


def test_a_face_moves_in_a_straight_line_between_looks():
    tracks = tracks_of([0, 0.1, 0.2], [(0, 3, 0.1), (0.1, 3, 0.2), (0.2, 3, 0.16)])
    for time_s, left in ((0, 0.1), (0.025, 0.125), (0.1, 0.2), (0.15, 0.18), (0.2, 0.16)):
        (face,) = tracks.at(time_s)
        assert face.track == 3
        assert face.box == pytest.approx((left, 0, left + 0.2, 0.2), abs=1e-6)
        assert face.units[0] == pytest.approx(left, abs=1e-6)


def test_a_face_does_not_slide_over_a_cut_nor_stay_where_it_was_not_seen():
    # Face 0 is elsewhere after a cut; face 1 is seen in one look only.
    rows = [(0, 0, 0.0), (0, 1, 0.4), (0.1, 0, 0.7), (0.2, 0, 0.7)]
    tracks = tracks_of([0, 0.1, 0.2, 0.3], rows)
    assert [(f.track, round(f.box[0], 3)) for f in tracks.at(0.04)] == [(0, 0.0), (1, 0.4)]
    assert [(f.track, round(f.box[0], 3)) for f in tracks.at(0.06)] == [(0, 0.7)]
    assert [f.track for f in tracks.at(0.24)] == [0]
    assert tracks.at(0.26) == []
    assert tracks.at(5.0) == []


sides = st.integers(1, 8192)


@given(sides, sides, st.integers(0, 3), st.integers(0, 2000))
def test_everything_has_room(width, height, n_lines, panel_px):
    picture = picture_size(width, height)
    layout = lay_out(picture, n_lines, panel_px)
    assert max(picture) <= MAX_SIDE_PX
    assert min(picture) >= 1
    assert all(side % 2 == 0 for side in layout.size)
    assert layout.size[1] >= max(panel_px, picture[1])
    assert layout.strip_px >= n_lines * layout.caption_px
    assert layout.text_px == text_size(picture) >= 11
    if max(width, height) <= MAX_SIDE_PX:
        assert picture[0] * height == picture[1] * width
