"""Names of uploads: nothing a client writes decides where a file goes."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pathvalidate", reason="needs the extra app")

from affect_pipe.pipeline.media_files import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from affect_pipe.serving.names import safe_stem, safe_suffix, shown_name

# Microsoft, "Naming Files, Paths, and Namespaces".
RESERVED = re.compile(r"(CON|PRN|AUX|NUL|(COM|LPT)[0-9¹²³])", re.IGNORECASE)
FORBIDDEN = set('<>:"/\\|?*') | {chr(code) for code in range(32)}


def assert_harmless(stem):
    assert stem
    assert not FORBIDDEN & set(stem)
    assert not stem.startswith((".", " "))
    assert not stem.endswith((".", " "))
    assert not RESERVED.fullmatch(stem.split(".")[0].strip())
    assert len(stem.encode("utf-8")) <= 125
    assert unicodedata.is_normalized("NFC", stem)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("../../etc/passwd", "passwd"),
        ("/abs/talk.mp4", "talk"),
        ("..\\..\\windows\\talk.mp4", "talk"),
        ("C:\\fakepath\\talk.mp4", "talk"),
        ("nul\0byte.mp4", "nulbyte"),
        ("..", "video"),
        ("", "video"),
        (".mp4", "mp4"),
        ("интервью 面接.mp4", "интервью 面接"),
        ("cafe\u0301.mp4", "caf\u00e9"),
        ("a\u202egpm.mp4", "agpm"),
    ],
)
def test_known_names(name, stem):
    assert safe_stem(name) == stem
    assert_harmless(safe_stem(name))


@pytest.mark.parametrize("name", ["CON", "con.mp4", "NUL.tar.mp4", "COM1", "lpt9.mkv", "AUX .mp4"])
def test_names_that_windows_reserves(name):
    assert_harmless(safe_stem(name))


@pytest.mark.parametrize("letter", ["x", "é", "日", "\U0001f600"])
def test_long_names_are_cut_between_characters(letter, tmp_path):
    stem = safe_stem(letter * 300 + ".mp4")
    assert set(stem) == {letter}
    (tmp_path / f"{stem}.attention.npz").touch()


@given(st.text(max_size=400))
def test_any_name(name):
    assert_harmless(safe_stem(name))
    assert "\n" not in shown_name(name)
    assert safe_suffix(name) in VIDEO_SUFFIXES | AUDIO_SUFFIXES | {".media"}
