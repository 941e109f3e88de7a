import errno
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affect_pipe.pipeline.errors import MediaError, UsageError
from affect_pipe.pipeline.fingerprint import (
    canonical_json,
    digest_file,
    digest_json,
    digest_utterances,
    stage_key,
)
from affect_pipe.pipeline.records import FeatureSpec, StageSpec, Utterance, Word

MEDIA = "0123456789abcdef0123456789abcdef"
TRACKS = StageSpec(
    "face-tracks", "facemesh", "1+mediapipe-0.10.21", {"rate_hz": 10.0}, "mesh", "ff"
)
SPEC = FeatureSpec("egemaps", "acoustic", 2, ("a", "b"), "1", {"x": [1, 2]})
UTTERANCE = Utterance(0, 0.5, 1.25, "well done", (Word("well", 0.5, 0.75, 0.5),), "Ann", None)


def blake2b_16(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


# Known from RFC 7693's reference code, as coreutils prints it: b2sum --length=128 /dev/null.
def test_an_empty_file_has_the_published_digest(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert digest_file(tmp_path / "empty") == "cae66941d9efbd404e4d88758ea67670"


@pytest.mark.parametrize("n", [1, (1 << 22) - 1, 1 << 22, (1 << 22) + 1, 9_000_000])
def test_a_file_is_digested_whole_whatever_its_length(tmp_path: Path, n: int) -> None:
    data = np.random.default_rng(n).bytes(n)
    (tmp_path / "f").write_bytes(data)
    assert digest_file(tmp_path / "f") == blake2b_16(data)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        digest_file(tmp_path / "missing.mp4")
    with pytest.raises(UsageError, match="not a regular file"):
        digest_file(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_nobody_writes_to_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a regular file"):
        digest_file(tmp_path / "pipe")


def test_a_file_without_permission_is_a_media_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "f").write_bytes(b"x")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MediaError, match="Permission denied"):
        digest_file(tmp_path / "f")


def test_canonical_json_is_one_text_for_one_value() -> None:
    value = {"b": (1, 2.5, None), "a": {"é": True}, "c": "\ud800"}
    assert canonical_json(value) == r'{"a":{"\u00e9":true},"b":[1,2.5,null],"c":"\ud800"}'
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_a_dataclass_is_its_fields() -> None:
    @dataclass(frozen=True)
    class Settings:
        size: str
        rate_hz: float

    assert canonical_json(Settings("tiny", 1.0)) == '{"rate_hz":1.0,"size":"tiny"}'


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), [1.0, {"x": float("-inf")}]])
def test_canonical_json_refuses_what_is_not_finite(bad: object) -> None:
    with pytest.raises(ValueError, match="finite"):
        canonical_json(bad)


@pytest.mark.parametrize(
    "bad", [Path("x"), {1, 2}, np.float32(0.1), np.float64(0.1), np.zeros(2), b"x", {1: "x"}, int]
)
def test_canonical_json_refuses_what_has_no_one_text(bad: object) -> None:
    with pytest.raises(TypeError, match="canonical JSON"):
        canonical_json({"settings": bad})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON, JSON)
def test_different_values_have_different_texts(a: object, b: object) -> None:
    if canonical_json(a) == canonical_json(b):
        assert a == b


def test_a_stage_key_is_what_the_recipe_says() -> None:
    recipe = (
        '{"backend":"","extractor":"facemesh","format":2,"media":"0123456789abcdef0123456789abcdef",'
        '"model":["mesh","ff"],"settings":{"rate_hz":10.0},"stage":"face-tracks",'
        '"upstream":["u1"],"version":"1+mediapipe-0.10.21"}'
    )
    assert stage_key(MEDIA, TRACKS, ("u1",)) == blake2b_16(recipe.encode())
    # A change of this value empties every user's cache: it must be meant.
    assert stage_key(MEDIA, TRACKS, ("u1",)) == "5acf1e7b5811edc9c4896c6af6178f0c"
    recipe = (
        '{"backend":"","columns":["a","b"],"extractor":"egemaps","format":2,'
        '"media":"0123456789abcdef0123456789abcdef","model":["",""],"settings":{"x":[1,2]},'
        '"stage":"features-acoustic","upstream":[],"version":"1"}'
    )
    assert stage_key(MEDIA, SPEC) == blake2b_16(recipe.encode())
    assert stage_key(MEDIA, SPEC) == "b0bb668ef6cb3f4d09bff6a1ec6179a9"


@pytest.mark.parametrize(
    "changed",
    [
        StageSpec("speech", "facemesh", TRACKS.version, TRACKS.settings, "mesh", "ff"),
        StageSpec("face-tracks", "pyfeat", TRACKS.version, TRACKS.settings, "mesh", "ff"),
        StageSpec("face-tracks", "facemesh", "2", TRACKS.settings, "mesh", "ff"),
        StageSpec("face-tracks", "facemesh", TRACKS.version, {"rate_hz": 5.0}, "mesh", "ff"),
        StageSpec("face-tracks", "facemesh", TRACKS.version, TRACKS.settings, "other", "ff"),
        StageSpec("face-tracks", "facemesh", TRACKS.version, TRACKS.settings, "mesh", "00"),
        replace(TRACKS, backend="mediapipe 0.10.22"),
    ],
)
def test_every_part_of_a_spec_takes_part_in_the_key(changed: StageSpec) -> None:
    assert stage_key(MEDIA, changed) != stage_key(MEDIA, TRACKS)


def test_media_and_upstream_take_part_in_the_key() -> None:
    keys = {
        stage_key(MEDIA, TRACKS),
        stage_key(MEDIA[::-1], TRACKS),
        stage_key(MEDIA, TRACKS, ("a", "b")),
        stage_key(MEDIA, TRACKS, ("b", "a")),
        stage_key(MEDIA, TRACKS, ("ab",)),
    }
    assert len(keys) == 5


def test_renamed_columns_change_a_feature_key() -> None:
    renamed = FeatureSpec("egemaps", "acoustic", 2, ("a", "c"), "1", {"x": [1, 2]})
    assert stage_key(MEDIA, renamed) != stage_key(MEDIA, SPEC)


def test_the_digest_of_utterances_is_what_the_recipe_says() -> None:
    recipe = '[[0.5,1.25,"well done",null,"Ann",[["well",0.5,0.75,0.5]]]]'
    assert digest_utterances([UTTERANCE]) == blake2b_16(recipe.encode())
    assert digest_utterances([UTTERANCE]) == "a9bcede61e150c3a921cf14a5cb2d83d"
    assert digest_utterances([]) == digest_json([])


@pytest.mark.parametrize(
    "changed",
    [
        Utterance(0, 0.25, 1.25, "well done", UTTERANCE.words, "Ann"),
        Utterance(0, 0.5, 1.5, "well done", UTTERANCE.words, "Ann"),
        Utterance(0, 0.5, 1.25, "Well done", UTTERANCE.words, "Ann"),
        Utterance(0, 0.5, 1.25, "well done", (), "Ann"),
        Utterance(0, 0.5, 1.25, "well done", (Word("well", 0.5, 0.75),), "Ann"),
        Utterance(0, 0.5, 1.25, "well done", UTTERANCE.words, None),
        Utterance(0, 0.5, 1.25, "well done", UTTERANCE.words, "Ann", "most words are guesses"),
    ],
)
def test_every_part_of_an_utterance_takes_part_in_the_digest(changed: Utterance) -> None:
    assert digest_utterances([changed]) != digest_utterances([UTTERANCE])
