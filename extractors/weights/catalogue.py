"""All published weights that extractors know by name, and the shapes of those they do not.

Facts about each row (size, SHA-256, licence) are as published; None or an empty text where nothing
is published.
"""

from __future__ import annotations

import dataclasses
import re

from affect_pipe.extractors.weights.needs import Weights, WeightsFile, check_name
from affect_pipe.extractors.weights.published import ROWS

CATALOGUE: dict[str, Weights] = {row.name: row for row in ROWS}

#: Any encoder in the layout of the transformers library. Pickled weights are not taken.
ENCODER = Weights(
    name="encoder",
    files=(WeightsFile("config.json"),),
    one_of=("model.safetensors", "model.safetensors.index.json"),
    patterns=(
        "model-*-of-*.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "spiece.model",
        "sentencepiece.bpe.model",
    ),
    used_by=("bert",),
    about="encoder in the Hugging Face layout",
)
#: A Whisper model converted to CTranslate2, as faster-whisper loads it.
CTRANSLATE2 = Weights(
    name="ctranslate2",
    files=(WeightsFile("config.json"), WeightsFile("model.bin"), WeightsFile("tokenizer.json")),
    one_of=("vocabulary.json", "vocabulary.txt"),
    patterns=("preprocessor_config.json",),
    used_by=("asr faster-whisper",),
    about="Whisper model in the CTranslate2 layout",
)
#: A table of word vectors: one text or binary file, or an archive of such.
WORD_VECTORS = Weights(
    name="vectors",
    one_of=("*.txt", "*.zip", "*.gz", "*.bin", "*.vec"),
    used_by=("glove",),
    about="word vectors",
)
#: What a repository of the hub may hold where nobody said which of these it is.
ANY_MODEL = dataclasses.replace(
    ENCODER,
    one_of=(*ENCODER.one_of, "model.bin"),
    patterns=(*ENCODER.patterns, "vocabulary.json", "vocabulary.txt", "preprocessor_config.json"),
    used_by=(),
    about="model of the Hugging Face hub",
)
#: Files of the user's own, of any kind.
OWN_FILES = Weights(name="own", one_of=("*",), about="your own files")

# Other names of the same weights, as libraries and releases call them.
_ALIASES = {
    "whisper-large": "whisper-large-v3",
    "whisper-turbo": "whisper-large-v3-turbo",
    "faster-whisper-large": "faster-whisper-large-v3",
    "faster-whisper-turbo": "faster-whisper-large-v3-turbo",
}

_COLUMNS = re.compile(r"\.\d{1,4}d$")


def release_of(table: str) -> Weights | None:
    """Return the published archive that a table of word vectors is in, if there is one.

    ``glove.6B.300d`` lies in the archive ``glove.6B`` with three others.
    """
    return CATALOGUE.get(table) or CATALOGUE.get(_COLUMNS.sub("", table))


def wanted(name: str, like: Weights | None = None) -> Weights:
    """Return the weights called ``name``: a row of the catalogue, or one shaped like ``like``.

    Parameters
    ----------
    name : str
        A name of the catalogue, ORG/NAME on the Hugging Face hub, or a name the user gave to files
        of their own with ``affect-pipe models add``.
    like : Weights, optional
        What the files of an unlisted name must look like. A name without ``/`` that is not in the
        catalogue is looked for on this machine only and never asked of the network.

    Raises
    ------
    UsageError
        If no weights can have this name.
    """
    if _ALIASES.get(name, name) in CATALOGUE:
        return CATALOGUE[_ALIASES.get(name, name)]
    check_name(name)
    shape = like if like is not None else ANY_MODEL if "/" in name else OWN_FILES
    return dataclasses.replace(
        shape,
        name=name,
        hub=name if "/" in name else None,
        page=f"https://huggingface.co/{name}" if "/" in name else "",
        licence="",
    )
