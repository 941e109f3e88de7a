"""One video through every stage, for real: results, cache, call counts, determinism."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from affect_pipe.api import Analyzer, RunSettings, analyze
from affect_pipe.cli import main
from affect_pipe.extractors.acoustic.egemaps import EGeMAPS
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.extractors.text.minilm import MiniLM
from affect_pipe.fusion.config import (
    LEVELS,
    SENTIMENT_LABELS,
    STEP_TASK_NAMES,
    EvidenceSettings,
    TaskSettings,
)
from affect_pipe.fusion.predict import CheckpointPredictor
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.results.csv_result import write_csv
from affect_pipe.pipeline.results.json_result import schema, to_json
from affect_pipe.pipeline.results.table import to_table


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def settings(untrained, cache_dir):
    return RunSettings(model=str(untrained), cache_dir=str(cache_dir))


@pytest.fixture(scope="module")
def result(clip, settings):
    return analyze(clip, settings)


@pytest.fixture
def calls(monkeypatch):
    """How often each back end is asked to compute."""
    counted = Counter()
    back_ends = [
        (FrameProcess, "__call__"),
        (SileroVAD, "detect"),
        (MiniLM, "extract"),
        (EGeMAPS, "extract"),
        (CheckpointPredictor, "predict"),
    ]
    for owner, method in back_ends:
        original = getattr(owner, method)

        def counting(self, *args, _original=original, _name=f"{owner.__name__}.{method}", **kwargs):
            counted[_name] += 1
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(owner, method, counting)
    return counted


@pytest.fixture(scope="module")
def explained(clip, settings, result):
    """The same video again, explained."""
    return analyze(clip, settings, explain=True)


def plain(result):
    """The result as written, but for how long it took."""
    return {**to_json(result), "timings_s": None}


def test_a_talking_video_has_words_voice_and_face(result):
    assert [u.text for u in result.features.utterances] == [
        "On Monday I took my old bicycle to the repair shop.",
        "They fixed it in an hour, and it rides beautifully.",
    ]
    for modality in ("text", "acoustic", "visual"):
        assert result.features.blocks[modality].present.all(), modality
    assert all(p is not None for p in result.prediction.utterances)
    assert result.warnings == ()


def test_the_result_is_what_the_schema_says(result):
    jsonschema.validate(json.loads(json.dumps(to_json(result))), schema())


def test_attention_rows_are_distributions_over_the_utterances(result):
    assert result.prediction.attention
    for weights in result.prediction.attention.values():
        np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)


def test_the_second_run_computes_nothing(clip, settings, result, calls):
    again = analyze(clip, settings)
    assert not calls
    assert plain(again) == plain(result)


def test_a_copy_under_another_name_computes_nothing(clip, settings, result, calls, tmp_path):
    shutil.copy(clip, tmp_path / "same bytes.mp4")
    shutil.copy(clip.with_suffix(".srt"), tmp_path / "same bytes.srt")
    copied = analyze(tmp_path / "same bytes.mp4", settings)
    assert not calls
    assert copied.transcript.model == "same bytes.srt"
    assert clip.stem not in json.dumps(to_json(copied))


def test_another_recogniser_reruns_no_face_stage(clip, settings, result, calls):
    heard = analyze(clip, settings.model_copy(update={"asr": "pocketsphinx"}))
    assert heard.transcript.source == "pocketsphinx"
    assert any("PocketSphinx" in warning for warning in heard.warnings)
    assert calls["FrameProcess.__call__"] == 0
    assert calls["SileroVAD.detect"] == 0
    assert calls["CheckpointPredictor.predict"] == 1


RTTM = """SPEAKER clip 1 0.7 1.1 <NA> <NA> Ann <NA> <NA>
SPEAKER clip 1 1.8 6.5 <NA> <NA> Bob <NA> <NA>
"""


def test_a_diarisation_cuts_at_speakers_and_reruns_neither_face_nor_words(
    clip, settings, result, calls, tmp_path
):
    path = tmp_path / "who.rttm"
    path.write_text(RTTM)
    document = to_json(analyze(clip, settings.model_copy(update={"diarisation": path})))
    jsonschema.validate(document, schema())
    assert document["asr"]["diarisation"] == "who.rttm"
    found = [(u["speaker"], u["text"]) for u in document["utterances"]]
    assert [speaker for speaker, _ in found] == ["Ann", "Bob", "Bob"]
    assert " ".join(text for _, text in found[:2]) == result.features.utterances[0].text
    assert found[2][1] == result.features.utterances[1].text
    assert calls["FrameProcess.__call__"] == calls["SileroVAD.detect"] == 0
    words = analyze(clip, settings).transcript
    assert words == result.transcript


def test_a_whisperx_transcript_names_its_speakers(clip, settings, result, tmp_path):
    words = [
        {"word": w, "start": 0.8 + 0.2 * i, "end": 1.0 + 0.2 * i, "score": 0.9, "speaker": who}
        for i, (w, who) in enumerate([("On", "A"), ("Monday", "A"), ("I", "B"), ("took", "B")])
    ]
    path = tmp_path / "x.json"
    segment = {"start": 0.8, "end": 1.6, "text": "On Monday I took", "words": words}
    path.write_text(json.dumps({"segments": [segment], "word_segments": words}))
    found = analyze(clip, settings.model_copy(update={"transcript": path}))
    named = [(u.speaker, u.text) for u in found.features.utterances if u.speaker]
    assert named == [("A", "On Monday"), ("B", "I took")]


def test_another_checkpoint_reruns_nothing_but_fusion(
    clip, settings, result, calls, make_checkpoint, tmp_path
):
    other = make_checkpoint(tmp_path / "other", seed=1)
    judged = analyze(clip, settings.model_copy(update={"model": str(other)}))
    assert calls == {"CheckpointPredictor.predict": 1}
    assert plain(judged)["utterances"] != plain(result)["utterances"]


def test_the_same_input_gives_the_same_bytes(clip, settings, result, tmp_path):
    fresh = analyze(clip, settings.model_copy(update={"cache_dir": str(tmp_path / "fresh")}))
    assert json.dumps(plain(fresh)) == json.dumps(plain(result))


def test_explaining_changes_nothing_else(explained, result):
    assert result.contributions is None
    without = replace(explained, contributions=None)
    assert plain(without) == plain(result)
    document = to_json(explained)
    jsonschema.validate(document, schema())
    for utterance, before in zip(document["utterances"], plain(result)["utterances"], strict=True):
        found = utterance.pop("contributions")
        assert utterance == before
        assert set(found) == {"text", "acoustic", "visual"}
        for change in found.values():
            assert change["emotions"]["probability"].keys() == before["emotions"].keys()
            assert -1 <= change["sentiment"]["probability"] <= 1


def test_explaining_runs_the_fusion_model_once_a_modality(clip, settings, explained, calls):
    again = analyze(clip, settings, explain=True)
    assert calls == {"CheckpointPredictor.predict": 3}
    assert plain(again) == plain(explained)


def test_a_model_without_attention_says_so(settings, result):
    deaf = replace(result, prediction=replace(result.prediction, attention={}))
    with Analyzer(settings) as analyzer:
        assert any("no attention" in warning for warning in analyzer.explain(deaf).warnings)
        assert analyzer.explain(result).warnings == ()


def test_a_video_without_a_face_owes_nothing_to_it(clip, untrained, tmp_path, ffmpeg):
    voice = tmp_path / "voice.wav"
    ffmpeg("-i", clip, "-vn", voice)
    shutil.copy(clip.with_suffix(".srt"), voice.with_suffix(".srt"))
    found = analyze(voice, RunSettings(model=str(untrained)), explain=True)
    document = to_json(found)
    jsonschema.validate(document, schema())
    for utterance in document["utterances"]:
        assert set(utterance["contributions"]) == {"text", "acoustic"}


def test_a_damaged_cache_entry_is_computed_again_and_said(clip, untrained, tmp_path, result):
    settings = RunSettings(model=str(untrained), cache_dir=str(tmp_path / "damaged"))
    analyze(clip, settings)
    for entry in (tmp_path / "damaged").rglob("*.safetensors"):
        content = bytearray(entry.read_bytes())
        content[-1] ^= 0xFF
        entry.write_bytes(content)
    again = analyze(clip, settings)
    assert plain(again)["utterances"] == plain(result)["utterances"]
    assert any("recomputed" in w or "damaged" in w for w in again.warnings)


def test_one_analyzer_many_videos(clip, settings, calls, tmp_path):
    analyzer = Analyzer(settings)
    first, second = analyzer(clip), analyzer(clip)
    assert plain(first) == plain(second)


def test_events_tell_every_stage(clip, untrained, tmp_path):
    events = []
    settings = RunSettings(model=str(untrained), cache_dir=str(tmp_path / "told"))
    analyze(clip, settings, listener=events.append)
    finished = {e.stage for e in events if e.state == "computed"}
    assert finished == {
        "audio",
        "face-tracks",
        "voice-activity",
        "speech",
        "features-text",
        "features-acoustic",
        "features-visual",
        "fusion",
    }
    assert any(e.stage == "face-tracks" and e.state == "progress" for e in events)


def test_a_checkpoint_of_other_tasks(clip, cache_dir, result, make_checkpoint, tmp_path):
    """Seven sentiment classes, arousal, and more evidence than there ever is."""
    tasks = (TaskSettings(name="sentiment_class", classes=7), TaskSettings(name="arousal_class"))
    evidence = EvidenceSettings(modalities=("text",), min_speech_s=99, min_modalities=3)
    folder = make_checkpoint(tmp_path / "other", tasks=tasks, thresholds={}, evidence=evidence)
    found = analyze(clip, RunSettings(model=str(folder), cache_dir=str(cache_dir)), explain=True)
    assert set(to_json(found)["utterances"][0]["contributions"]["text"]) == {"sentiment", "arousal"}
    jsonschema.validate(to_json(found), schema())
    found = replace(found, contributions=None)
    again = analyze(clip, RunSettings(model=str(folder), cache_dir=str(cache_dir)))
    assert plain(again) == plain(found)
    jsonschema.validate(to_json(found), schema())
    utterances = to_json(found)["utterances"]
    assert len(utterances) == len(result.features.utterances) > 0
    for utterance in utterances:
        assert utterance["sentiment"]["label"] in SENTIMENT_LABELS[7]
        assert utterance["sentiment"]["intensity"] is None
        assert utterance["arousal"]["label"] in LEVELS
        assert utterance["evidence"]["sufficient"] is False
        assert "under 99.00 s" in utterance["evidence"]["reasons"][0]
        assert not {"emotions", "valence"} & set(utterance)
    write_csv(found, tmp_path / "found.csv")
    assert "p_arousal_very_low" in (tmp_path / "found.csv").read_text("utf-8")
    to_table(found)


def test_the_muse_multitask_model_from_the_command_line(
    clip, cache_dir, result, make_checkpoint, tmp_path
):
    small = {"hidden_width": 4, "heads": 2, "feed_forward": 4, "layers": 1, "blocks": []}
    branches = [
        {**small, "hybrid": "attention-efficientnet-bilstm", "modalities": ["acoustic"]},
        {**small, "hybrid": "attention-bilstm"},
    ]
    folder = make_checkpoint(
        tmp_path / "muse",
        tasks=tuple(TaskSettings(name=name) for name in STEP_TASK_NAMES),
        backbone="muse-multitask",
        backbone_settings={"branches": branches, "shared_widths": [5]},
        thresholds={},
    )
    out = ["--out", str(tmp_path / "out"), "--cache-dir", str(cache_dir)]
    assert main(["run", str(clip), "--model", str(folder), *out]) == 0
    written = json.loads((tmp_path / "out" / f"{clip.stem}.affect.json").read_text("utf-8"))
    jsonschema.validate(written, schema())
    assert written["model"]["backbone"] == "muse-multitask"
    assert len(written["utterances"]) == len(result.features.utterances)
    for utterance in written["utterances"]:
        for name in ("arousal", "valence"):
            probabilities = utterance[name]["probabilities"]
            assert tuple(probabilities) == LEVELS
            assert sum(probabilities.values()) == pytest.approx(1.0, abs=1e-4)
            assert utterance[name]["label"] == max(probabilities, key=probabilities.get)
        assert not {"sentiment", "emotions"} & set(utterance)
