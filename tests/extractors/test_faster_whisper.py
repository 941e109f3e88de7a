"""faster-whisper through its real loading path, with a tiny model that says what it was made to."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.extractors.speech import faster_whisper_weights
from affect_pipe.extractors.speech.faster_whisper_asr import FasterWhisper
from affect_pipe.extractors.speech.guards import REPEATED
from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.records import Interval, Transcript

pytest.importorskip("faster_whisper", reason="needs the extra faster-whisper")

RATE = 16000
WIDTH = 32
# ids of multilingual Whisper
END, START, ENGLISH, GERMAN, FIRST_TIME = 50257, 50258, 50259, 50261, 50364

pytestmark = [
    pytest.mark.backend,
    # whisper 20250625 leaves its vocabulary file open.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def save_tokenizer(folder: Path) -> None:
    """Write Whisper's multilingual vocabulary as a ``tokenizer.json`` (it need only decode)."""
    import tokenizers
    import whisper
    from transformers.convert_slow_tokenizer import bytes_to_unicode
    from whisper.tokenizer import LANGUAGES

    letters = bytes_to_unicode()
    lines = (Path(whisper.__file__).parent / "assets" / "multilingual.tiktoken").read_text()
    vocabulary = {
        "".join(letters[byte] for byte in base64.b64decode(token)): int(rank)
        for token, rank in (line.split() for line in lines.splitlines())
    }
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    special = ["endoftext", "startoftranscript", *list(LANGUAGES)[:99], "translate", "transcribe"]
    special += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    special += [f"{i * 0.02:.2f}" for i in range(1501)]
    tokenizer.add_special_tokens([f"<|{name}|>" for name in special])
    assert tokenizer.token_to_id("<|0.00|>") == FIRST_TIME
    tokenizer.save(str(folder / "tokenizer.json"))


def scripted(folder: Path, text: str, language: int) -> Path:
    """A CTranslate2 folder, converted from transformers, that says ``text`` whatever it hears.

    Every block adds nothing to what it is given, so the output depends on the position alone, and
    the embedding of position p is the direction of the token that follows there.
    """
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration
    from whisper.tokenizer import get_tokenizer

    torch.manual_seed(3)
    config = WhisperConfig(
        vocab_size=51865,
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=WIDTH,
        decoder_ffn_dim=WIDTH,
        decoder_start_token_id=START,
    )
    model = WhisperForConditionalGeneration(config)
    tokens = get_tokenizer(True, language="en", task="transcribe").encode(text)
    # Position 0 decides the language; the prompt ends with "no timestamps" at position 3.
    script = {0: language, **{3 + i: token for i, token in enumerate([*tokens, END])}}
    assert len(script) <= WIDTH
    decoder = model.model.decoder
    with torch.no_grad():
        for name, tensor in decoder.layers.named_parameters():
            if "out_proj" in name or "fc2" in name:
                tensor.zero_()
        decoder.embed_positions.weight.zero_()
        decoder.embed_tokens.weight.mul_(0.01)
        rows: dict[int, int] = {}
        for position, token in script.items():
            axis = rows.setdefault(token, len(rows))
            decoder.embed_positions.weight[position, axis] = 100.0
            decoder.embed_tokens.weight[token, axis] = 10.0
    hub = folder / "transformers"
    model.save_pretrained(hub)
    WhisperFeatureExtractor().save_pretrained(hub)
    save_tokenizer(hub)
    (hub / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    made = folder / "ct2"
    TransformersConverter(
        str(hub), copy_files=["tokenizer.json", "preprocessor_config.json"]
    ).convert(str(made))
    # What published models bring along in their generation_config.json.
    config = json.loads((made / "config.json").read_text())
    config |= {"lang_ids": [ENGLISH, GERMAN], "alignment_heads": [[0, 0]]}
    (made / "config.json").write_text(json.dumps(config))
    return made


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return scripted(tmp_path_factory.mktemp("ct2"), " Good morning.", ENGLISH)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def test_says_its_line_in_every_stretch_of_speech(weights, heard):
    activity = (Interval(1.0, 3.5), Interval(6.0, 8.0), Interval(10.0, 12.0))
    source = heard(noise(13.0), activity, 13.0)
    recogniser = choose(f"faster-whisper:{weights}", media_path=Path("a.wav"))
    transcript = recogniser.transcribe(source)
    assert (transcript.source, transcript.model) == ("faster-whisper", "ct2")
    assert (transcript.language, transcript.word_times) == ("en", "measured")
    assert [segment.text for segment in transcript.segments] == ["Good morning."] * 3
    for segment, spoken in zip(transcript.segments, activity, strict=True):
        assert spoken.start_s - 0.3 <= segment.start_s <= segment.end_s <= spoken.end_s + 0.3
        assert [word.text for word in segment.words] == ["Good", "morning."]
        assert all(word.confidence > 0.9 for word in segment.words)
        assert segment.quality["mean_log_probability"] == pytest.approx(0.0, abs=0.1)
        assert 0.0 <= segment.quality["no_speech_probability"] <= 1.0
        assert segment.quality["compression_ratio"] < 2.4
    assert FasterWhisper(str(weights)).transcribe(source) == transcript


def test_language_given_detected_or_translated(tmp_path, heard):
    german = scripted(tmp_path, " Guten Morgen.", GERMAN)
    source = heard(noise(3.0), (Interval(0.5, 2.5),), 3.0)
    assert FasterWhisper(str(german)).transcribe(source).language == "de"
    assert FasterWhisper(str(german), language="french").transcribe(source).language == "fr"
    translated = FasterWhisper(str(german), task="translate")
    assert translated.transcribe(source).language == "en"
    assert translated.spec() != FasterWhisper(str(german)).spec()


def test_a_model_that_names_no_languages_asks_for_one(tmp_path, weights, heard):
    for path in weights.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((weights / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"lang_ids": []}))
    source = heard(noise(3.0), (Interval(0.5, 2.5),), 3.0)
    with pytest.raises(UsageError, match="give --language"):
        FasterWhisper(str(tmp_path)).transcribe(source)
    assert len(FasterWhisper(str(tmp_path), language="en").transcribe(source).words) == 2


@pytest.mark.parametrize("heads", [{}, {"alignment_heads": []}, {"alignment_heads": [[0]]}])
def test_weights_that_cannot_time_words_are_refused(tmp_path, weights, heard, heads):
    for path in weights.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"lang_ids": [50259]} | heads))
    source = heard(noise(3.0), (Interval(0.5, 2.5),), 3.0)
    with pytest.raises(UsageError, match="names no alignment heads"):
        FasterWhisper(str(tmp_path), language="en").transcribe(source)


def test_a_loop_is_kept_apart_and_said(tmp_path, heard):
    looping = scripted(tmp_path, " no" * 24, ENGLISH)
    source = heard(noise(3.0), (Interval(0.5, 2.5),), 3.0)
    transcript = FasterWhisper(str(looping)).transcribe(source)
    assert [segment.doubt for segment in transcript.segments] == [REPEATED]
    assert transcript.words == ()
    assert REPEATED in transcript.warnings[0]


def test_no_speech_needs_no_weights(heard):
    for nothing in (heard(noise(1.0), (), 1.0), heard(None, (), 1.0)):
        found = FasterWhisper("base").transcribe(nothing)
        assert found == Transcript((), "faster-whisper", "base")


def test_missing_weights_are_explained_in_one_sentence(tmp_path, monkeypatch, heard):
    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = heard(noise(1.0), (Interval(0.0, 1.0),), 1.0)
    for allow in (True, False):
        with pytest.raises(MissingWeightsError) as caught:
            FasterWhisper("small", allow_download=allow).transcribe(source)
        said = str(caught.value)
        assert "\n" not in said
        for needed in ("model.bin", "models pull faster-whisper-small", "models load"):
            assert needed in said


def test_weights_of_ones_own_by_name(weights, tmp_path, monkeypatch, heard):
    from affect_pipe.extractors.weights.own import add
    from affect_pipe.extractors.weights.store import WeightsStore

    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(tmp_path))
    add(WeightsStore(), "mine", weights)
    source = heard(noise(3.0), (Interval(0.5, 2.5),), 3.0)
    mine = FasterWhisper("mine")
    assert len(mine.transcribe(source).words) == 2
    assert len(mine.spec().weights_digest) == 32


def test_sizes_are_those_of_the_package():
    from faster_whisper.utils import _MODELS

    ours = {size: faster_whisper_weights.named(size) for size in faster_whisper_weights.SIZES}
    assert {size: weights.hub for size, weights in ours.items()} == {
        size: hub for size, hub in _MODELS.items() if "distil" not in size
    }


def test_what_is_no_model_is_refused(tmp_path, weights, heard):
    for name in ("enormous", "a/b/c", "~nosuchuser/x", "x" * 5000, "a\0b"):
        with pytest.raises(UsageError) as caught:
            FasterWhisper(name)
        assert len(str(caught.value)) < 600
    with pytest.raises(UsageError, match=r"lacks model\.bin"):
        FasterWhisper(str(tmp_path))
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((weights / name).read_bytes())
    (tmp_path / "model.bin").write_bytes(b"no weights")
    source = heard(noise(1.0), (Interval(0.0, 1.0),), 1.0)
    with pytest.raises(UsageError, match="no readable faster-whisper weights"):
        FasterWhisper(str(tmp_path)).transcribe(source)
    with pytest.raises(UsageError, match="klingon"):
        FasterWhisper(str(weights), language="klingon").transcribe(source)


def test_specs(weights):
    assert FasterWhisper("large").spec() == FasterWhisper("large-v3").spec()
    assert FasterWhisper("base").spec() != FasterWhisper("small").spec()
    assert FasterWhisper("org/name").spec().model_id == "org/name"
    assert len(FasterWhisper(str(weights)).spec().weights_digest) == 32
