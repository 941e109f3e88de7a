"""Whisper through its real loading path, with a tiny model whose weights hold what it says."""

from __future__ import annotations

import dataclasses
import hashlib
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.extractors.speech import whisper_asr, whisper_weights
from affect_pipe.extractors.speech.guards import IN_SILENCE, REPEATED, UNSURE, doubts_told
from affect_pipe.extractors.speech.whisper_asr import Whisper, weights_available
from affect_pipe.extractors.speech.whisper_batch import decode_batch
from affect_pipe.extractors.speech.whisper_segments import judged, stretches
from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.records import Audio, Interval, Transcript

RATE = 16000


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A checkpoint in the format of the package that says "Good morning." whatever it hears.

    Every block adds nothing to what it is given, so the output depends on the position alone, and
    the embedding of position p is the direction of the token that follows there.
    """
    import torch
    from whisper.model import ModelDimensions
    from whisper.model import Whisper as Network
    from whisper.tokenizer import get_tokenizer

    torch.manual_seed(3)
    dims = ModelDimensions(80, 1500, 16, 2, 1, 51865, 448, 16, 2, 1)
    state = Network(dims).state_dict()
    tokens = get_tokenizer(True, language="en", task="transcribe")
    start = tokens.timestamp_begin
    # Positions 0 and 1 hold the start and the language; the text begins after "transcribe".
    script = {2: [start], 6: [start + 100], 7: [tokens.eot]}
    script |= {3 + i: [token] for i, token in enumerate(tokens.encode(" Good morning."))}
    assert sorted(script) == list(range(2, 8))
    for name, tensor in state.items():
        if name.startswith("decoder.blocks") and (".out." in name or "mlp.2." in name):
            tensor.zero_()
    state["decoder.positional_embedding"].zero_()
    state["decoder.token_embedding.weight"].mul_(0.01)
    for direction, (position, (token,)) in enumerate(script.items()):
        axis = torch.nn.functional.one_hot(torch.tensor(direction), 16).float()
        state["decoder.positional_embedding"][position] = 100 * axis
        state["decoder.token_embedding.weight"][token] = 10 * axis
    path = tmp_path_factory.mktemp("whisper") / "scripted.pt"
    torch.save({"dims": dataclasses.asdict(dims), "model_state_dict": state}, path)
    return path


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "whisper"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


# whisper 20250625 leaves its vocabulary file open.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_scripted_model_says_its_line_where_somebody_speaks(checkpoint, heard):
    source = heard(noise(4.0), (Interval(1.0, 3.5),), 4.0)
    transcript = Whisper(str(checkpoint), language="english", device="cpu").transcribe(source)
    assert (transcript.source, transcript.language) == ("whisper", "en")
    assert (transcript.word_times, transcript.warnings) == ("measured", ())
    assert [word.text for word in transcript.words] == ["Good", "morning."]
    assert all(0.5 <= word.start_s <= word.end_s <= 4.0 for word in transcript.words)
    assert all(word.confidence > 0.9 for word in transcript.words)
    again = Whisper(str(checkpoint), language="en", device="cpu").transcribe(source)
    assert again == transcript


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_stretches_at_once_say_what_they_say_one_by_one(checkpoint, heard):
    activity = (Interval(1.0, 3.5), Interval(6.0, 8.0), Interval(10.0, 12.0))
    source = heard(noise(13.0), activity, 13.0)
    batched = Whisper(str(checkpoint), language="en", device="cpu", batch_size=2)
    found = batched.transcribe(source)
    assert [segment.text for segment in found.segments] == ["Good morning."] * 3
    alone = heard(source.audio.samples, activity[:1], 13.0)
    (one,) = Whisper(str(checkpoint), language="en", device="cpu").transcribe(alone).segments
    for segment, spoken in zip(found.segments, activity, strict=True):
        assert [word.text for word in segment.words] == [word.text for word in one.words]
        assert spoken.start_s - 0.3 <= segment.start_s <= segment.end_s <= spoken.end_s + 0.3
        assert all(word.confidence > 0.9 for word in segment.words)
        assert segment.quality["mean_log_probability"] == pytest.approx(
            one.quality["mean_log_probability"], abs=1e-3
        )
    assert batched.transcribe(source) == found
    assert batched.spec() != Whisper(str(checkpoint), language="en").spec()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_stretches_at_once_are_to_be_tried_again_where_the_network_is_unsure(tmp_path):
    import torch
    from whisper.model import ModelDimensions
    from whisper.model import Whisper as Network
    from whisper.tokenizer import LANGUAGES

    dims = ModelDimensions(80, 1500, 16, 2, 1, 51865, 32, 16, 2, 1)
    random = torch.Generator().manual_seed(0)
    weights = {
        name: 0.1 * torch.randn(tensor.shape, generator=random)
        for name, tensor in Network(dims).state_dict().items()
    }
    state = {"dims": dataclasses.asdict(dims), "model_state_dict": weights}
    torch.save(state, tmp_path / "random.pt")
    model = whisper_asr.load_model(tmp_path / "random.pt", "cpu")
    audio, region = Audio(noise(3.0)), Interval(0.5, 2.5)
    assert decode_batch(model, audio, [region], "en", "transcribe") == ([None], "en")
    _, language = decode_batch(model, audio, [region], None, "transcribe")
    assert language in LANGUAGES


def test_suspect_segments_are_kept_apart_with_their_reason():
    def segment(start, words, **extra):
        spoken = [
            {"word": f" {w}", "start": start + i, "end": start + i + 0.9, "probability": 0.8}
            for i, w in enumerate(words)
        ]
        sound = {"avg_logprob": -0.3, "no_speech_prob": 0.1, "compression_ratio": 1.2}
        return {
            "start": start,
            "end": start + len(words),
            "text": " ".join(words),
            "words": spoken,
            **sound,
            **extra,
        }

    segments = [
        segment(0.0, ["Good", "morning."]),
        segment(3.0, ["Na", "na", "na"], compression_ratio=3.0),
        segment(6.0, ["Thanks!"], avg_logprob=-1.5, no_speech_prob=0.9),
        segment(50.0, ["Bye."]),
    ]
    found = judged(segments, 10.0, [Interval(10.0, 20.0)])
    assert [s.doubt for s in found] == [None, REPEATED, UNSURE, IN_SILENCE]
    assert (found[0].text, found[0].start_s, found[0].end_s) == ("Good morning.", 10.0, 11.9)
    assert found[0].words[0].confidence == 0.8
    assert found[2].quality == {
        "no_speech_probability": 0.9,
        "mean_log_probability": -1.5,
        "compression_ratio": 1.2,
    }
    transcript = Transcript(tuple(found), "whisper")
    assert [word.text for word in transcript.words] == ["Good", "morning."]
    told = list(doubts_told(found))
    assert len(told) == 3
    assert all("1 segment count" in warning for warning in told)


def test_long_speech_is_cut_in_silence():
    activity = [Interval(i * 10.0, i * 10.0 + 8.0) for i in range(130)]
    found = list(stretches(activity))
    assert len(found) == 3
    assert all(stretch.duration_s <= 602.0 for stretch in found)
    covered = [any(s.start_s <= a.start_s and a.end_s <= s.end_s for s in found) for a in activity]
    assert all(covered)


def test_no_speech_needs_no_weights(empty_cache, heard):
    for nothing in (heard(noise(1.0), (), 1.0), heard(None, (), 1.0)):
        assert Whisper("base").transcribe(nothing) == Transcript((), "whisper", "base")


def test_a_transcript_names_the_model_as_it_was_asked_for():
    kept = Transcript((), "whisper", "large-v3")
    assert Whisper("large").signed(kept).model == "large"


def test_missing_weights_without_network_are_explained(empty_cache, no_network, heard):
    source = heard(noise(1.0), (Interval(0.0, 1.0),), 1.0)
    with pytest.raises(MissingWeightsError) as caught:
        Whisper("base").transcribe(source)
    said = str(caught.value)
    for needed in (str(empty_cache / "base.pt"), "openaipublic.azureedge.net", "--asr whisper:"):
        assert needed in said
    assert "\n" not in said
    with pytest.raises(MissingWeightsError, match="switched off"):
        Whisper("base", allow_download=False).transcribe(source)
    with pytest.raises(UsageError, match=r"nowhere\.pt"):
        Whisper("/nowhere.pt")


def test_damaged_cache_is_not_loaded(empty_cache, no_network):
    empty_cache.mkdir()
    assert weights_available("turbo") is None
    (empty_cache / "base.pt").write_bytes(b"half a file")
    assert weights_available("base") == empty_cache / "base.pt"
    with pytest.raises(MissingWeightsError, match="damaged"):
        whisper_weights.verified_weights("base")


def test_sound_cache_is_used_without_network(empty_cache, no_network, checkpoint, monkeypatch):
    empty_cache.mkdir()
    data = checkpoint.read_bytes()
    (empty_cache / "tiny.pt").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    monkeypatch.setattr(whisper_weights, "_url", lambda size: f"https://x/{digest}/{size}.pt")
    assert whisper_weights.verified_weights("tiny") == empty_cache / "tiny.pt"
    # A model of other dimensions under a published name keeps the default alignment heads.
    assert whisper_asr.load_model(empty_cache / "tiny.pt", "cpu").dims.n_audio_state == 16


def test_sizes_are_those_of_the_package():
    import whisper

    assert set(whisper_weights.SIZES) == set(whisper.available_models())
    for size, name in whisper_weights.SIZES.items():
        url = whisper_weights._url(size)
        assert url.endswith(f"/{name}")
        assert whisper_weights._HOST in url


def test_what_is_no_checkpoint_is_refused(tmp_path):
    import torch

    (tmp_path / "text.pt").write_bytes(b"not a checkpoint")
    torch.save({"weights": 3}, tmp_path / "other.pt")
    # weights_only loading must refuse a pickle that would run code.
    torch.save({"dims": Path("x"), "model_state_dict": {}}, tmp_path / "pickle.pt")
    # Old pickles of text fail with an IndexError inside the unpickler.
    (tmp_path / "users").write_text("root:x:0:0:root:/root:/bin/bash\n")
    for name in ("text.pt", "other.pt", "pickle.pt", "users"):
        with pytest.raises(UsageError, match=f"{name} is no readable Whisper checkpoint"):
            whisper_asr.load_model(tmp_path / name, "cpu")


@pytest.mark.parametrize("model", ["~nosuchuser/x.pt", "a\0.pt", "n" * 5000 + ".pt", "x" * 5000])
def test_names_that_are_no_paths(model):
    with pytest.raises(UsageError) as caught:
        Whisper(model)
    assert len(str(caught.value)) < 600


def test_names_and_specs(checkpoint, heard):
    with pytest.raises(UsageError, match="large-v3"):
        Whisper("enormous")
    source = heard(noise(1.0), (Interval(0.0, 1.0),), 1.0)
    with pytest.raises(UsageError, match="klingon"):
        Whisper(str(checkpoint), language="klingon").transcribe(source)
    assert Whisper("large").spec() == Whisper("large-v3").spec() != Whisper("base").spec()
    assert Whisper("base", language="de").spec() != Whisper("base").spec()
    assert Whisper("base", task="translate").spec() != Whisper("base").spec()
    assert len(Whisper(str(checkpoint)).spec().weights_digest) == 32
