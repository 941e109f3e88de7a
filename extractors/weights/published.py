"""The rows of the catalogue. Every fact is what the publisher states; nothing is guessed."""

from __future__ import annotations

from affect_pipe.extractors.weights.needs import Weights, WeightsFile

_WHISPER = "https://openaipublic.azureedge.net/main/whisper/models"
# Size and the SHA-256 that is part of the address.
_WHISPER_SIZES = {
    "tiny.en": "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
    "tiny": "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
    "base.en": "25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead",
    "base": "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
    "small.en": "f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872",
    "small": "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
    "medium.en": "d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f",
    "medium": "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
    "large-v1": "e4b87e7e0bf463eb8e6956e646f1e277e901512310def2c24bf0e11bd3c28e9a",
    "large-v2": "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524",
    "large-v3": "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
    "large-v3-turbo": "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
}
_ENCODER_EXTRAS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)


def _whisper(size: str, sha256: str) -> Weights:
    name = f"{size}.pt"
    return Weights(
        name=f"whisper-{size}",
        files=(WeightsFile(name, sha256=sha256, url=f"{_WHISPER}/{sha256}/{name}"),),
        cache="whisper",
        licence="MIT",
        page="https://github.com/openai/whisper",
        used_by=("asr whisper",),
        about=f"Whisper {size} of OpenAI",
    )


def _faster_whisper(size: str, hub: str) -> Weights:
    return Weights(
        name=f"faster-whisper-{size}",
        files=(WeightsFile("config.json"), WeightsFile("model.bin"), WeightsFile("tokenizer.json")),
        one_of=("vocabulary.json", "vocabulary.txt"),
        patterns=("preprocessor_config.json",),
        hub=hub,
        licence="MIT",
        page=f"https://huggingface.co/{hub}",
        used_by=("asr faster-whisper",),
        about=f"Whisper {size}, converted to CTranslate2",
    )


ROWS: tuple[Weights, ...] = (
    *(_whisper(size, sha256) for size, sha256 in _WHISPER_SIZES.items()),
    *(
        _faster_whisper(size, f"Systran/faster-whisper-{size}")
        for size in (
            *("tiny.en", "tiny", "base.en", "base", "small.en", "small", "medium.en", "medium"),
            *("large-v1", "large-v2", "large-v3"),
        )
    ),
    Weights(
        name="minilm",
        files=(
            WeightsFile("config.json"),
            WeightsFile("model.safetensors"),
            WeightsFile("tokenizer.json"),
        ),
        patterns=("tokenizer_config.json",),
        hub="sentence-transformers/all-MiniLM-L6-v2",
        licence="Apache-2.0",
        page="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        used_by=("minilm",),
        about="all-MiniLM-L6-v2 sentence encoder",
    ),
    Weights(
        name="bert-base-uncased",
        files=(WeightsFile("config.json"), WeightsFile("model.safetensors")),
        patterns=_ENCODER_EXTRAS,
        hub="google-bert/bert-base-uncased",
        hub_aliases=("bert-base-uncased",),
        licence="Apache-2.0",
        page="https://huggingface.co/google-bert/bert-base-uncased",
        used_by=("bert",),
        about="BERT base, uncased English",
    ),
    Weights(
        name="roberta-base",
        files=(WeightsFile("config.json"), WeightsFile("model.safetensors")),
        patterns=_ENCODER_EXTRAS,
        hub="FacebookAI/roberta-base",
        hub_aliases=("roberta-base",),
        licence="MIT",
        page="https://huggingface.co/FacebookAI/roberta-base",
        used_by=("bert",),
        about="RoBERTa base, English",
    ),
)
