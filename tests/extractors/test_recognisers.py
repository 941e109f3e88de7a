"""Which recogniser a name picks, and what auto falls back to."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from affect_pipe.extractors.speech.moonshine_asr import Moonshine, model_folder
from affect_pipe.extractors.speech.pocketsphinx_asr import PocketSphinx
from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.transcript import TranscriptFile
from affect_pipe.extractors.speech.whisper_asr import Whisper
from affect_pipe.pipeline.errors import AffectPipeError, MissingWeightsError, UsageError
from affect_pipe.pipeline.records import Interval

SRT = "1\n00:00:00,000 --> 00:00:01,000\nhello\n"


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def refuse(*_args, **_kwargs):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_auto_takes_the_transcript_given_or_beside(tmp_path):
    media = tmp_path / "a.mp4"
    (tmp_path / "a.srt").write_text(SRT)
    other = tmp_path / "b.srt"
    other.write_text(SRT + "\n2\n00:00:02,000 --> 00:00:03,000\nbye\n")
    for asr in ("auto", "transcript"):
        beside = choose(asr, media_path=media)
        given = choose(asr, media_path=media, transcript=other)
        assert isinstance(beside, TranscriptFile)
        assert beside.spec() == TranscriptFile(tmp_path / "a.srt").spec()
        assert given.spec() == TranscriptFile(other).spec() != beside.spec()


def test_auto_without_whisper_is_the_best_embedded_one_that_says_why(tmp_path, heard):
    chosen = choose("auto", media_path=tmp_path / "a.mp4")
    assert isinstance(chosen, PocketSphinx if model_folder() is None else Moonshine)
    source = heard(np.zeros(16000, np.float32), (Interval(0.2, 0.8),), 1.0)
    warning = chosen.signed(chosen.transcribe(source)).warnings[0]
    assert "Whisper could not be used" in warning
    assert "no route" in warning


def test_auto_without_whisper_and_moonshine_is_pocketsphinx(tmp_path, monkeypatch):
    for module in ("moonshine_voice", "onnxruntime"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            assert isinstance(choose("auto", media_path=tmp_path / "a.mp4"), PocketSphinx)
            with pytest.raises(AffectPipeError, match=r"affect-pipe\[offline\]"):
                choose("moonshine", media_path=tmp_path / "a.mp4")


def test_auto_in_another_language_needs_whisper(tmp_path):
    with pytest.raises(MissingWeightsError, match=r"base\.pt"):
        choose("auto", media_path=tmp_path / "a.mp4", language="fr")


def test_auto_takes_whisper_when_its_weights_are_here(tmp_path):
    folder = tmp_path / "cache" / "whisper"
    folder.mkdir(parents=True)
    (folder / "base.pt").write_bytes(b"x")
    chosen = choose("auto", media_path=tmp_path / "a.mp4", language="fr")
    assert isinstance(chosen, Whisper)
    assert chosen.spec().settings["language"] == "fr"
    assert chosen.spec().settings["task"] == "transcribe"


def test_named(tmp_path):
    media = tmp_path / "a.mp4"
    assert choose("whisper", media_path=media).spec().model_id == "whisper-base"
    assert choose("whisper:tiny.en", media_path=media).spec().model_id == "whisper-tiny.en"
    assert choose("pocketsphinx", media_path=media).spec().extractor == "pocketsphinx"


@pytest.mark.parametrize(
    "asr", ["", "sphinx", "auto:base", "transcript:x", "moonshine:base", "whisper:gigantic"]
)
def test_unknown_names_list_the_known(tmp_path, asr):
    with pytest.raises(UsageError, match="known"):
        choose(asr, media_path=tmp_path / "a.mp4")


def test_bad_combinations(tmp_path):
    media, words = tmp_path / "a.mp4", tmp_path / "b.srt"
    with pytest.raises(UsageError, match="no transcript beside"):
        choose("transcript", media_path=media)
    with pytest.raises(UsageError, match="contradict"):
        choose("whisper", media_path=media, transcript=words)
    with pytest.raises(UsageError, match="no transcript file"):
        choose("auto", media_path=media, transcript=words)


def test_only_whisper_translates(tmp_path):
    media = tmp_path / "a.mp4"
    assert choose("whisper", media_path=media, task="translate").spec().settings["task"]
    with pytest.raises(MissingWeightsError):
        choose("auto", media_path=media, task="translate")
    for asr in ("pocketsphinx", "moonshine", "transcript"):
        with pytest.raises(UsageError, match="only Whisper translates"):
            choose(asr, media_path=media, task="translate")
    (tmp_path / "a.srt").write_text(SRT)
    with pytest.raises(UsageError, match="only Whisper translates"):
        choose("auto", media_path=media, task="translate")


def test_choosing_imports_no_heavy_back_end():
    code = (
        "import sys; from pathlib import Path;"
        "from affect_pipe.extractors.speech.recognisers import choose;"
        "choose('pocketsphinx', media_path=Path('a.mp4')).spec();"
        "choose('whisper', media_path=Path('a.mp4')).spec();"
        "choose('auto', media_path=Path('a.mp4')).spec();"
        "heavy = ('torch', 'whisper', 'pocketsphinx', 'moonshine_voice', 'onnxruntime', 'srt');"
        "print([m for m in heavy if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
