"""The rows of the catalogue. Every fact is what the publisher states; nothing is guessed."""

from __future__ import annotations

from affect_pipe.extractors.weights.needs import Weights, WeightsFile
from affect_pipe.extractors.weights.published_networks import NETWORK_ROWS
from affect_pipe.extractors.weights.published_pyfeat import PYFEAT_ROWS
from affect_pipe.extractors.weights.published_text import TEXT_ROWS

_WHISPER = "https://openaipublic.azureedge.net/main/whisper/models"
# Bytes, and the SHA-256 that is part of the address.
_WHISPER_SIZES = {
    "tiny.en": (
        75_571_315,
        "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
    ),
    "tiny": (
        75_572_083,
        "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
    ),
    "base.en": (
        145_261_783,
        "25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead",
    ),
    "base": (
        145_262_807,
        "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
    ),
    "small.en": (
        483_615_683,
        "f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872",
    ),
    "small": (
        483_617_219,
        "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
    ),
    "medium.en": (
        1_528_006_491,
        "d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f",
    ),
    "medium": (
        1_528_008_539,
        "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
    ),
    "large-v1": (
        3_086_999_982,
        "e4b87e7e0bf463eb8e6956e646f1e277e901512310def2c24bf0e11bd3c28e9a",
    ),
    "large-v2": (
        3_086_999_982,
        "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524",
    ),
    "large-v3": (
        3_087_371_615,
        "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
    ),
    "large-v3-turbo": (
        1_617_941_637,
        "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
    ),
}

# Bytes and SHA-256 of model.bin, and who converted it.
_FASTER_WHISPER_SIZES: dict[str, tuple[int | None, str | None, str]] = {
    "tiny.en": (None, None, "Systran"),
    "tiny": (75_538_270, None, "Systran"),
    "base.en": (None, None, "Systran"),
    "base": (
        145_217_532,
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        "Systran",
    ),
    "small.en": (None, None, "Systran"),
    "small": (
        483_546_902,
        "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        "Systran",
    ),
    "medium.en": (1_527_904_330, None, "Systran"),
    "medium": (
        1_527_906_378,
        "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae",
        "Systran",
    ),
    "large-v1": (3_086_912_962, None, "Systran"),
    "large-v2": (3_086_912_962, None, "Systran"),
    "large-v3": (
        3_087_284_237,
        "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
        "Systran",
    ),
    "large-v3-turbo": (1_617_884_929, None, "mobiuslabsgmbh"),
}


def _whisper(size: str, n_bytes: int, sha256: str) -> Weights:
    name = f"{size}.pt"
    return Weights(
        name=f"whisper-{size}",
        files=(WeightsFile(name, n_bytes, sha256, f"{_WHISPER}/{sha256}/{name}"),),
        cache="whisper",
        licence="MIT",
        page="https://github.com/openai/whisper",
        used_by=("asr whisper",),
        about=f"Whisper {size} of OpenAI",
    )


def _faster_whisper(size: str, n_bytes: int | None, sha256: str | None, owner: str) -> Weights:
    hub = f"{owner}/faster-whisper-{size}"
    return Weights(
        name=f"faster-whisper-{size}",
        files=(
            WeightsFile("config.json"),
            WeightsFile("model.bin", n_bytes, sha256),
            WeightsFile("tokenizer.json"),
        ),
        one_of=("vocabulary.json", "vocabulary.txt"),
        patterns=("preprocessor_config.json",),
        hub=hub,
        licence="MIT",
        page=f"https://huggingface.co/{hub}",
        used_by=("asr faster-whisper",),
        about=f"Whisper {size}, converted to CTranslate2",
    )


ROWS: tuple[Weights, ...] = (
    *(_whisper(size, *known) for size, known in _WHISPER_SIZES.items()),
    *(_faster_whisper(size, *known) for size, known in _FASTER_WHISPER_SIZES.items()),
    *TEXT_ROWS,
    *NETWORK_ROWS,
    *PYFEAT_ROWS,
)
